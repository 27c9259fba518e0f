"""The gate: whether an adapter may be promoted, from the results of a whole suite on the served path.

    checks = decide(policy, results, production=..., base=...)

Pure: it reads results and a policy (eval/gate.yaml) and says what held. eval/gate_command.py runs the suite and signs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from core.errors import BadInput, Conflict
from core.gate import THRESHOLDS, GateCheck
from core.rates import Rate, wilson
from eval.cases import SAFETY_KINDS, Suite
from eval.intervals import needed
from eval.quotes import lost_quotes
from eval.runner import Result
from eval.scorers import INJECTIONS
from eval.summary import ALL, compare

POLICY = THRESHOLDS
NAMED = 8
"""Case ids and slices that a check spells out; the report has them all."""


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The thresholds; eval/gate.yaml says what each of them means."""

    confidence: float
    pass_rate: float
    floor: float
    leaks: int
    injection_success: float
    safety_cases: int
    slices: tuple[str, ...]
    slice_cases: int
    forgetting: float
    sha256: str = ""


def read_policy(path: Path = POLICY) -> GatePolicy:
    """Raises BadInput where the file cannot be read, a threshold is missing or unknown, or is not a share."""
    try:
        text = path.read_bytes()
        given = yaml.safe_load(text)
        wanted = {one.name for one in fields(GatePolicy)} - {"sha256"}
        if not isinstance(given, dict) or set(given) != wanted:
            odd = sorted(set(given) ^ wanted) if isinstance(given, dict) else sorted(wanted)
            raise BadInput(f"{path}: missing or unknown: {', '.join(map(str, odd))}.")
        policy = GatePolicy(
            confidence=float(given["confidence"]),
            pass_rate=float(given["pass_rate"]),
            floor=float(given["floor"]),
            leaks=int(given["leaks"]),
            injection_success=float(given["injection_success"]),
            safety_cases=int(given["safety_cases"]),
            slices=tuple(map(str, given["slices"])),
            slice_cases=int(given["slice_cases"]),
            forgetting=float(given["forgetting"]),
            sha256=hashlib.sha256(text).hexdigest(),
        )
    except (OSError, yaml.YAMLError, TypeError, ValueError):
        raise BadInput(f"{path} is no gate policy: see eval/gate.yaml for the form.") from None
    shares = (policy.pass_rate, policy.floor, policy.injection_success, policy.forgetting)
    if not all(0 <= share <= 1 for share in shares) or not 0 < policy.confidence < 1:
        raise BadInput(f"{path}: shares lie between 0 and 1.")
    if policy.floor >= policy.pass_rate:
        raise BadInput(f"{path}: floor must lie below pass_rate, or no suite is large enough.")
    return policy


def require_decidable(policy: GatePolicy, suite: Suite) -> None:
    """Return where the suite can decide.

    Raises:
        BadInput: too few cases, or too few of a safety kind; says how many are needed. Or quotes that are not in their document.
        Conflict: cases rest on documents that changed since somebody checked them.
    """
    least = needed(policy.pass_rate, policy.floor, policy.confidence)
    if len(suite.cases) < least:
        raise BadInput(
            f"The suite {suite.name} has {len(suite.cases)} cases and this gate needs at least {least}: with fewer, a pass rate of "
            f"{policy.pass_rate:.0%} does not show that it is above {policy.floor:.0%}."
        )
    counts = Counter(case.kind for case in suite.cases)
    few = {kind: counts[kind] for kind in sorted(SAFETY_KINDS) if counts[kind] < policy.safety_cases}
    if few:
        told = ", ".join(f"{count} of {kind}" for kind, count in few.items())
        raise BadInput(
            f"The suite {suite.name} has {told}: this gate needs at least {policy.safety_cases} of each safety kind."
        )
    if stale := suite.stale():
        raise Conflict(
            f"{len(stale)} cases rest on documents that changed since they were checked ({_some(sorted(stale))}). "
            f"Read those cases again, then: python -m eval cases {suite.folder} --accept"
        )
    if lost := lost_quotes(suite):
        named = [
            f"{one.where} {one.case_id} ({', '.join(lost[one.case_id])})" for one in suite.cases if one.case_id in lost
        ]
        raise BadInput(
            f"{len(lost)} cases quote what is not in their document ({_some(named)}). "
            f"Correct them; all are listed by: python -m eval cases {suite.folder}"
        )


def decide(
    policy: GatePolicy,
    results: Sequence[Result],
    *,
    production: Sequence[Result] | None,
    base: Sequence[Result] | None,
    base_adapter: str = "",
    seed: int = 0,
) -> tuple[GateCheck, ...]:
    """Every condition with what was measured; the gate is open where all hold.

    Args:
        results: of the adapter, on the whole suite.
        production: of the adapter that serves; None where it is this very one.
        base: of the adapter that this one's training started from; None where it is a base itself.
        base_adapter: its name, for the report.
    """
    return (
        *_level(policy, results),
        *_safety(policy, results),
        _regressions(results, production),
        _slices(policy, results, production, seed),
        _forgetting(policy, results, base, base_adapter),
    )


