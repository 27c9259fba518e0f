"""What the demo organisation holds, counted in the catalogue that `make run` fills: its size, and the hard cases on purpose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from core.audit import Audit
from core.people import People
from core.records import Classification, Document, Passage, Principal
from core.store import Store
from eval.cases import load_suite
from guardrails.injection import Injection
from retrieval.catalogue import Catalogue
from tests.browser.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SUITE = Path(__file__).resolve().parents[2] / "eval" / "suites" / "demo"
FORMATS = {".md", ".docx", ".pdf", ".html", ".xlsx", ".pptx", ".eml"}
WIDE = {"everyone", "employees", "contractors"}
REPLACED = re.compile(r"laptops? (?:is|are) replaced after (\w+) years|laptops are replaced (\w+) years", re.IGNORECASE)


@dataclass(frozen=True)
class Organisation:
    """The demo's documents, passages and people, as a served home holds them."""

    documents: Sequence[Document]
    passages: Sequence[Passage]
    words: int
    people: Sequence[Principal]
    today: date

    def answering(self, that: Callable[[Document], bool]) -> list[str]:
        """Documents in force and in the index for which it holds."""
        return [d.document_id for d in self.documents if d.state == "indexed" and d.in_force(self.today) and that(d)]


@pytest.fixture(scope="module")
def organisation(demo: Server) -> Iterator[Organisation]:
    today = load_suite(SUITE).today  # the day on which its cases hold: later, more of the documents expire
    assert today is not None
    with Store(f"sqlite:///{demo.home / 'assistant.db'}") as store:
        audit = Audit(store, demo.home)
        catalogue = Catalogue(store, audit)
        documents = catalogue.documents()
        yield Organisation(
            documents,
            [p for d in documents for p in catalogue.passages(d.document_id, d.version)],
            sum(len(catalogue.full_text(d.document_id, d.version).split()) for d in documents if d.version),
            People(store, audit).all(),
            today,
        )


def test_it_is_large_enough_to_be_believed(organisation: Organisation) -> None:
    governed = [d for d in organisation.documents if d.version]
    assert len(governed) >= 45
    assert {Path(d.path).suffix for d in governed} == FORMATS
    assert organisation.words >= 30_000
    assert len(organisation.answering(lambda _: True)) >= 45
    assert len({d.department for d in governed}) >= 7


def test_versions_notices_and_copies_that_must_not_answer_are_there(organisation: Organisation) -> None:
    approved = [d for d in organisation.documents if d.status == "approved"]
    versions = Counter(d.document_id for d in approved if d.effective <= organisation.today)
    assert [name for name, count in versions.items() if count > 1], "no superseded version"
    assert [d for d in approved if d.expires and d.expires < organisation.today], "no expired notice"
    assert [d for d in organisation.documents if d.status == "retired"]
    assert [d for d in organisation.documents if d.status == "draft"]
    assert [d for d in organisation.documents if d.duplicate_of], "no copy that its original answers for"
    assert [d for d in organisation.documents if d.near_duplicates], "no near-duplicates"
    assert [d for d in organisation.documents if not d.version], "no file without governance"


def test_every_access_rule_has_a_document_that_needs_it(organisation: Organisation) -> None:
    assert len(organisation.answering(lambda d: len(d.allowed_groups) == 1 and not d.allowed_groups & WIDE)) >= 2
    labels = {d.classification for d in organisation.documents if d.version}
    assert labels == set(get_args(Classification))
    denied = {d.document_id: d for d in organisation.documents if d.denied_groups and d.in_force(organisation.today)}
    shut_out = [
        (person.person_id, name)
        for name, d in denied.items()
        for person in organisation.people
        if person.groups & d.allowed_groups and person.groups & d.denied_groups
    ]
    assert shut_out, "the explicit deny decides about nobody: who is denied is not allowed anyway"


def test_personal_data_and_orders_to_the_assistant_lie_in_documents_that_answer(organisation: Organisation) -> None:
    assert organisation.answering(lambda d: len(set(d.personal_data) - {"EMAIL_ADDRESS"}) >= 2), "no personal data"
    guard = Injection("passage")
    ordering = {p.document_id for p in organisation.passages if guard.check(p.text, [p]).action == "drop"}
    assert organisation.answering(lambda d: d.document_id in ordering), "no document gives orders"


def test_two_documents_in_force_disagree(organisation: Organisation) -> None:
    told: dict[str, set[str]] = {}
    for passage in organisation.passages:
        for found in REPLACED.finditer(passage.text):
            told.setdefault(passage.document_id, set()).add((found[1] or found[2]).lower())
    current = organisation.answering(lambda d: d.document_id in told)
    assert len({frozenset(told[name]) for name in current}) > 1, told


def test_spanish_and_german_stand_beside_english(organisation: Organisation) -> None:
    languages = Counter(d.language for d in organisation.documents if d.version)
    assert languages.keys() == {"en", "es", "de"}
    assert organisation.answering(lambda d: d.language == "es")
    assert organisation.answering(lambda d: d.language == "de")


def test_eight_people_differ_in_groups_clearance_and_roles(organisation: Organisation) -> None:
    people = organisation.people
    assert len(people) == 8
    assert len({person.groups for person in people}) == 8
    assert len({person.clearance for person in people}) >= 3
    assert {role for person in people for role in person.roles} == {"employee", "support", "admin"}
    reach = {
        person.person_id: frozenset(organisation.answering(lambda d, who=person: d.readable_by(who)))  # type: ignore[misc]
        for person in people
    }
    assert len(set(reach.values())) >= 6, "too many of them may read the same"
