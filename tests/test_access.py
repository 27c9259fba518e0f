"""10,000 random person-document pairs: nobody sees a word of a document that they may not read, by any way that leads to text.

100 people and 100 document versions with random governance (a fixed seed), in a real store and a real embedded index
behind the whole application. Each version carries one word that stands nowhere else, its canary, in title and text.
The oracle is the rule as it is written down: approved, in force, the newest version in force, readable by the person.
A model that repeats every passage that it is given answers the questions, so that no gap is hidden by a short answer.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta

import httpx2
import pytest

from assistant.bootstrap import Assistant, build
from assistant.prompt import Prompt
from assistant.scripted import ScriptedModel
from assistant.web.app import create_app
from core.records import CLASSIFICATIONS, EVERYONE, Document, Principal, Question
from core.settings import Settings
from core.turns import now
from retrieval.embed import HashEmbedder
from retrieval.langchain import GovernedRetriever
from retrieval.retriever import Mode
from tests.conftest import make_person
from tests.web.serving import served

pytestmark = pytest.mark.slow

SEED = 20261122
PEOPLE, VERSIONS = 100, 100
GROUPS = tuple(f"group-{n}" for n in range(8))
WORDS = [a + b + c for a in ("bel", "dor", "kan", "mur", "pel", "sol", "tir", "ven") for b in "aeiou" for c in ("dan", "gel", "lom", "rus", "vit", "zon")]  # fmt: skip
QUESTION = "What is the travel allowance of the note?"
CANARY = re.compile(r"canary\d{5}")
TOKEN = "local-access-token"
NOBODYS = "canary99999"
"""A word of the canaries' form that no document holds."""
MODES: tuple[Mode, ...] = ("dense", "sparse", "hybrid")


@dataclass(frozen=True)
class World:
    """The assistant, its address, who asks, and for each person the canaries that they may see answers from."""

    assistant: Assistant
    url: str
    people: tuple[Principal, ...]
    documents: Mapping[str, Document]
    answers: Mapping[str, frozenset[str]]

    def client(self, person: Principal) -> httpx2.Client:
        headers = {"authorization": f"Bearer local_{TOKEN}", "x-as-person": person.person_id}
        return httpx2.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def forbidden(self, person: Principal, count: int) -> list[str]:
        """Some canaries of documents that may not answer the person, the same at each run."""
        hidden = sorted(self.documents.keys() - self.answers[person.person_id])
        return random.Random(person.person_id).sample(hidden, min(count, len(hidden)))


def random_people(chance: random.Random) -> list[Principal]:
    return [
        make_person(
            f"person.{n:03}",
            groups=tuple(chance.sample(GROUPS, chance.randrange(0, 5))),
            clearance=chance.choice(CLASSIFICATIONS),
            roles=chance.choice(
                [("employee",), ("employee",), ("employee", "support"), ("employee", "support", "admin")]
            ),
        )
        for n in range(PEOPLE)
    ]


def random_documents(chance: random.Random, today: date) -> dict[str, Document]:
    """Canary to version: one in three documents has two versions, whose governance differs."""
    documents: dict[str, Document] = {}
    number = 0
    while len(documents) < VERSIONS:
        number += 1
        for version in range(1, 1 + min(chance.choice((1, 1, 2)), VERSIONS - len(documents))):
            canary = f"canary{chance.randrange(10_000, 99_999)}"
            documents[canary] = random_version(chance, today, f"note-{number:03}", version, canary)
    return documents


def random_version(chance: random.Random, today: date, document_id: str, version: int, canary: str) -> Document:
    effective = today + timedelta(days=chance.choice((-400, -30, -1, 0, 0, 1, 60)))
    expires = chance.choice((None, None, effective + timedelta(days=500), max(effective, today), effective))
    return Document(
        document_id=document_id,
        version=version,
        title=f"Travel note {canary}",
        owner="finance@kestrelbay.example",
        department="Finance",
        classification=chance.choice(CLASSIFICATIONS),
        allowed_groups=frozenset(chance.sample((*GROUPS, EVERYONE, EVERYONE, EVERYONE), chance.randrange(1, 4))),
        denied_groups=frozenset(chance.sample(GROUPS, chance.choice((0, 0, 0, 1, 2)))),
        effective=effective,
        expires=expires,
        status=chance.choice(("approved", "approved", "approved", "approved", "draft", "retired")),
        sha256="",
        path="",
        language="en",
    )