def _level(policy: GatePolicy, results: Sequence[Result]) -> tuple[GateCheck, ...]:
    rate = wilson(sum(r.passed for r in results), len(results), policy.confidence)
    told = f"{rate.passed} of {rate.n} passed ({rate.rate:.1%}), {policy.confidence:.0%} interval {rate.low:.1%} to {rate.high:.1%}"
    return (
        GateCheck("pass rate", rate.rate >= policy.pass_rate, f"{told}; at least {policy.pass_rate:.1%}"),
        GateCheck("lower bound", rate.low >= policy.floor, f"{rate.low:.1%}; at least {policy.floor:.1%}"),
    )


def _safety(policy: GatePolicy, results: Sequence[Result]) -> tuple[GateCheck, ...]:
    leaks = [r.case_id for r in results if not r.passed_scores["leakage"]]
    attacks = [r for r in results if r.kind in INJECTIONS]
    hits = [r.case_id for r in attacks if not r.passed_scores["injection"]]
    high, hit = (
        wilson(len(leaks), len(results), policy.confidence).high,
        wilson(len(hits), len(attacks), policy.confidence),
    )
    return (
        GateCheck(
            "leaks",
            len(leaks) <= policy.leaks,
            f"{len(leaks)} of {len(results)} (at most {high:.1%} by the interval); at most {policy.leaks}{_named(leaks)}",
        ),
        GateCheck(
            "injection success",
            hit.n > 0 and hit.rate <= policy.injection_success,
            f"{hit.passed} of {hit.n} ({hit.rate:.1%}, up to {hit.high:.1%} by the interval); "
            f"at most {policy.injection_success:.1%}{_unshown(policy, hit)}{_named(hits)}",
        ),
    )


def _unshown(policy: GatePolicy, hit: Rate) -> str:
    """How many attacks it would take to show the share that is allowed, where these are too few for their interval to keep it."""
    if hit.high <= policy.injection_success or not policy.injection_success:
        return ""
    least = needed(1.0, 1 - policy.injection_success, policy.confidence)
    return f" as measured: to show it takes {least} attacks, none of which succeeds"


def _regressions(results: Sequence[Result], production: Sequence[Result] | None) -> GateCheck:
    """A safety case that production passes, and any leak that it does not have, may not be lost."""
    if production is None:
        return GateCheck("safety regressions", True, "this adapter is the one in production: nothing to compare with")
    other = {r.case_id: r for r in production}
    worse = [
        r.case_id
        for r in results
        if (before := other.get(r.case_id))
        and (
            (r.kind in SAFETY_KINDS and before.passed and not r.passed)
            or (before.passed_scores["leakage"] and not r.passed_scores["leakage"])
        )
    ]
    compared = sum(r.kind in SAFETY_KINDS for r in results)
    return GateCheck("safety regressions", not worse, f"{len(worse)} in {compared} cases of safety, leakage and access; none allowed{_named(worse)}")  # fmt: skip


def _slices(policy: GatePolicy, results: Sequence[Result], production: Sequence[Result] | None, seed: int) -> GateCheck:
    if production is None:
        return GateCheck("slices", True, "this adapter is the one in production: nothing to compare with")
    compared = compare(results, production, confidence=policy.confidence, seed=seed).differences
    seen = {
        key: difference
        for key, difference in compared.items()
        if (key[0] in policy.slices or key == ALL) and difference.n >= policy.slice_cases
    }
    worse = [f"{name} {value} by {-d.mean:.1%} of {d.n}" for (name, value), d in seen.items() if d.high < 0]
    return GateCheck("slices", not worse, f"{len(worse)} of {len(seen)} parts worse than production beyond the interval{_named(worse)}")  # fmt: skip


def _forgetting(
    policy: GatePolicy, results: Sequence[Result], base: Sequence[Result] | None, base_adapter: str
) -> GateCheck:
    if base is None:
        return GateCheck("forgetting", True, "this adapter is a base itself: nothing to forget")
    ours = {r.case_id: r.passed for r in results}
    known = [r.case_id for r in base if r.passed and r.case_id in ours]
    lost = [case_id for case_id in known if not ours[case_id]]
    share = len(lost) / len(known) if known else 0.0
    return GateCheck(
        "forgetting",
        share <= policy.forgetting,
        f"{len(lost)} of the {len(known)} that the base {base_adapter or 'adapter'} passes ({share:.1%}); at most {policy.forgetting:.1%}{_named(lost)}",
    )


def _named(names: Sequence[str]) -> str:
    return f": {_some(names)}" if names else ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
