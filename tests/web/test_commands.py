"""The commands as people type them: real processes, real home folders, exit codes and both forms of output."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assistant.settings_command import as_markdown
from core.audit import Audit
from core.people import People
from core.store import Store
from core.tables import audit as audit_table
from tests.conftest import make_person

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def assistant(home: Path, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assistant", *arguments],
        capture_output=True,
        text=True,
        input=typed,
        timeout=120,
        cwd=ROOT,
        env=os.environ | {"ASSISTANT_HOME": str(home)} | environment,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def filled(home: Path) -> Path:
    """A home folder with an account in it."""
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        known = People(store, Audit(store, home))
        known.add_groups({"employees": "", "hr": ""}, actor="test")
        known.add(make_person("emma.employee"), actor="test")
    return home


def test_an_account_is_made_changed_and_closed(filled: Path) -> None:
    made = rows(
        assistant(
            filled, "users", "add", "ana.silva", "--name", "Ana Silva", "--email", "Ana.Silva@x.example",
            "--group", "employees", "--json",
        )
    )  # fmt: skip
    assert len(str(made[0]["password"])) == 23
    rows(assistant(filled, "users", "update", "ana.silva", "--clearance", "restricted", "--role", "admin", "--json"))
    listed = {row["person_id"]: row for row in rows(assistant(filled, "users", "list", "--json"))}
    ana = listed["ana.silva"]
    assert (ana["email"], ana["clearance"], ana["roles"]) == ("ana.silva@x.example", "restricted", ["admin"])
    assert (ana["groups"], ana["active"]) == (["employees"], True)
    rows(assistant(filled, "users", "deactivate", "ana.silva", "--json"))
    assert "deactivated" in assistant(filled, "users", "list").stdout
    rows(assistant(filled, "users", "activate", "ana.silva", "--json"))
    given = assistant(filled, "users", "password", "ana.silva", "--stdin", typed="a-password-of-my-own\n")
    assert "a-password-of-my-own" not in given.stdout
    dump = (filled / "assistant.db").read_bytes()
    assert b"a-password-of-my-own" not in dump
    assert str(made[0]["password"]).encode() not in dump


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["users", "password", "no.body"], 2, "users list"),
        (["users", "add", "x.y", "--name", "X", "--email", "x@y.example", "--group", "nosuch"], 2, "add-group"),
        (["users", "add", "X Y", "--name", "X", "--email", "nothing"], 2, "not an e-mail address"),
        (["users", "update", "emma.employee"], 2, "--clearance"),
        (["users", "password", "emma.employee", "--stdin"], 2, "12 to 200"),
        (["users", "import", "nosuch.yaml"], 2, "no such file"),
        (["keys", "add", "emma.employee", "--scope", "everything"], 2, "chat, documents"),
        (["keys", "revoke", "nosuch"], 2, "keys list"),
        (["restore", "nosuch.tar.gz"], 2, "no such file"),
        (["serve", "--docs", "/nosuch/folder"], 2, "/nosuch/folder"),
    ],
)
def test_a_wrong_command_says_what_to_do_in_one_line(filled: Path, arguments: list[str], code: int, told: str) -> None:
    done = assistant(filled, *arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_an_object_where_json_is_asked_for(filled: Path) -> None:
    done = assistant(filled, "users", "password", "no.body", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"] == "not_found"


def test_every_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = assistant(
        file / "home",
        "users",
        "list",
        ASSISTANT_PORT="eighty",
        ASSISTANT_OIDC_ISSUER="https://x.example",
        ASSISTANT_OIDC_ROLES="staff=king",
        MODEL_URL="http://x",
    )
    assert done.returncode == 2
    for part in (
        "ASSISTANT_PORT='eighty'",
        "ASSISTANT_OIDC_ISSUER",
        "'king'",
        "MODEL_URL and MODEL",
        "ASSISTANT_HOME=",
    ):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_is_made_listed_and_revoked(filled: Path) -> None:
    made = rows(assistant(filled, "keys", "add", "emma.employee", "--scope", "chat", "--days", "30", "--json"))[0]
    assert str(made["key"]).startswith(f"ea_{made['key_id']}_")
    assert made["expires_at"]
    rows(assistant(filled, "keys", "revoke", str(made["key_id"]), "--json"))
    listed = rows(assistant(filled, "keys", "list", "--json"))
    assert [(row["key_id"], row["state"]) for row in listed] == [(made["key_id"], "revoked")]
    assert str(made["key"]) not in json.dumps(listed)


def test_audit_verify_names_a_changed_row_and_its_exit_code_tells(filled: Path) -> None:
    whole = rows(assistant(filled, "audit", "verify", "--json"))
    assert whole == [{"summary": True, "rows": 2, "findings": 0}]
    assert [row["action"] for row in rows(assistant(filled, "audit", "list", "--json"))] == ["person.add", "group.add"]
    with Store(f"sqlite:///{filled / 'assistant.db'}") as store, store.begin() as connection:
        connection.execute(audit_table.update().where(audit_table.c.seq == 1).values(actor="somebody"))
    broken = assistant(filled, "audit", "verify")
    assert broken.returncode == 1
    assert "row 1: row was changed" in broken.stdout


def test_the_demo_makes_its_people_once_and_shows_their_passwords_once(home: Path) -> None:
    first = rows(assistant(home, "demo", "--json"))
    assert len(first) == 8
    assert all(len(str(row["password"])) == 23 for row in first)
    second = assistant(home, "demo")
    assert "users password PERSON" in second.stdout
    assert all(str(row["password"]) not in second.stdout for row in first)


def test_the_page_of_settings_is_the_one_that_the_command_makes() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == as_markdown(), (
        "run: python -m assistant settings --markdown > docs/settings.md"
    )


def test_secrets_are_hidden_among_the_settings(home: Path) -> None:
    listed = rows(assistant(home, "settings", "--json", MODEL_API_KEY="hunter2", MODEL_URL="http://m", MODEL="m"))
    key = next(row for row in listed if row["variable"] == "MODEL_API_KEY")
    assert (key["value"], key["origin"]) == ("(hidden)", "set")


def test_a_light_command_imports_none_of_the_heavy_libraries() -> None:
    heavy = ("torch", "gradio", "transformers", "nemoguardrails", "presidio_analyzer", "openvino", "fastapi", "spacy")
    script = (
        "import sys\nfrom assistant.__main__ import main\n"
        "try:\n    main(['users', 'list', '-h'])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_serve_starts_is_found_by_commands_refuses_a_second_and_stops_cleanly(home: Path, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "bikes.md").write_text("# Bikes\n\nBicycles are parked in the yard behind building two.\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = os.environ | {
        "ASSISTANT_HOME": str(home),
        "ASSISTANT_PORT": port,
        "ASSISTANT_EMBEDDER_BACKEND": "torch",
        "ASSISTANT_SUPPORT_CONTACT": "help@x.example",
    }
    command = [sys.executable, "-m", "assistant", "serve", "--docs", str(documents)]
    with (tmp_path / "out").open("w+") as out:
        first = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
        try:
            until = time.monotonic() + 120
            while not (home / "serve.json").exists():
                assert first.poll() is None, (tmp_path / "out").read_text()
                assert time.monotonic() < until, (tmp_path / "out").read_text()
                time.sleep(0.2)
            said = (tmp_path / "out").read_text()
            assert "quarantined" in said
            assert "GOVERN=owner=" in said
            assert "Sign in as admin with the password" in said
            assert "ASSISTANT_ORGANISATION: the name on the pages" in said
            assert "ASSISTANT_SUPPORT_CONTACT" not in said  # it is set
            assert f"http://127.0.0.1:{port}" in said
            assert (home / "serve.json").stat().st_mode & 0o777 == 0o600
            second = assistant(home, "serve", ASSISTANT_PORT=port)
            assert second.returncode == 2
            assert f"Process {first.pid} serves it at http://127.0.0.1:{port}" in second.stderr
            elsewhere = assistant(tmp_path / "other", "serve", ASSISTANT_PORT=port)
            assert elsewhere.returncode == 2
            assert f"Port {port} is in use by another program" in elsewhere.stderr
            governed = subprocess.run(
                [sys.executable, "-m", "retrieval", "ingest", str(documents), "--json", "--govern",
                 "owner=a@x.example,classification=internal,allowed_groups=everyone"],
                capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False,
            )  # fmt: skip
            assert governed.returncode == 0, governed.stderr
            assert json.loads(governed.stdout.splitlines()[0])["status"] == "indexed"
            backup = assistant(home, "backup", str(tmp_path / "b.tar.gz"))
            assert backup.returncode == 0, backup.stderr
        finally:
            first.terminate()
            code = first.wait(timeout=60)
    said = (tmp_path / "out").read_text()
    assert code == 0, said
    assert "Stopped." in said
    assert "Traceback" not in said
    assert not (home / "serve.json").exists()
    actions = [row["action"] for row in rows(assistant(home, "audit", "list", "--json"))]
    assert actions[0] == "serve.stop"
    assert "serve.start" in actions


def test_a_port_that_this_user_may_not_open_and_a_foreign_address_are_told(home: Path) -> None:
    foreign = assistant(home, "serve", ASSISTANT_HOST="203.0.113.1")
    assert foreign.returncode == 2
    assert "address of this machine" in foreign.stderr
