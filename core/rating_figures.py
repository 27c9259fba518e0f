"""What raters said of a batch: which run they prefer or how they score each, whether they agree, and where they do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.agreement import Coefficient, Disagreement, Level, Rating, cohen, disagreements, krippendorff
from core.rates import Rate, wilson
from core.rating_records import PREFERENCE_SCALE, Batch
from core.ratings import Ratings
from core.store import Store
from core.tables import rating, rating_item

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Score:
    """One run's mean on one criterion over its answers (each answer's raters averaged), 0 to the highest level."""

    run: str
    criterion: str
    n: int
    mean: float
    low: float
    high: float
    highest: int


@dataclass(frozen=True, slots=True)
class AgreementOf:
    """Agreement on one criterion, or on the preference: each two raters' kappa, and alpha over all."""

    on: str
    pairs: Mapping[tuple[str, str], Coefficient]
    alpha: Coefficient
    disagreements: Sequence[Disagreement]


@dataclass(frozen=True, slots=True)
class Figures:
    """A batch in figures.

    Attributes:
        preferred: of a pair batch, the items (by their raters' majority) for each of a, b, both, neither; "" has no majority.
        a_wins: the share of a among the items on which the majority prefers one of the two.
        first_wins: how often the answer that stood first was preferred, of the ratings that prefer one: 50 % without a bias.
        scores: of a single batch, each run's means.
        items: those to be rated, without what calibrates.
        cases: item to the id of its case, or of its turn.
        questions: item to its question; "" of a turn, whose words are its person's.
        comments: item to each rater's comment, where they wrote one.
        accuracy: rater to the share of calibrating items that they rated as was agreed.
    """

    batch: Batch
    raters: tuple[str, ...]
    items: int
    items_rated: int
    preferred: Mapping[str, int]
    a_wins: Rate
    first_wins: Rate
    scores: tuple[Score, ...]
    agreement: tuple[AgreementOf, ...]
    cases: Mapping[str, str]
    questions: Mapping[str, str]
    comments: Mapping[str, Mapping[str, str]]
    accuracy: Mapping[str, Rate]
    seconds_p50: float

    def word(self, on: str, value: Hashable) -> str:
        """What a rating says of the preference, or of a criterion, for a person."""
        levels = next((one.levels for one in self.batch.rubric if one.key == on), None)
        if levels is not None and isinstance(value, int):
            return levels[value]
        names = {run.key: run.name for run in self.batch.runs} | {"both": "both good", "neither": "neither good"}
        return names.get(str(value), str(value))


def figures(store: Store, ratings: Ratings, batch_id: str) -> Figures:
    """Every figure of a batch. Calibrating items count for the raters' accuracy only.

    Raises:
        NotFound: no such batch.
    """
    batch = ratings.batch(batch_id)
    rows = _rows(store, batch_id)
    real = [row for row in rows if row.gold is None]
    votes = _votes(real) if batch.kind == "pair" else {}
    decided = [vote for vote in votes.values() if vote in ("a", "b")]
    first = [row.preferred == row.answers[0]["run"] for row in real if row.preferred in ("a", "b")]
    return Figures(
        batch=batch,
        raters=tuple(sorted({row.rater for row in rows})),
        items=_items(store, batch_id),
        items_rated=len({row.item_id for row in real}),
        preferred={name: sum(vote == name for vote in votes.values()) for name in (*PREFERENCE_SCALE, "")}
        if votes
        else {},
        a_wins=wilson(decided.count("a"), len(decided)),
        first_wins=wilson(sum(first), len(first)),
        scores=tuple(_scores(batch, real)),
        agreement=tuple(_agreement(batch, real)),
        cases={row.item_id: row.case_id for row in real},
        questions={row.item_id: row.question for row in real},
        comments=_comments(real),
        accuracy=_accuracy(rows),
        seconds_p50=float(np.median([row.seconds for row in rows])) if rows else 0.0,
    )


