"""A dataset from what reviewers approved: chosen, masked, bounded, split and written, every step counted.

    with opened() as here:
        made = build(Sources.open(here.settings, here.store, here.audit), Options(), actor="cli:ana")

    sources      an approved item becomes a row, made again from the store: nothing of the erased, of who opted out, or of a
                 document that does not serve any more
    redaction    the chat's recognisers, names included; what is still seen afterwards goes to a person
    ceiling      rows above the classification that was asked for
    evaluation   rows near a case of an evaluation suite
    bounds       what looks like an attempt to teach something, until a person releases it
    duplicates   rows that repeat each other become one, with all their lineage
    shares       no flagger and no group has more of the set than it may
    proportions  no more refusals and questions back than the answers bear
    replay       with an earlier dataset: new rows, and some of its own against forgetting
    synthetic    paraphrases of training rows, where they are wanted

The same store and options make the same dataset, byte for byte. `python -m training dataset` is training/dataset_command.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from core.audit import Audit
from core.datasets import UNRELEASABLE, DatasetRecord, Datasets
from core.errors import BadInput
from core.records import Classification, clearance_rank
from core.retraining import FEWEST
from core.reviews import open_reviews
from core.settings import Settings
from core.store import Store
from core.suites import SHIPPED_SUITES, SUITE_FILE, SuiteQuestions, read_suite_questions
from core.tables import feedback
from guardrails.policy import Policy
from guardrails.policy_book import PolicyBook
from retrieval.embed import Embedder, open_embedder
from training.dataset_bounds import Bounds, Flag, Holds, shares, suspicious
from training.dataset_card import card_of
from training.dataset_manifest import FOLDER, Rows, Step, encoded, id_of, lineage_of, manifest_of, sha256, write
from training.dataset_near import Encoder, EvaluationQuestions, merged
from training.dataset_redact import Redaction
from training.dataset_rows import DatasetRow, Example
from training.dataset_sources import Shelf, to_row
from training.dataset_split import in_proportion, replayed, splits
from training.dataset_synthetic import paraphrases

PROPORTIONS: Final[Mapping[Example, float]] = {"negative": 0.5, "escalation": 0.25, "clarification": 0.25}


@dataclass(frozen=True, slots=True)
class Options:
    """How a dataset is built; all of it stands in the manifest.

    Attributes:
        after: id of the dataset that this one comes after, "" for a set of everything.
        replay: its rows for each new one, at most.
        paraphrases: synthetic ones for each training row, at most.
        validation: share of the rows that is kept from training.
        least: with fewer training rows there is no dataset.
        ceiling: rows above this classification stay out.
        proportions: rows of a kind for each row that answers; `floor` of a kind always stay.
    """

    after: str = ""
    replay: float = 0.5
    paraphrases: int = 0
    validation: float = 0.2
    least: int = 8
    ceiling: Classification = "restricted"
    proportions: Mapping[Example, float] = field(default_factory=lambda: dict(PROPORTIONS))
    floor: int = 2
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        if not 0 < self.validation < 0.5 or not 0 <= self.replay <= 10 or not 0 <= self.paraphrases <= 10:
            raise BadInput("validation lies between 0 and 0.5, replay between 0 and 10, paraphrases from 0 to 10.")
        if self.least < FEWEST:
            raise BadInput(f"A dataset has at least {FEWEST} rows to train on.")


@dataclass(frozen=True)
class Sources:
    """What a dataset is built from. `suites` are the evaluation suites that it keeps away from."""

    settings: Settings
    store: Store
    audit: Audit
    policy: Policy
    encode: Encoder
    suites: tuple[SuiteQuestions, ...]

    @classmethod
    def open(
        cls,
        settings: Settings,
        store: Store,
        audit: Audit,
        *,
        embedder: Embedder | None = None,
        suites: Sequence[Path] = (),
    ) -> Sources:
        """The policy in force, the settings' embedder, and the suites that ship, that were imported, and `suites`.

        Raises:
            BadInput: a suite cannot be read.
        """
        policy = PolicyBook(settings.home / "policies", settings.policy, audit).in_force().policy
        places = (SHIPPED_SUITES, settings.home / "suites")
        found = [file.parent for place in places for file in sorted(place.glob(f"*/{SUITE_FILE}"))]
        every = dict.fromkeys(path.resolve() for path in (*found, *suites))
        encode = Encoder(embedder or open_embedder(settings))
        return cls(settings, store, audit, policy, encode, tuple(map(read_suite_questions, every)))

    @property
    def questions(self) -> list[str]:
        return sorted({question for suite in self.suites for question in suite.questions})

    def flags(self) -> tuple[list[Flag], list[Flag]]:
        """All flags and thumbs down, and all thumbs up, whatever review made of them: their bursts are told apart."""
        columns = (feedback.c.turn_id, feedback.c.person_id, feedback.c.created_at, feedback.c.kind)
        with self.store.read() as connection:
            rows = connection.execute(sa.select(*columns)).all()
        bad, good = ([Flag(*row[:3]) for row in rows if (row.kind == "up") == up] for up in (False, True))
        return bad, good


@dataclass(frozen=True, slots=True)
class Draft:
    """The rows that were chosen, what was counted on the way, and what is held today."""

    rows: Rows
    steps: tuple[Step, ...]
    holds: Holds


@dataclass(frozen=True, slots=True)
class Built:
    """A dataset that stands on disk and in the store. `held` counts the holds that are new."""

    record: DatasetRecord
    steps: tuple[Step, ...]
    rows: Mapping[str, int]
    held: int


def build(
    sources: Sources,
    options: Options,
    *,
    actor: str,
    today: date | None = None,
    reached: Callable[[str], None] = lambda _point: None,
) -> Built:
    """Build, write and register a dataset. What a bound holds is kept in the store also where there is no dataset.

    Args:
        today: decides which documents serve; the day in UTC unless given.
        reached: told each point at which a crash may come, for the tests of crashes.

    Raises:
        BadInput: there are too few rows, with the number needed. NotFound: `after` names no dataset.
        StoreUnavailable: it cannot be written; nothing of it stands.
    """
    datasets = Datasets(sources.store, sources.audit)
    made = draft(sources, options, datasets, today=today or datetime.now(UTC).date())
    held = datasets.hold(made.holds, actor=actor)
    _require(made, options)
    said = {
        "options": asdict(options),
        "suites": [{"name": s.name, "sha256": s.sha256, "questions": len(s.questions)} for s in sources.suites],
        "embedder": sources.encode.name,
        "policy_sha256": sources.policy.sha256,
    }
    card = card_of(made.rows, made.steps, said)
    manifest = manifest_of(made.rows, card, made.steps, said)
    data = encoded(manifest)
    folder = write(sources.settings.home, made.rows, card, data, reached=reached)
    reached("before registering")
    record = DatasetRecord(
        dataset_id=id_of(data),
        sha256=sha256(data),
        folder=f"{FOLDER}/{folder.name}",
        rows=sum(map(len, made.rows.values())),
        ceiling=manifest["ceiling"],
        counts={
            "shape": manifest["shape"],
            "files": {name: told.get("rows") for name, told in manifest["files"].items()},
        },
        created_by=actor,
        created_at=datetime.now(UTC),
    )
    known = datasets.add(record, lineage_of(made.rows))
    return Built(known, made.steps, {split: len(rows) for split, rows in made.rows.items()}, held)


def draft(sources: Sources, options: Options, datasets: Datasets, *, today: date) -> Draft:
    """The rows of a dataset as they would be written now. Changes nothing."""
    log = _Log()
    away = EvaluationQuestions.of(sources.questions, sources.encode)
    earlier = (
        {one.item_id for one in datasets.lineage(datasets.get(options.after).dataset_id)} if options.after else set()
    )
    rows, people = _rows(sources, today, log)
    rows, holds = _redacted(sources, rows, log)
    rows = log.kept("ceiling", rows, lambda row: "above_ceiling" if _above(row, options.ceiling) else "")
    rows = log.kept("evaluation", rows, lambda row: away.nearness(row, sources.encode))
    gate = _Gate.read(datasets)
    bad, good = sources.flags()
    for flags in (bad, good):
        for item_id, reasons in suspicious(rows, flags, options.bounds, sources.encode).items():
            holds[item_id] = holds.get(item_id, {}) | reasons
    rows = log.kept("bounds", rows, lambda row: gate.holds(row, holds))
    before = len(rows)
    rows, exact, near = merged(rows)
    log.add("duplicates", before, len(rows), {"same_words": exact, "nearly_same_words": near})
    over = shares(rows, people, options.bounds)
    rows = log.kept("shares", rows, lambda row: gate.holds(row, over))
    before = len(rows)
    rows, left_out = in_proportion(rows, options.proportions, floor=options.floor)
    log.add("proportions", before, len(rows), left_out)
    if options.after:
        before = len(rows)
        rows, left = replayed(rows, earlier, options.replay)
        log.add("replay", before, len(rows), {"earlier": left})
    chosen = _split(rows, options, sources.encode)
    if options.paraphrases:
        made, refused = paraphrases(chosen["train"], options.paraphrases, sources.encode, away, chosen["validation"])
        log.add("synthetic", len(rows), len(rows) + len(made), refused)
        chosen["train"] += made
    return Draft(chosen, tuple(log.steps), {**holds, **{k: holds.get(k, {}) | v for k, v in over.items()}})


class _Log:
    """Counts each step."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: str, rows_in: int, rows_out: int, left_out: Mapping[str, int]) -> None:
        self.steps.append(Step(step, rows_in, rows_out, {k: n for k, n in sorted(left_out.items()) if n}))

    def kept(self, step: str, rows: Sequence[DatasetRow], why_not: Callable[[DatasetRow], str]) -> list[DatasetRow]:
        """The rows for which there is no reason against it."""
        reasons = [why_not(row) for row in rows]
        kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
        self.add(step, len(rows), len(kept), Counter(filter(None, reasons)))
        return kept


