"""Pseudonyms: the same datum has the same name, the database tells nothing without the key, only an admin reads back."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from assistant.__main__ import main
from core.audit import Audit
from core.errors import BadInput, NotAllowed, NotFound, SettingsError
from core.people import People
from core.settings import Settings
from core.store import Store
from core.tables import pseudonym
from guardrails.guard import run_guard
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers
from guardrails.policy import read_policy
from guardrails.pseudonyms import Pseudonyms, make_key, read_key
from guardrails.rails import build_guards
from tests.conftest import make_person

ADMIN = make_person("ada.admin", roles=("admin",))
POLICY = """
personal_data:
  entities:
    EMAIL_ADDRESS: {threshold: 0.6, question: pseudonymise, answer: pseudonymise}
    PHONE_NUMBER: {threshold: 0.5, question: allow, answer: pseudonymise}
"""


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    make_key(folder / "pseudonyms.key")
    return folder / "pseudonyms.key"


@pytest.fixture
def pseudonyms(store: Store, audit: Audit, key_file: Path, home: Path) -> Pseudonyms:
    return Pseudonyms(store, audit, read_key(key_file, home))


def test_same_datum_has_the_same_name_however_it_is_spelt(pseudonyms: Pseudonyms) -> None:
    names = {pseudonyms.name("PERSON", text) for text in ("Nora Whitcombe", "NORA  WHITCOMBE", "nora whitcombe")}
    assert len(names) == 1
    assert pseudonyms.name("PHONE_NUMBER", "0117 496-0440") == pseudonyms.name("PHONE_NUMBER", "01174960440")
    assert pseudonyms.count() == 2


def test_other_datum_other_kind_and_other_key_have_other_names(
    pseudonyms: Pseudonyms, store: Store, audit: Audit
) -> None:
    name = pseudonyms.name("PERSON", "Paris")
    assert name != pseudonyms.name("LOCATION", "Paris")
    assert name != pseudonyms.name("PERSON", "Pari")
    assert name != Pseudonyms(store, audit, b"k" * 32).name("PERSON", "Paris")


def test_database_holds_neither_the_datum_nor_the_key(pseudonyms: Pseudonyms, key_file: Path, home: Path) -> None:
    pseudonyms.name("EMAIL_ADDRESS", "nora.whitcombe@home.example")
    for file in home.rglob("*"):
        if file.is_file():
            assert b"whitcombe" not in file.read_bytes().lower()
            assert key_file.read_bytes().strip() not in file.read_bytes()


def test_admin_reads_back_and_the_audit_log_says_so(pseudonyms: Pseudonyms, audit: Audit) -> None:
    name = pseudonyms.name("PERSON", "Nora Whitcombe")
    assert pseudonyms.reveal(f"<{name}>", by=ADMIN, why="complaint 4471") == "Nora Whitcombe"
    row = next(audit.rows(1))
    assert (row.actor, row.action, row.subject) == ("ada.admin", "pseudonym.reveal", name)
    assert "4471" in row.details
    assert "Nora" not in f"{row}"


def test_nobody_else_reads_back_and_the_attempt_is_kept(pseudonyms: Pseudonyms, audit: Audit) -> None:
    name = pseudonyms.name("PERSON", "Nora Whitcombe")
    with pytest.raises(NotAllowed):
        pseudonyms.reveal(name, by=make_person("rita.reviewer", roles=("reviewer",)), why="curious")
    assert next(audit.rows(1)).action == "pseudonym.refused"


def test_reading_back_needs_a_reason_and_a_name_that_exists(pseudonyms: Pseudonyms) -> None:
    with pytest.raises(BadInput, match="Say why"):
        pseudonyms.reveal(pseudonyms.name("PERSON", "Nora"), by=ADMIN, why=" ")
    with pytest.raises(NotFound):
        pseudonyms.reveal("PERSON-BBBBBBBBBB", by=ADMIN, why="x")


def test_another_key_opens_nothing(pseudonyms: Pseudonyms, store: Store, audit: Audit) -> None:
    name = pseudonyms.name("PERSON", "Nora Whitcombe")
    with pytest.raises(SettingsError, match="this key did not make"):
        Pseudonyms(store, audit, b"k" * 32).reveal(name, by=ADMIN, why="x")


def test_ciphertext_that_was_moved_to_another_row_does_not_open(pseudonyms: Pseudonyms, store: Store) -> None:
    mine, other = pseudonyms.name("PERSON", "Nora"), pseudonyms.name("PERSON", "Otto")
    with store.begin() as connection:
        moved = sa.select(pseudonym.c.ciphertext).where(pseudonym.c.pseudonym == other).scalar_subquery()
        connection.execute(pseudonym.update().where(pseudonym.c.pseudonym == mine).values(ciphertext=moved))
    with pytest.raises(SettingsError):
        pseudonyms.reveal(mine, by=ADMIN, why="x")


def test_forgotten_mapping_is_gone_and_is_made_anew_when_the_datum_comes_back(pseudonyms: Pseudonyms) -> None:
    name = pseudonyms.name("PERSON", "Nora")
    with pytest.raises(NotAllowed):
        pseudonyms.forget(name, by=make_person("emma"))
    pseudonyms.forget(name, by=ADMIN)
    with pytest.raises(NotFound):
        pseudonyms.reveal(name, by=ADMIN, why="x")
    assert pseudonyms.name("PERSON", "Nora") == name
    assert pseudonyms.reveal(name, by=ADMIN, why="x") == "Nora"


def test_many_threads_name_the_same_data_once(pseudonyms: Pseudonyms) -> None:
    values = [f"person {n % 10}" for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda value: pseudonyms.name("PERSON", value), values))
    assert len(set(names)) == pseudonyms.count() == 10


def test_key_is_made_once_and_only_its_owner_reads_it(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    with pytest.raises(BadInput, match="never overwritten"):
        make_key(key_file)
    with pytest.raises(BadInput, match="folder that exists"):
        make_key(key_file.parent / "none" / "a.key")


def test_unsafe_or_broken_key_is_refused_with_what_to_do(key_file: Path, home: Path) -> None:
    make_key(home / "inside.key")
    with pytest.raises(SettingsError, match="home folder"):
        read_key(home / "inside.key", home)
    with pytest.raises(SettingsError, match="new-key"):
        read_key(key_file.parent / "missing", home)
    key_file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_key(key_file, home)
    key_file.chmod(0o600)
    key_file.write_text("short")
    with pytest.raises(SettingsError, match="new-key"):
        read_key(key_file, home)


def test_policy_replaces_data_by_pseudonyms_in_questions_and_answers(pseudonyms: Pseudonyms) -> None:
    section = read_policy(POLICY).personal_data
    guard = PersonalData("question", PersonalDataPolicy(section), Recognisers(), namer=pseudonyms)
    verdict = run_guard(guard, "Write to a.b@home.example or 0117 496 0440, then a.b@home.example").verdict
    name = pseudonyms.name("EMAIL_ADDRESS", "a.b@home.example")
    assert verdict.action == "mask"
    assert verdict.text == f"Write to <{name}> or 0117 496 0440, then <{name}>"
    answer = PersonalData("answer", PersonalDataPolicy(section), Recognisers(), namer=pseudonyms)
    assert "0117" not in run_guard(answer, "Call 0117 496 0440.").verdict.text


def test_pseudonym_is_not_taken_for_a_datum_again(pseudonyms: Pseudonyms) -> None:
    text = f"Ask <{pseudonyms.name('EMAIL_ADDRESS', 'a@b.example')}> about it"
    assert Recognisers().find(text) == ()


def test_policy_that_pseudonymises_without_a_key_does_not_start() -> None:
    with pytest.raises(SettingsError, match="new-key"):
        build_guards(Settings(), "template", policy=read_policy(POLICY))


def test_command_makes_a_key_names_and_reads_back(
    home: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    assert main(["pseudonyms", "count"]) == 2
    assert "new-key" in capsys.readouterr().err
    monkeypatch.setenv("ASSISTANT_PSEUDONYM_KEY", str(key_file))
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        audit = Audit(store, home)
        people = People(store, audit)
        people.add_groups({"employees": ""}, actor="test")
        people.add(ADMIN, actor="test")
        people.add(make_person("emma.employee"), actor="test")
        name = Pseudonyms(store, audit, read_key(key_file, home)).name("PERSON", "Nora Whitcombe")
    assert main(["pseudonyms", "reveal", name, "--as", "ada.admin", "--why", "complaint", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pseudonym": name, "value": "Nora Whitcombe"}
    assert main(["pseudonyms", "reveal", name, "--as", "emma.employee", "--why", "x"]) == 3
    assert main(["pseudonyms", "forget", name, "--as", "ada.admin"]) == 0
    assert main(["pseudonyms", "reveal", name, "--as", "ada.admin", "--why", "x"]) == 2
    capsys.readouterr()
    assert main(["pseudonyms", "count", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pseudonyms": 0}