def text_of(document: Document, canary: str, chance: random.Random) -> str:
    """Front matter and a few sentences: the same subject, and words of its own so that it is no near-duplicate."""
    filler = " ".join(chance.choice(WORDS) for _ in range(60))
    meta = {
        "document_id": document.document_id,
        "version": document.version,
        "title": document.title,
        "owner": document.owner,
        "department": document.department,
        "classification": document.classification,
        "allowed_groups": sorted(document.allowed_groups),
        "denied_groups": sorted(document.denied_groups),
        "effective": document.effective.isoformat(),
        "status": document.status,
        "language": "en",
    } | ({"expires": document.expires.isoformat()} if document.expires else {})
    return (
        f"---\n{json.dumps(meta)}\n---\n# {document.title}\n\nThe travel allowance of the note {canary} is paid with "
        f"the salary. Its places are {filler}.\n"
    )


def oracle(person: Principal, documents: Mapping[str, Document], today: date) -> frozenset[str]:
    """Canaries of what may answer the person: the newest version of a document that is in force, where it is readable."""
    newest: dict[str, Document] = {}
    for document in documents.values():
        started = document.status == "approved" and document.effective <= today
        if started and document.version >= newest.get(document.document_id, document).version:
            newest[document.document_id] = document
    return frozenset(
        canary
        for canary, document in documents.items()
        if newest.get(document.document_id) is document and document.in_force(today) and document.readable_by(person)
    )


def repeat_everything(prompt: Prompt) -> str:
    """Every passage's first sentence, cited."""
    return "\n\n".join(f"{p.text.split('. ')[0]}. [{n}]" for n, p in enumerate(prompt.passages, 1)) or "Nothing."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, chance, today = tmp_path_factory.mktemp("access"), random.Random(SEED), now().date()
    everybody, documents = random_people(chance), random_documents(chance, today)
    (folder / "documents").mkdir()
    for canary, document in documents.items():
        file = folder / "documents" / f"{document.document_id}-{document.version}.md"
        file.write_text(text_of(document, canary, chance))
    settings = Settings(home=folder / "home", reranker="", evidence_threshold=0, low_evidence=0, retrieve_limit=50)
    settings.home.mkdir()
    with build(settings, answer_model=ScriptedModel([repeat_everything]), embedder=HashEmbedder()) as assistant:
        assistant.people.add_groups(dict.fromkeys(GROUPS, ""), actor="test")
        for person in everybody:
            assistant.people.add(person, actor="test")
        results = list(assistant.ingest.run([folder / "documents"], actor="test"))
        assert {r.status for r in results} <= {"indexed", "quarantined"}, [r for r in results if r.status == "failed"]
        with served(create_app(assistant, local_token=TOKEN)) as url:
            answers = {person.person_id: oracle(person, documents, today) for person in everybody}
            yield World(assistant, url, tuple(everybody), documents, answers)


def canaries(said: object) -> set[str]:
    return set(CANARY.findall(str(said)))


def test_the_pairs_are_many_and_of_both_kinds(world: World) -> None:
    pairs = len(world.people) * len(world.documents)
    readable = sum(len(seen) for seen in world.answers.values())
    assert pairs == 10_000
    assert 0.05 * pairs < readable < 0.6 * pairs
    assert len(set(world.answers.values())) > 50


@pytest.mark.parametrize("mode", MODES)
def test_retriever_finds_exactly_what_may_answer_the_person(world: World, mode: Mode) -> None:
    for person in world.people:
        found = world.assistant.retriever.retrieve(QUESTION, person, limit=100, mode=mode)
        assert {c for p in found.passages for c in canaries(p.title + p.text)} == world.answers[person.person_id]
        assert found.dropped == 0, "the index's own filter let something through"


