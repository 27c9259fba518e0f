"""The demo organisation's HR desk: real documents, questions answered by the real assistant, flags, and a reviewer.

The questions ask for what the demo's documents say and no evaluation case asks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from assistant.bootstrap import build
from assistant.demo import DOCUMENTS, FOLDER
from core.audit import Audit
from core.consent import Consent
from core.datasets import Datasets
from core.people import People, read_people_file
from core.records import Correction, FeedbackKind, Principal, Question, Turn
from core.review_items import item_id_of
from core.review_records import Judgement
from core.reviews import open_reviews
from core.settings import Settings
from core.store import Store
from core.tables import feedback, passage
from core.turns import Turns, new_id
from retrieval.embed import Embedder
from tests.core.queue import flag
from training.dataset import Built, Options, Sources
from training.dataset import build as build_dataset
from training.dataset_manifest import FOLDER as DATASETS
from training.dataset_rows import DatasetRow, read_row

TODAY = date(2026, 11, 15)
BEGIN = datetime(2026, 10, 1, 8, tzinfo=UTC)
REVIEWER = "rita.reviewer"
ASKED = (
    ("ben.okafor", "How fast does my manager have to reply to a leave request?", "The manager answers within 5 working days"),
    ("carla.ruiz", "When is the window for buying days open?", "open from 1 to 30 November"),
    ("amelia.hart", "Who may interrupt somebody's vacation and call them back?", "Only a head of department may call an employee back"),
    ("grace.lin", "Into how many blocks can partner leave be divided?", "up to 3 blocks of at least 1 week each"),
    ("farid.nasser", "What happens to a referral that the candidate never agreed to?", "a referral without consent is deleted"),
    ("elena.rossi", "How many keeping-in-touch days are possible during birth leave?", "up to 10 keeping-in-touch days"),
    ("ben.okafor", "How soon does a recruiter ring the person I recommended?", "The recruiter contacts the person within 5 working days"),
    ("carla.ruiz", "For how long can a phased return after a long illness go on?", "a phased return of up to 6 weeks"),
    ("amelia.hart", "How many counselling sessions does the assistance line offer?", "up to 8 counselling sessions for each issue"),
    ("grace.lin", "What can I spend on Spanish lessons in a year?", "a separate budget of £600 for each employee and year"),
    ("farid.nasser", "How much study leave comes with a qualification?", "up to 5 paid days of study leave in a calendar year"),
    ("elena.rossi", "What share of the fees of a degree is covered?", "up to 70% of the fees of a degree"),
    ("ben.okafor", "Who decides disputes about the referral bonus?", "Disputes are decided by the people director within 15 working days"),
    ("carla.ruiz", "When is somebody sent to occupational health?", "after 20 working days of continuous absence"),
    ("amelia.hart", "How many hours a week do the language group classes take?", "at most 2 hours a week"),
    ("grace.lin", "Is the referral bonus paid to one employee only?", "The bonus is paid to one employee only"),
    ("farid.nasser", "What does somebody repay who resigns right after adoption leave?", "repays the half-pay part of company pay"),
    ("elena.rossi", "When does the return-to-work conversation take place?", "within 3 working days after every absence"),
)  # fmt: skip
"""Who asked, what, and the words of the document that answer."""
SETTINGS = {"reader": "quote", "reranker": "", "review_twice": "none"}


def furnish(home: Path, embedder: Embedder) -> None:
    """A home folder with the demo's people and HR documents, where every question has been asked and answered."""
    with build(Settings(home=home, **SETTINGS), embedder=embedder) as assistant:  # type: ignore[arg-type]
        groups, everybody = read_people_file(FOLDER / "people.yaml")
        assistant.people.add_groups(groups, actor="test")
        reviewer = Principal(
            REVIEWER,
            "Rita",
            "rita@kestrelbay.example",
            frozenset(groups) - {"contractors"},
            "restricted",
            frozenset({"support"}),
        )
        for who in (*everybody, reviewer):
            assistant.people.add(who, actor="test")
        taken = list(assistant.ingest.run([DOCUMENTS / "hr"], actor="test"))
        assert sum(one.status == "indexed" for one in taken) > 10, taken
        for person, question, _ in ASKED:
            answer = assistant.answerer.answer(Question(question, assistant.people.get(person)))
            assert answer.status == "answered", (question, answer)


