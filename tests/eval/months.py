"""Simulated weeks of use: people with their own habits, quiet weekends, days that share a mood; and drifts to inject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from eval.use import Use
from retrieval.embed import HashEmbedder
from tests.eval.traffic import BEGIN, Row, a_turn

REFERENCE, CURRENT = 30, 7
DAYS = REFERENCE + CURRENT
UNTIL = BEGIN + timedelta(days=DAYS)
ASKED = ("How does {} work?", "Who approves {}?", "What is the rule for {}?", "Where do I find the form on {}?")
TOPICS = (
    "leave",
    "expenses",
    "travel",
    "badges",
    "laptops",
    "parking",
    "training",
    "pensions",
    "visitors",
    "safety gloves",
)
NEW_TOPIC = "the office move to Leeds"


@dataclass(frozen=True)
class Drifted:
    """What is different in the current window; the defaults are a quiet month."""

    new_topic: float = 0.0
    refused: float = 0.0
    unanswered: float = 0.0
    flagged: float = 0.0
    evidence: float = 0.0
    slower: float = 1.0
    shorter: float = 1.0
    outage: bool = False
    """One day of the current window on which everything fails."""


QUIET = Drifted()


@dataclass(frozen=True)
class Asked:
    day: int
    minute: int
    person: int
    question: str
    topic: str
    status: str
    evidence: float
    chars: int
    latency_ms: float
    flagged: bool


def weeks(seed: int, drift: Drifted = QUIET, people: int = 60, days: int = DAYS) -> list[Asked]:
    """Thirty days of reference and seven current ones (or more: what is different stays so), about 1,600 turns."""
    random = np.random.default_rng(seed)
    habits = random.dirichlet(np.ones(len(TOPICS)), people)
    diligence, flags = random.gamma(2, 0.5, people), random.beta(1, 15, people)
    asked = []
    for day in range(days):
        change = drift if day >= REFERENCE else QUIET
        mood, slow = random.normal(0, 0.3), random.normal(0, 0.08)
        quiet = (BEGIN + timedelta(days=day)).weekday() >= 5
        outage = change.outage and day == REFERENCE + 2
        for person in range(people):
            for _ in range(random.poisson(diligence[person] * (0.1 if quiet else 1.0))):
                new = random.random() < change.new_topic
                topic = NEW_TOPIC if new else TOPICS[random.choice(len(TOPICS), p=habits[person])]
                luck = random.random()
                refused = 0.04 * np.exp(mood) + change.refused
                unanswered = refused + 0.08 + change.unanswered
                status = "refused" if luck < refused else "no_answer" if luck < unanswered else "answered"
                asked.append(
                    Asked(
                        day=day,
                        minute=int(random.integers(0, 600)),
                        person=person,
                        question=ASKED[random.integers(len(ASKED))].format(topic),
                        topic=topic,
                        status="failed" if outage else status,
                        evidence=float(np.clip(random.beta(8, 3) - change.evidence, 0, 1)),
                        chars=int(random.gamma(6, 50) * change.shorter) + 1,
                        latency_ms=float(random.lognormal(6, 0.5) * np.exp(slow) * change.slower),
                        flagged=bool(random.random() < flags[person] + change.flagged),
                    )
                )
    return asked


def as_use(asked: list[Asked], embedder: HashEmbedder) -> Use:
    """The weeks as `eval.use` reads them, without a store between."""
    questions = sorted({one.question for one in asked})
    vectors = dict(zip(questions, embedder.encode(questions), strict=True))
    column = lambda name: np.array([getattr(one, name) for one in asked])  # noqa: E731
    status = column("status")
    served = status != "refused"
    return Use(
        day=column("day"),
        current=np.arange(DAYS) >= REFERENCE,
        evidence=np.where(served, column("evidence"), np.nan),
        top_score=np.where(served, column("evidence"), np.nan),
        answer_chars=np.where(status == "answered", column("chars").astype(float), np.nan),
        latency_ms=column("latency_ms"),
        refused=status == "refused",
        unanswered=status == "no_answer",
        failed=status == "failed",
        flagged=column("flagged"),
        document=[one.topic for one in asked],
        embedded=np.arange(len(asked)),
        vectors=np.stack([vectors[one.question] for one in asked]),
    )


def as_turns(asked: list[Asked]) -> list[Row]:
    """The weeks as rows of the store."""
    return [
        a_turn(
            f"person-{one.person}",
            BEGIN + timedelta(days=one.day, minutes=one.minute),
            question=one.question,
            standalone_question=one.question,
            answer="x" * one.chars if one.status == "answered" else "I found nothing about this.",
            status=one.status,
            evidence=one.evidence,
            passages=[] if one.status == "refused" else [{"passage_id": "p", "score": one.evidence}],
            citations=[{"document_id": one.topic.replace(" ", "-")}] if one.status == "answered" else [],
            timings_ms={"total": one.latency_ms},
            feedback=("flag",) if one.flagged else (),
        )
        for one in asked
    ]