@dataclass(frozen=True)
class _Gate:
    """What people released, and what waits for them from earlier builds."""

    released: frozenset[tuple[str, str]]
    waiting: Mapping[str, str]

    @classmethod
    def read(cls, datasets: Datasets) -> _Gate:
        every = datasets.holds(released=None)
        released = frozenset((one.item_id, one.reason) for one in every if one.released_at)
        waiting = {one.item_id: one.reason for one in every if not one.released_at and one.reason not in UNRELEASABLE}
        return cls(released, waiting)

    def holds(self, row: DatasetRow, found: Holds) -> str:
        """The reason that keeps a row out, "" for none."""
        reasons = sorted(r for r in found.get(row.item_id, {}) if (row.item_id, r) not in self.released)
        return reasons[0] if reasons else self.waiting.get(row.item_id, "")


def _rows(sources: Sources, today: date, log: _Log) -> tuple[list[DatasetRow], Mapping[str, Any]]:
    items = list(open_reviews(sources.settings, sources.store, sources.audit).approved())
    shelf = Shelf.read(sources.store, sources.audit, items, today=today)
    made = [to_row(item, shelf) for item in items]
    rows = [row for row in made if isinstance(row, DatasetRow)]
    left_out = Counter(reason for reason in made if isinstance(reason, str)) + Counter(opted_out=shelf.withheld)
    log.add("sources", len(items) + shelf.withheld, len(rows), left_out)
    return rows, shelf.people