def test_a_word_of_an_unreadable_document_is_as_unknown_as_a_word_of_none(world: World) -> None:
    retrieve = world.assistant.retriever.retrieve
    for person in world.people:
        unknown = retrieve(f"travel {NOBODYS}", person, mode="sparse")
        for canary in world.forbidden(person, 5):
            found = retrieve(f"travel {canary}", person, mode="sparse")
            assert canary not in canaries([p.text for p in found.passages])
            assert (found.evidence, len(found.passages)) == (unknown.evidence, len(unknown.passages))


def test_langchain_retriever_follows_the_same_rules(world: World) -> None:
    for person in world.people[::5]:
        chain = GovernedRetriever(retriever=world.assistant.retriever, person=person, limit=100)
        assert canaries(chain.invoke(QUESTION)) == world.answers[person.person_id]


def test_answers_citations_and_counts_hold_only_what_the_person_may_read(world: World) -> None:
    """Many people at once, in an order that mixes them, so that a cache of one would reach another."""
    questions = [Question(QUESTION, person) for person in world.people]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(world.assistant.answerer.answer, questions))
    for person, answer in zip(world.people, answers, strict=True):
        allowed = world.answers[person.person_id]
        turn = world.assistant.turns.get(answer.turn_id, person.person_id)
        assert canaries(answer.text) <= allowed
        assert canaries(answer.citations) <= allowed
        assert canaries(turn) <= allowed
        assert turn.counts.get("dropped_by_access", 0) == 0
        assert bool(canaries(answer.text)) is bool(allowed), "who may read something gets an answer"


def test_asking_for_an_unreadable_document_by_its_word_reveals_nothing(world: World) -> None:
    for person in world.people[::4]:
        for canary in world.forbidden(person, 2):
            answer = world.assistant.answerer.answer(Question(f"What is the travel allowance of {canary}?", person))
            assert canary not in canaries(answer.text)
            assert canary not in canaries(answer.citations)


def test_api_lists_searches_and_opens_only_what_the_person_may_read(world: World) -> None:
    for person in world.people[::2]:
        with world.client(person) as client:
            listed = client.get("/documents").json()
            readable = {c for c, d in world.documents.items() if d.readable_by(person) and d.in_force(now().date())}
            assert canaries(listed) <= readable
            for mode in MODES:
                rows = client.post("/documents/search", json={"query": QUESTION, "limit": 100, "mode": mode})
                assert canaries(rows.text) == world.answers[person.person_id]


def test_source_and_metadata_of_an_unreadable_document_are_not_found(world: World) -> None:
    for person in world.people[::3]:
        hidden = [c for c, d in world.documents.items() if not d.readable_by(person)]
        with world.client(person) as client:
            for canary in random.Random(person.person_id).sample(hidden, min(4, len(hidden))):
                document = world.documents[canary]
                address = f"{document.document_id}/{document.version}"
                source = client.get(f"/source/{address}", params={"quote": "travel"})
                assert (source.status_code, canaries(source.text)) == (404, set())
                if not person.has_role("admin"):
                    one = client.get(f"/documents/{address}")
                    assert (one.status_code, canaries(one.text)) == (404, set())


def test_history_and_export_hold_only_the_persons_own_turns(world: World) -> None:
    for person in world.people[1::2]:  # the others have typed hidden words themselves
        with world.client(person) as client:
            asked = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": QUESTION}]})
            assert asked.status_code == 200
            assert canaries(asked.text) <= world.answers[person.person_id]
            for path in ("/conversations/export", "/conversations", "/conversations?search=travel"):
                seen = client.get(path)
                assert seen.status_code == 200
                assert canaries(seen.text) <= world.answers[person.person_id]


def test_another_persons_conversation_and_turn_are_not_found(world: World) -> None:
    owner = next(p for p in world.people if world.answers[p.person_id])
    answer = world.assistant.answerer.answer(Question(QUESTION, owner))
    for person in [p for p in world.people if p is not owner][::10]:
        with world.client(person) as client:
            for path in (f"/conversations/{answer.conversation_id}/export", f"/conversations/{answer.conversation_id}"):
                got = client.get(path)
                assert got.status_code in (404, 405)
                assert not canaries(got.text)