def exported(store: Store, ratings: Ratings, batch_id: str) -> Iterator[dict[str, object]]:
    """One record a rating, with its run's name; nobody's words but the rater's comment. Raises NotFound."""
    batch = ratings.batch(batch_id)
    names = {run.key: run.name for run in batch.runs}
    for row in _rows(store, batch_id):
        yield {
            "batch": batch.name,
            "item_id": row.item_id,
            "case_id": row.case_id,
            "shown": [names[one["run"]] for one in row.answers],
            "rater": row.rater,
            "preferred": names.get(row.preferred, row.preferred),
            "scores": row.scores,
            "comment": row.comment,
            "seconds": row.seconds,
            "calibration": row.gold is not None,
            "at": row.created_at.isoformat(timespec="seconds"),
        }


def _items(store: Store, batch_id: str) -> int:
    with store.read() as connection:
        gold = connection.scalars(sa.select(rating_item.c.gold).where(rating_item.c.batch_id == batch_id)).all()
    return sum(one is None for one in gold)


def _comments(rows: Sequence[Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.comment:
            found.setdefault(row.item_id, {})[row.rater] = row.comment
    return found


def _rows(store: Store, batch_id: str) -> list[Any]:
    columns = (
        rating_item.c.case_id,
        rating_item.c.question,
        rating_item.c.answers,
        rating_item.c.gold,
        rating_item.c.ordinal,
    )
    query = sa.select(rating, *columns).join(rating_item, rating_item.c.item_id == rating.c.item_id)
    query = query.where(rating_item.c.batch_id == batch_id).order_by(rating_item.c.ordinal, rating.c.rater)
    with store.read() as connection:
        return list(connection.execute(query))


def _votes(rows: Sequence[Any]) -> dict[str, str]:
    """Item to what most of its raters prefer; "" where as many prefer another."""
    given: dict[str, list[str]] = {}
    for row in rows:
        given.setdefault(row.item_id, []).append(row.preferred)
    votes: dict[str, str] = {}
    for item_id, said in given.items():
        most = max(said.count(word) for word in set(said))
        best = [word for word in PREFERENCE_SCALE if said.count(word) == most]
        votes[item_id] = best[0] if len(best) == 1 else ""
    return votes


def _scores(batch: Batch, rows: Sequence[Any]) -> Iterator[Score]:
    names = {run.key: run.name for run in batch.runs}
    for criterion in batch.rubric:
        for key, name in names.items():
            by_item: dict[str, list[int]] = {}
            for row in rows:
                if row.answers[0]["run"] == key:
                    by_item.setdefault(row.item_id, []).append(row.scores[criterion.key])
            if by_item:
                means = np.array([np.mean(given) for given in by_item.values()])
                drawn = np.random.default_rng(0).choice(means, (RESAMPLES, len(means)))
                low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
                highest = len(criterion.levels) - 1
                yield Score(name, criterion.key, len(means), float(means.mean()), float(low), float(high), highest)


def _agreement(batch: Batch, rows: Sequence[Any]) -> Iterator[AgreementOf]:
    if batch.kind == "pair":
        said = [Rating(row.item_id, row.rater, row.preferred) for row in rows]
        yield _agreement_of("preferred", said, PREFERENCE_SCALE, "nominal")
    for one in batch.rubric:
        said = [Rating(row.item_id, row.rater, row.scores[one.key]) for row in rows]
        yield _agreement_of(one.key, said, range(len(one.levels)), "ordinal")


def _agreement_of(on: str, said: Sequence[Rating], scale: Sequence[Any], level: Level) -> AgreementOf:
    return AgreementOf(on, cohen(said, scale, level), krippendorff(said, scale, level), disagreements(said, scale))


def _accuracy(rows: Sequence[Any]) -> dict[str, Rate]:
    met: dict[str, list[bool]] = {}
    for row in rows:
        if row.gold is not None:
            same = row.preferred == row.gold["preferred"] and row.scores == (row.gold["scores"] or {})
            met.setdefault(row.rater, []).append(same)
    return {rater: wilson(sum(hits), len(hits)) for rater, hits in sorted(met.items())}