def _redacted(sources: Sources, rows: Sequence[DatasetRow], log: _Log) -> tuple[list[DatasetRow], Holds]:
    redaction = Redaction(sources.settings, sources.policy)
    kept: list[DatasetRow] = []
    holds: Holds = {}
    reasons: Counter[str] = Counter()
    for row in rows:
        masked = redaction.row(row)
        if isinstance(masked, DatasetRow):
            kept.append(masked)
        else:
            reasons[masked] += 1
            holds[row.item_id] = {"personal_data": masked}
    log.add("redaction", len(rows), len(kept), reasons)
    return kept, holds


def _above(row: DatasetRow, ceiling: Classification) -> bool:
    return clearance_rank(row.classification) > clearance_rank(ceiling)


def _split(rows: Sequence[DatasetRow], options: Options, encode: Encoder) -> dict[Any, list[DatasetRow]]:
    """Each split's rows, in the order of time."""
    where = splits(rows, options.validation, encode)
    ordered = sorted(rows, key=lambda r: (r.asked_at, r.item_id))
    return {split: [row for row in ordered if where[row.item_id] == split] for split in ("train", "validation")}


def _require(made: Draft, options: Options) -> None:
    real = sum(row.origin != "synthetic" for row in made.rows["train"])
    fresh = sum(row.origin == "review" for rows in made.rows.values() for row in rows)
    if real >= options.least and fresh:
        return
    lost = sum((Counter(step.left_out) for step in made.steps), Counter())
    said = ", ".join(f"{n} {reason}" for reason, n in lost.most_common(6)) or "nothing"
    approved = made.steps[0].rows_in
    if options.after and not fresh:
        raise BadInput(f"Nothing was approved since {options.after} that may be trained on (left out: {said}).")
    needed = math.ceil(options.least / (1 - options.validation))
    raise BadInput(
        f"Too few rows: {approved} approved items make {real} rows to train on, and at least {options.least} are needed, which "
        f"takes about {needed} items (left out: {said}). Review more answers, or see what waits: python -m training dataset held"
    )
