"""The check command: what the rails of one stage say to each text.

    python -m guardrails check --stage input < questions.jsonl
    python -m guardrails check --stage output --policy policy.yaml answers.jsonl --json

Each line read is {id, text}; a line of the output stage may carry `passages`, a list of the texts that it cites, without
which grounding has nothing to judge it by and is left out; one of the input stage `before`, a list of the questions before it, with which it is judged
together. `entities` are all that is found in the text as given,
whatever the policy does with them; `text` is what would go on: masked, or as it was where it is not allowed. The policy is the one in
force: that of --policy, or the version that an administrator put in force, or ASSISTANT_POLICY, or the packaged one.

JSON fields: id, allowed, rule, score, entities, text, ms.
JSON fields of entities: type, start, end, score.

Exit codes: 0 done (also where texts are not allowed), 2 wrong input or policy.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from secrets import token_bytes
from typing import Any, Literal, TextIO

from core.errors import BadInput
from core.records import Passage, Verdict
from core.settings import load_settings
from guardrails.guard import Guard, run_guard
from guardrails.names_model import names_of
from guardrails.pii import Recognisers
from guardrails.policy import load_policy
from guardrails.policy_book import policy_in_force
from guardrails.pseudonyms import Naming
from guardrails.rails import build_guards
from guardrails.turns import judged_together

StageName = Literal["input", "passage", "output"]
STAGES: tuple[StageName, ...] = ("input", "passage", "output")
NO_TEMPLATE = "The prompt template is checked by the assistant, which knows it."
IN_FORCE = "instead of the policy in force: the version that an administrator applied, or ASSISTANT_POLICY"


@dataclass(frozen=True, slots=True)
class Checked:
    """The last verdict of a stage: the first that does not allow, or the one with the highest score."""

    verdict: Verdict
    text: str
    ms: float


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "check",
        help="what the rails say to each line",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="lines of JSON; - or nothing reads stdin")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--policy", type=Path, metavar="FILE", help=IN_FORCE)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    settings = load_settings()
    policy = load_policy(args.policy) if args.policy else policy_in_force(settings)
    judge = args.open_judge() if args.stage != "output" else None
    template = args.template_text() if args.stage == "output" else NO_TEMPLATE
    guards = build_guards(settings, template, policy=policy, judge=judge, namer=Naming(token_bytes(32)))
    stages = {"input": guards.input, "passage": guards.passage, "output": guards.output}
    finder = Recognisers(policy.thresholds(), policy.personal_data.allow, names=names_of(settings))
    for row in read_rows(args.file, {"text": str}):
        passages = _passages(row, args.stage)
        earlier = row.get("before") or () if args.stage == "input" else ()
        checked = check(_grounded(stages[args.stage], passages, args.stage), row["text"], passages, earlier)
        line = {
            "id": row.get("id"),
            "allowed": checked.verdict.allowed,
            "rule": checked.verdict.rule,
            "score": round(checked.verdict.score, 4),
            "entities": [
                {"type": e.type, "start": e.start, "end": e.end, "score": e.score} for e in finder.find(row["text"])
            ],
            "text": checked.text,
            "ms": round(checked.ms, 3),
        }
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n" if args.json else _readable(line))
        sys.stdout.flush()
    return 0


def check(guards: Sequence[Guard], text: str, passages: Sequence[Passage], earlier: Sequence[str] = ()) -> Checked:
    """Run a stage's guards one after the other, each on the text that the one before left; then a question with those before it."""
    most, spent = Verdict("none", "allow", text), 0.0
    for guard in guards:
        ran = run_guard(guard, text, passages)
        spent += ran.ms
        if not ran.verdict.allowed:
            return Checked(ran.verdict, text, spent)
        text = ran.verdict.text
        if ran.verdict.action == "mask" and (not most.rule or ran.verdict.score > most.score):
            most = ran.verdict
    if earlier and (run := judged_together(guards, earlier, text)):
        return Checked(run.verdict, text, spent + run.ms)
    return Checked(most, text, spent)


def read_rows(source: str, needed: Mapping[str, type]) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, or of one JSON list.

    Raises:
        BadInput: no such file, no JSON, or a line without a needed field: the message names the line.
    """
    try:
        if source == "-":
            yield from _checked_rows(sys.stdin, needed, "standard input")
            return
        with Path(source).open(encoding="utf-8-sig") as file:
            if file.read(1) == "[":
                file.seek(0)
                rows = enumerate(json.load(file), 1)
                yield from (_row(row, needed, f"{source}, item {n}") for n, row in rows)
                return
            file.seek(0)
            yield from _checked_rows(file, needed, source)
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: no JSON, no UTF-8, a number of thousands of digits
        reason = getattr(error, "strerror", None) or "it is no JSON text in UTF-8"
        raise BadInput(f"{'standard input' if source == '-' else source}: cannot be read ({reason})") from None


def _checked_rows(lines: TextIO, needed: Mapping[str, type], source: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        said = line.removeprefix("\ufeff") if number == 1 else line
        if said.strip():
            try:
                row = json.loads(said)
            except (ValueError, RecursionError):
                raise BadInput(f"{source}, line {number}: this is no JSON object") from None
            yield _row(row, needed, f"{source}, line {number}")


def _row(row: object, needed: Mapping[str, type], where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise BadInput(f"{where}: this is no JSON object")
    for field, kind in needed.items():
        if not isinstance(row.get(field), kind):
            raise BadInput(f"{where}: the field `{field}` is missing, or is no {kind.__name__}")
    for name in ("passages", "before"):
        texts = row.get(name) or []
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadInput(f"{where}: the field `{name}` is no list of texts")
    for field, value in row.items():
        if _HALF_CHARACTER.search(json.dumps([field, value], ensure_ascii=False)):
            raise BadInput(
                f"{where}: a text holds half a character (a lone surrogate); write the whole character or leave it out"
            )
    return row


_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def _passages(row: Mapping[str, Any], stage: StageName) -> tuple[Passage, ...]:
    """What an output is judged by; a passage is judged by itself."""
    texts = row.get("passages") or () if stage == "output" else [row["text"]] if stage == "passage" else ()
    return tuple(
        Passage(
            passage_id=f"{n:032x}",
            document_id="given",
            version=1,
            ordinal=n,
            title=str(row.get("title", "")),
            section="",
            page=None,
            text=str(text),
            classification="internal",
            owner="",
            language="",
            effective=date(2000, 1, 1),
        )
        for n, text in enumerate(texts)
    )


def _grounded(guards: Sequence[Guard], passages: Sequence[Passage], stage: StageName) -> Sequence[Guard]:
    return [g for g in guards if g.name != "grounding"] if stage == "output" and not passages else guards


def _readable(line: Mapping[str, Any]) -> str:
    entities = ", ".join(f"{e['type']} {e['start']}-{e['end']}" for e in line["entities"])
    word = "allowed" if line["allowed"] else "stopped"
    rule = f" by {line['rule']} ({line['score']:.2f})" if line["rule"] else ""
    return f"{line['id']}: {word}{rule}, {line['ms']:.1f} ms{f'; {entities}' if entities else ''}\n  {line['text']}\n"
