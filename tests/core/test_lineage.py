"""What was trained on somebody who was erased, or has opted out meanwhile, is registered by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.adapter_card import card
from core.audit import Audit
from core.consent import Consent
from core.datasets import Datasets
from core.errors import Conflict
from core.lineage import DocumentRead, require_kept
from core.people import People
from core.person_data import PersonData
from core.registry import Registry, Training
from core.store import Store
from core.tables import conversation, passage, turn
from core.turns import Turns
from retrieval.catalogue import Catalogue
from tests.core.adapters import registered, sealed_folder
from tests.core.test_registry import dataset

Act = Callable[[Store, Audit], object]
ROWS = (("emma.employee", "leave"), ("emma.employee", "travel"), ("carl.contractor", "vpn"))


@pytest.fixture
def registry(store: Store, audit: Audit, home: Path, people: People) -> Registry:
    dataset(store, audit, "ds-one", *ROWS)
    return Registry(store, audit, home=home)


def erased(store: Store, audit: Audit) -> None:
    Turns(store).erase("emma.employee")


def opted_out(store: Store, audit: Audit) -> None:
    Consent(store, audit).set("emma.employee", allowed=False)


def document_gone(store: Store, audit: Audit) -> None:
    Catalogue(store, audit).erase(("vpn", 1), actor="test")


def conversation_deleted(store: Store, audit: Audit) -> None:
    with store.begin() as connection:
        connection.execute(conversation.delete().where(conversation.c.person_id == "carl.contractor"))


@pytest.mark.parametrize(
    ("act", "lost"),
    [
        (erased, {"erased": 2}),
        (opted_out, {"opted_out": 2}),
        (document_gone, {"document_gone": 1}),
        (conversation_deleted, {"erased": 1}),
    ],
)
def test_a_dataset_that_holds_what_is_gone_makes_no_adapter(
    act: Act, lost: dict[str, int], registry: Registry, store: Store, audit: Audit, tmp_path: Path
) -> None:
    assert Datasets(store, audit).lost("ds-one") == {}
    registered(registry, audit, tmp_path, value=1.0, training=Training("ds-one"))
    act(store, audit)
    assert Datasets(store, audit).lost("ds-one") == lost
    said = rf"ds-one holds {sum(lost.values())} rows? that may not be trained on any more .*dataset build"
    with pytest.raises(Conflict, match=said):
        Datasets(store, audit).require_kept("ds-one")
    folder = sealed_folder(tmp_path, value=2.0)
    with pytest.raises(Conflict, match=said):
        registry.register(folder, actor="tess.trainer", training=Training("ds-one"))
    assert len(registry.all()) == 1
    assert not (registry.home / "adapters" / folder.name).exists()


def test_a_row_that_is_lost_for_two_reasons_is_counted_once_and_who_opts_in_again_is_trained_on(
    registry: Registry, store: Store, audit: Audit
) -> None:
    datasets = Datasets(store, audit)
    opted_out(store, audit)
    document_gone(store, audit)
    Catalogue(store, audit).erase(("leave", 1), actor="test")
    assert datasets.lost("ds-one") == {"opted_out": 2, "document_gone": 1}
    Consent(store, audit).set("emma.employee", allowed=True)
    assert datasets.lost("ds-one") == {"document_gone": 2}
    assert datasets.lost("ds-none") == {}
    assert registry.all() == []


def test_a_document_that_is_only_retired_keeps_its_words_and_its_rows(
    registry: Registry, store: Store, audit: Audit
) -> None:
    Catalogue(store, audit).set_state(("vpn", 1), "removed", actor="test", action="document.retire", status="retired")
    assert Datasets(store, audit).lost("ds-one") == {}
    assert registry.all() == []


SHA256 = "0" * 64
READ = (DocumentRead("leave", 1, SHA256), DocumentRead("vpn", 1, SHA256))


def test_documents_that_were_read_whole_and_erased_since_make_no_adapter(
    registry: Registry, store: Store, audit: Audit, tmp_path: Path
) -> None:
    read = Training(ceiling="internal", documents=READ)
    name = registered(registry, audit, tmp_path, value=1.0, training=read)
    assert registry.documents_read(name) == list(READ)
    assert "- vpn v1 (sha256 000000" in card(registry, Datasets(store, audit), name)
    document_gone(store, audit)
    with pytest.raises(Conflict, match=r"erased by now \(vpn v1\)"):
        registered(registry, audit, tmp_path, value=2.0, training=read)


def test_a_document_whose_words_others_have_taken_the_place_of_is_not_what_was_read(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    other = Training(ceiling="internal", documents=(DocumentRead("vpn", 1, "1" * 64),))
    with pytest.raises(Conflict, match=r"erased by now \(vpn v1\)"):
        registered(registry, audit, tmp_path, value=1.0, training=other)


def test_an_erased_document_blocks_what_learnt_from_its_rows_or_read_it_whole_and_what_went_on_from_there(
    registry: Registry, store: Store, audit: Audit, tmp_path: Path
) -> None:
    dataset(store, audit, "ds-two", ("otto.other", "travel"))
    made = {
        "rows": Training("ds-one"),
        "whole": Training(ceiling="internal", documents=READ),
        "neither": Training("ds-two", documents=READ[:1]),
    }
    names = {
        what: registered(registry, audit, tmp_path, value=float(n), training=training)
        for n, (what, training) in enumerate(made.items(), 1)
    }
    names["child"] = registered(
        registry, audit, tmp_path, value=9.0, training=Training("ds-two", parent=names["whole"])
    )
    registry.block(names["rows"], actor="ada.admin", reason="an earlier reason")
    blocked = Catalogue(store, audit).erase(("vpn", 1), actor="ada.admin")
    assert blocked == (names["rows"], names["whole"], names["child"])
    assert registry.get(names["rows"]).blocked == "an earlier reason"
    assert registry.get(names["whole"]).blocked.startswith("The document vpn v1 was erased")
    assert registry.get(names["child"]).blocked
    assert not registry.get(names["neither"]).blocked
    last = registry.history(names["whole"])[-1]
    assert (last.action, last.actor, last.from_stage, last.to_stage) == ("block", "ada.admin", "dev", "dev")
    row = next(audit.rows(limit=1))
    assert (row.action, json.loads(row.details)["adapters"]) == ("document.erase", list(blocked))
    assert Catalogue(store, audit).erase(("vpn", 2), actor="ada.admin") == (), "another version"
    (found,) = Datasets(store, audit).affected(document_id="vpn")[1:]
    assert (found.dataset_id, found.part, found.adapters) == ("", "whole", (names["whole"], names["child"]))


class Interrupted(Registry):
    """A registry to which something happens between its first look and its transaction."""

    def __init__(self, *args: object, meanwhile: Callable[[], object], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.meanwhile = meanwhile

    def _ceiling(self, training: Training) -> object:  # type: ignore[override]
        found = super()._ceiling(training)
        self.meanwhile()
        return found


def test_an_erasure_at_the_last_moment_is_seen_by_the_transaction_that_registers(
    registry: Registry, store: Store, audit: Audit, home: Path, tmp_path: Path
) -> None:
    data = PersonData(store, audit, registry)
    late = Interrupted(store, audit, home=home, meanwhile=lambda: data.erase("emma.employee", actor="emma.employee"))
    with pytest.raises(Conflict, match="2 of questions that were erased"):
        registered(late, audit, tmp_path, value=1.0, training=Training("ds-one"))
    assert registry.all() == []


def test_a_document_erased_at_the_last_moment_is_seen_by_the_transaction_that_registers(
    registry: Registry, store: Store, audit: Audit, home: Path, tmp_path: Path
) -> None:
    late = Interrupted(store, audit, home=home, meanwhile=lambda: document_gone(store, audit))
    with pytest.raises(Conflict, match=r"erased by now \(vpn v1\)"):
        registered(late, audit, tmp_path, value=1.0, training=Training(ceiling="internal", documents=READ))
    assert registry.all() == []


def test_a_parent_that_is_blocked_at_the_last_moment_is_seen_by_the_transaction_that_registers(
    registry: Registry, store: Store, audit: Audit, home: Path, tmp_path: Path
) -> None:
    dataset(store, audit, "ds-two", ("otto.other", "printer"))
    parent = registered(registry, audit, tmp_path, value=1.0, training=Training("ds-one"))
    data = PersonData(store, audit, registry)
    late = Interrupted(store, audit, home=home, meanwhile=lambda: data.erase("emma.employee", actor="emma.employee"))
    with pytest.raises(Conflict, match="which is blocked"):
        registered(late, audit, tmp_path, value=2.0, training=Training("ds-two", parent=parent))


def test_an_adapter_that_is_registered_while_a_person_is_being_erased_is_blocked(
    registry: Registry, store: Store, audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after the erasure's first look, and while the questions are still there."""
    real = Turns.erase
    made: list[str] = []

    def erase(turns: Turns, person_id: str) -> int:
        made.append(registered(registry, audit, tmp_path, value=1.0, training=Training("ds-one")))
        return real(turns, person_id)

    monkeypatch.setattr(Turns, "erase", erase)
    done = PersonData(store, audit, registry).erase("emma.employee", actor="emma.employee")
    assert done.adapters == tuple(made)
    assert registry.get(made[0]).blocked


@pytest.mark.parametrize("url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_an_erasure_waits_for_a_registration_that_has_seen_the_questions_and_the_documents(
    registry: Registry, store: Store, people: People
) -> None:
    """Else it could look before the adapter is there, and the registration before the words are gone. SQLite has one writer."""
    with store.begin() as connection:
        require_kept(connection, "ds-one")
        with store.engine.connect() as other:
            other.execute(sa.text("set lock_timeout = 200"))
            for words in (
                turn.delete().where(turn.c.person_id == "emma.employee"),
                passage.delete().where(passage.c.document_id == "vpn"),
            ):
                with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                    other.execute(words)
                other.rollback()
                other.execute(sa.text("set lock_timeout = 200"))
    assert people.get("emma.employee")
    assert registry.all() == []