@dataclass
class Office:
    """The desk's store, without the index: everything that happens between a flag and a dataset."""

    home: Path
    store: Store
    embedder: Embedder

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.home, **SETTINGS)  # type: ignore[arg-type]
        self.audit = Audit(self.store, self.home)
        self.turns = Turns(self.store)
        self.people = People(self.store, self.audit)
        self.reviews = open_reviews(self.settings, self.store, self.audit)
        self.datasets = Datasets(self.store, self.audit)
        self.consent = Consent(self.store, self.audit)
        self.sources = Sources.open(self.settings, self.store, self.audit, embedder=self.embedder)

    @classmethod
    def moved_in(cls, furnished: Path, home: Path, embedder: Embedder) -> Office:
        """On a copy of a furnished home."""
        home.mkdir()
        for path in furnished.iterdir():
            if path.is_file() and not path.name.endswith(("-wal", "-shm")):
                shutil.copy(path, home)
        return cls(home, Store(f"sqlite:///{home / 'assistant.db'}"), embedder)

    def asked(self, question: str) -> Turn:
        """The stored turn of one of the questions."""
        person = next(who for who, text, _ in ASKED if text == question)
        return next(t for t in self._turns(person) if t.question == question)

    def again(self, turn: Turn, **changes: object) -> Turn:
        """The same turn once more, with something changed, as another person's or another day's."""
        return self.turns.save(replace(turn, turn_id=new_id(), conversation_id=new_id(), **changes))  # type: ignore[arg-type]

    def flag(self, turn: Turn, at: datetime, kind: FeedbackKind = "flag") -> str:
        """The asker's flag at that time; the id of its review item."""
        given = flag(self.turns, turn, kind, at=at)
        return item_id_of(given.feedback_id)

    def approve(self, item_id: str, correction: Correction) -> None:
        reviewer = self.people.get(REVIEWER)
        self.reviews.claim(item_id, reviewer)
        self.reviews.decide(item_id, reviewer, Judgement("train", correction))

    def span(self, words: str) -> Correction:
        """A correction that marks these words in the newest passage that holds them."""
        query = sa.select(passage).where(passage.c.text.contains(words)).order_by(passage.c.version.desc())
        with self.store.read() as connection:
            found = connection.execute(query).first()
        assert found is not None, words
        start = found.text.index(words)
        return Correction("span", words, found.passage_id, start, start + len(words))

    def corrected(self, count: int = len(ASKED), *, every: timedelta = timedelta(hours=9)) -> list[str]:
        """Flag the first `count` questions, some hours apart, and mark the right words; the items' ids."""
        items = []
        for n, (_, question, words) in enumerate(ASKED[:count]):
            items.append(self.flag(self.asked(question), BEGIN + n * every))
            self.approve(items[-1], self.span(words))
        return items

    def build(self, *, reached: Callable[[str], None] = lambda _: None, **options: object) -> Built:
        given = Options(**({"least": 2} | options))  # type: ignore[arg-type]
        return build_dataset(self.sources, given, actor="test", today=TODAY, reached=reached)

    def rows(self, made: Built) -> list[DatasetRow]:
        """Every row that stands on disk."""
        folder = self.home / DATASETS / made.record.dataset_id
        lines = [(folder / f"{split}.jsonl").read_text().splitlines() for split in ("train", "validation")]
        return [read_row(line) for split in lines for line in split]

    def held(self) -> dict[str, str]:
        return {one.item_id: one.reason for one in self.datasets.holds()}

    def _turns(self, person_id: str) -> Sequence[Turn]:
        found: Iterable[str] = [one.conversation_id for one in self.turns.conversations(person_id)]
        return [turn for one in found for turn in self.turns.of_conversation(one, person_id)]


def left_out(made: Built) -> dict[str, int]:
    """Everything that was left out, by reason."""
    return {reason: n for step in made.steps for reason, n in step.left_out.items()}


def flags_of(store: Store) -> int:
    with store.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(feedback)) or 0)
