"""Points and people for the index tests: small, deterministic, real."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import date

from core.records import CLASSIFICATIONS, Principal
from retrieval.access import OPEN_END
from retrieval.embed import HashEmbedder
from retrieval.index import Payload, Point

TODAY = date(2026, 11, 22)
EMBEDDER = HashEmbedder(64)
GROUPS = ("employees", "contractors", "hr", "finance", "everyone")

OPEN = Payload(
    document_id="hr-leave",
    version=1,
    department="HR",
    classification_rank=1,
    allowed_groups=("everyone",),
    denied_groups=(),
    answers_from=date(2026, 1, 1).toordinal(),
    answers_until=OPEN_END,
    language="en",
    owner="people@kestrelbay.example",
)


def make_point(text: str, payload: Payload = OPEN, **changes: object) -> Point:
    held = replace(payload, **changes)  # type: ignore[arg-type]
    key = f"{held.document_id} {held.version} {text}"
    return Point(hashlib.sha256(key.encode()).hexdigest()[:32], EMBEDDER.encode([text])[0], text, held)


def random_payload(rng: random.Random, number: int) -> Payload:
    day = TODAY.toordinal()
    return Payload(
        document_id=f"doc-{number}",
        version=rng.randint(1, 3),
        department=rng.choice(("HR", "Finance")),
        classification_rank=rng.randrange(len(CLASSIFICATIONS)),
        allowed_groups=tuple(rng.sample(GROUPS, rng.randint(0, 3))),
        denied_groups=tuple(rng.sample(GROUPS, rng.choice((0, 0, 1, 2)))),
        answers_from=day + rng.choice((-400, -1, 0, 1)),
        answers_until=rng.choice((day - 1, day, day + 1, OPEN_END)),
        language=rng.choice(("en", "de", "es")),
        owner=rng.choice(("people@kestrelbay.example", "finance@kestrelbay.example")),
    )


def random_person(rng: random.Random, number: int) -> Principal:
    groups = frozenset(rng.sample(GROUPS[:-1], rng.randint(0, 3)))
    clearance = rng.choice(CLASSIFICATIONS)
    return Principal(f"p{number}", f"P {number}", f"p{number}@kestrelbay.example", groups, clearance, frozenset())
