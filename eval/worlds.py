"""The world that a suite is asked in: its documents and people in a home folder of their own, made once and kept.

It never is the serving home: an evaluation reads documents at a known state, blocks nobody, and leaves no turns behind. The
folder lies with the prepared models, named by the hash of all that goes into it, so that the next run opens it at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

from assistant.answerer import Answerer
from assistant.bootstrap import Assistant, build
from assistant.models import AnswerModel
from core.errors import BadInput, Conflict
from core.people import read_people_file
from core.records import Document, Passage, Principal
from core.settings import Settings
from core.tables import conversation, turn
from eval.cases import Case, Suite, file_sha256
from retrieval.embed import Embedder, open_embedder
from retrieval.retriever import Retriever
from retrieval.sources import find_sources

ACTOR = "eval"
WHOLE = "whole.json"
"""Written last: a world without it was cut off while it was made."""
KEPT = 4
"""Worlds kept, the latest used: documents and code change, and each is as large as the index."""
Key = tuple[str, int]


@dataclass(frozen=True)
class World:
    """The opened documents and people of a suite. Safe to use from several threads."""

    assistant: Assistant
    today: date
    files: Mapping[Key, str]
    """The file of each document version, as the cases name it."""
    _passages: dict[Key, dict[str, Passage]] = field(default_factory=dict, repr=False)

    @cached_property
    def documents(self) -> dict[Key, Document]:
        return {(d.document_id, d.version): d for d in self.assistant.catalogue.documents()}

    @cached_property
    def people(self) -> dict[str, Principal]:
        return {who.person_id: who for who in self.assistant.people.all()}

    @cached_property
    def retriever(self) -> Retriever:
        """The assistant's own, asked as on the suite's day."""
        return self.assistant.retriever.on(self.today)

    @cached_property
    def index_version(self) -> str:
        """Hash of every document version with its rules and its passages, and of the embedder's name."""
        said: list[object] = [self.assistant.embedder.name]
        for key, of in sorted(self.documents.items()):
            rules = [of.classification, sorted(of.allowed_groups), sorted(of.denied_groups), of.status, of.state]
            days = [str(of.effective), str(of.expires)]
            said.append([*key, of.sha256, *rules, *days, sorted(self._of(key))])
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def answerer(self, model: AnswerModel) -> Answerer:
        """The assistant as served, with that model."""
        parts = self.assistant
        return Answerer(parts.settings, parts.turns, retriever=self.retriever, guards=parts.guards, model=model)

    def person(self, case: Case) -> Principal:
        """Raises BadInput where the suite's people do not have the case's person."""
        if case.person not in self.people:
            raise BadInput(f"Case {case.case_id}: {case.person!r} is none of the suite's people.")
        return self.people[case.person]

    def passage(self, key: Key, passage_id: str) -> Passage | None:
        return self._of(key).get(passage_id)

    def forbidden(self, keys: Iterator[Key], person: Principal) -> tuple[str, ...]:
        """Files of those versions that the person may not read, or that are not in force on the day."""
        wrong = [key for key in keys if not self._answers(key, person)]
        return tuple(dict.fromkeys(self.files.get(key, key[0]) for key in wrong))

    def _answers(self, key: Key, person: Principal) -> bool:
        found = self.documents.get(key)
        return found is not None and found.readable_by(person) and found.in_force(self.today)

    def _of(self, key: Key) -> dict[str, Passage]:
        if key not in self._passages:
            self._passages[key] = {p.passage_id: p for p in self.assistant.catalogue.passages(*key)}
        return self._passages[key]


@contextmanager
def opened_world(suite: Suite, settings: Settings, *, embedder: Embedder | None = None) -> Iterator[World]:
    """The suite's world, made where it is missing. One evaluation at a time has it.

    Args:
        settings: of the serving home; everything but its home folder, database and index counts here too.
        embedder: instead of the one that the settings name.

    Raises:
        Conflict: another evaluation is running on it.
        BadInput: the suite's people or documents cannot be read.
    """
    embedder = embedder or open_embedder(settings)
    sources, _ = find_sources(suite.documents)
    hashes = {source.path: file_sha256(source.file) for source in sources}
    folder = settings.models_folder / "evaluation" / _key(suite, hashes, embedder)[:16]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        _forget_old(folder.parent)
        if not (folder / "home" / WHOLE).exists():
            shutil.rmtree(folder / "home", ignore_errors=True)
        inside = {"home": folder / "home", "models": settings.models_folder, "database_url": "", "qdrant_url": ""}
        (folder / "home").mkdir(exist_ok=True)
        for name in ("adapters", "policies"):
            _link(folder / "home" / name, settings.home / name)
        with build(settings.model_copy(update=inside | {"otlp_endpoint": ""}), embedder=embedder) as assistant:
            _furnish(assistant, suite, folder / "home" / WHOLE)
            names = {hashes[source.path]: _name(source.file, suite) for source in sources}
            documents = assistant.catalogue.documents()
            files = {(d.document_id, d.version): names.get(d.sha256, d.document_id) for d in documents}
            yield World(assistant, suite.today or datetime.now(UTC).date(), files)


def _forget_old(worlds: Path) -> None:
    """Remove the worlds that were not used for longest, but none that an evaluation has open."""
    used = sorted(worlds.glob("*/run.lock"), key=lambda lock: lock.stat().st_mtime, reverse=True)
    for folder in [lock.parent for lock in used[KEPT:]]:
        with suppress(Conflict), _alone(folder):
            shutil.rmtree(folder)


def _link(place: Path, served: Path) -> None:
    """The serving home's trained adapters, to be asked here, too, and the policy that is in force there."""
    place.unlink(missing_ok=True)
    place.symlink_to(served, target_is_directory=True)


def _furnish(assistant: Assistant, suite: Suite, whole: Path) -> None:
    """People and documents into an empty home; the turns of earlier runs out of a used one."""
    if whole.exists():
        with assistant.store.begin() as connection:
            connection.execute(turn.delete())
            connection.execute(conversation.delete())
        return
    groups, people = read_people_file(suite.people)
    assistant.people.add_groups(groups, actor=ACTOR)
    for who in people:
        assistant.people.add(who, actor=ACTOR)
    counts: dict[str, int] = {}
    for result in assistant.ingest.run(suite.documents, actor=ACTOR):
        counts[result.status] = counts.get(result.status, 0) + 1
    whole.write_text(json.dumps(counts) + "\n")


def _key(suite: Suite, hashes: Mapping[str, str], embedder: Embedder) -> str:
    """Of all files under the documents' folders (governance, too), the people, the embedder and the code that cuts and indexes."""
    code = Path(__file__).resolve().parents[1] / "retrieval"
    beside = [file for folder in suite.documents for file in folder.rglob("governance.y*ml")]
    rules = [file_sha256(file) for file in sorted([*code.glob("*.py"), *beside, suite.people])]
    said = [embedder.name, sorted(hashes.items()), rules]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _name(file: Path, suite: Suite) -> str:
    """As the cases name it: the path under the suite's documents folder."""
    inside = (folder.resolve() for folder in suite.documents)
    return next((file.relative_to(folder).as_posix() for folder in inside if file.is_relative_to(folder)), file.name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                "Another evaluation is running on these documents: wait until it has finished. "
                "Its results are kept apart from yours."
            ) from None
        yield
