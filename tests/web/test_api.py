"""Documents, conversations, feedback, health and metrics over a real connection."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.pages import library
from core.errors import BadInput, NotSignedIn
from core.serving import Serving
from guardrails.guard import Budgeted, Guard
from tests.guardrails.test_faults import Hangs, Raises, Says
from tests.web.conftest import LEAVE, PASSWORD, TOKEN, Site, SiteMaker

ASK = {"model": "assistant", "messages": [{"role": "user", "content": "How many days of annual leave?"}]}
GIVEN = {
    "document_id": "it-printers",
    "title": "Printers",
    "owner": "it@kestrelbay.example",
    "department": "IT",
    "classification": "internal",
    "allowed_groups": ["employees"],
    "effective": "2026-01-01",
}
TEXT = b"# Printers\n\n## Jams\n\nOpen the left door of the printer and pull the paper out slowly.\n"


def names(rows: list[dict[str, object]]) -> set[object]:
    return {row["document_id"] for row in rows}


def test_everybody_lists_what_they_may_read(site: Site) -> None:
    for person, expected in (
        ("emma.employee", {"hr-leave"}),
        ("hana.hr", {"hr-leave", "hr-pay"}),
        ("carl.contractor", set()),
    ):
        with site.keyed(person, "documents") as client:
            assert names(client.get("/documents").json()) == expected
            assert client.get("/documents?manage=true").status_code == 403
    with site.keyed("emma.employee", "documents") as client:
        assert client.get("/documents/hr-leave/1").json()["owner"] == "people@kestrelbay.example"
        hidden, missing = client.get("/documents/hr-pay/1"), client.get("/documents/nosuch/1")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json() == missing.json(), "two texts would say which of them exists"
    with site.keyed("ada.admin", "documents") as client:
        assert names(client.get("/documents").json()) == set()
        assert names(client.get("/documents?manage=true").json()) == {"hr-leave", "hr-pay"}


def test_who_does_not_manage_a_document_sees_no_more_of_it_than_its_source_page_says(site: Site) -> None:
    with site.keyed("emma.employee", "documents") as client:
        assert client.get("/documents").json() == [
            {
                "document_id": "hr-leave",
                "version": 1,
                "title": "Annual leave",
                "owner": "people@kestrelbay.example",
                "department": "HR",
                "classification": "internal",
                "effective": "2026-01-01",
                "expires": None,
                "review": None,
                "legal_hold": False,
                "language": "en",
                "status": "approved",
                "state": "indexed",
            }
        ]
        assert client.get("/documents").json() == [client.get("/documents/hr-leave/1").json()]
    with site.keyed("sam.support", "documents") as client:
        (managed,) = client.get("/documents?manage=true").json()
        assert managed["path"].endswith("leave.md")
        assert managed["denied_groups"] == ["contractors"]


@pytest.mark.slow
def test_a_near_duplicate_is_named_only_to_who_manages_that_document_too(own_site: SiteMaker) -> None:
    board = GIVEN | {
        "classification": "restricted",
        "allowed_groups": ["hr"],
        "document_id": "board",
        "status": "approved",
    }
    with own_site() as site:
        ada, sam = (site.assistant.people.get(who) for who in ("ada.admin", "sam.support"))
        site.assistant.ingest.add_upload("board.md", TEXT, board, ada)
        site.assistant.ingest.add_upload("guess.md", TEXT, GIVEN | {"status": "approved"}, sam)
        for person, named in (("emma.employee", None), ("sam.support", []), ("ada.admin", ["board v1"])):
            with site.keyed(person, "documents") as client:
                assert client.get("/documents/it-printers/1").json().get("near_duplicates") == named
        assert library.managed(site.assistant, sam, "it-printers", 1).near_duplicates == ()
        assert library.managed(site.assistant, ada, "it-printers", 1).near_duplicates == ("board v1",)


@pytest.mark.slow
def test_an_upload_waits_as_a_draft_until_it_is_approved_and_leaves_when_it_is_deleted(own_site: SiteMaker) -> None:
    with own_site() as site, site.keyed("sam.support", "documents") as support:
        done = support.post("/documents", files={"file": ("printers.md", TEXT)}, data={"metadata": json.dumps(GIVEN)})
        assert done.status_code == 201, done.text
        assert done.json()["document_id"] == "it-printers"
        with site.keyed("emma.employee", "documents") as emma, site.keyed("ada.admin", "documents") as admin:
            assert "it-printers" not in names(emma.get("/documents").json())
            approved = support.post("/documents/it-printers/1/approve").json()
            assert (approved["status"], approved["state"]) == ("approved", "indexed")
            assert "it-printers" in names(emma.get("/documents").json())
            found = emma.post("/documents/search", json={"query": "printer jam"}).text.splitlines()
            assert json.loads(found[0])["document_id"] == "it-printers"
            assert support.post("/documents/it-printers/1/approve").status_code == 409
            assert emma.post("/documents/it-printers/1/retire").status_code == 403
            assert support.request("DELETE", "/documents/it-printers/1").status_code == 403
            assert support.post("/documents/it-printers/1/retire").json()["status"] == "retired"
            assert "it-printers" not in emma.post("/documents/search", json={"query": "printer jam"}).text
            assert admin.request("DELETE", "/documents/it-printers/1").status_code == 204
        actions = [r.action for r in site.assistant.audit.rows() if "it-printers" in r.subject]
        assert actions[0] == "document.store"
        assert {"document.approve", "document.retire", "document.delete", "document.erase"} <= set(actions)


@pytest.mark.parametrize(
    ("name", "metadata", "status", "told"),
    [
        ("printers.md", "not an object", 422, "metadata must be an object"),
        (
            "printers.md",
            "[" * 9_000,
            422,
            "metadata cannot be read as JSON or YAML in line 1: nested more than 20 deep",
        ),
        ("printers.md", "title: &a [x, x]\neffective: [*a, *a]", 422, "write the value itself"),
        ("printers.md", "effective: 2026-13-45", 422, "line 1"),
        ("printers.md", json.dumps(GIVEN | {"nosuch": 1}), 422, "nosuch"),
        ("printers.md", json.dumps(GIVEN | {"allowed_groups": ["nosuch"]}), 422, "nosuch"),
        ("../../etc/passwd.md", json.dumps(GIVEN), 422, "name"),
        (
            "pay.md",
            json.dumps(GIVEN | {"document_id": "hr-pay", "version": 99}),
            404,
            "no document hr-pay that you may",
        ),
    ],
)
def test_a_wrong_upload_says_what_to_change(site: Site, name: str, metadata: str, status: int, told: str) -> None:
    with site.keyed("sam.support", "documents") as client:
        refused = client.post("/documents", files={"file": (name, TEXT)}, data={"metadata": metadata})
        assert refused.status_code == status
        assert told in refused.json()["error"]["message"]
        assert names(client.get("/documents?manage=true").json()) == {"hr-leave"}


def test_an_upload_that_is_too_large_or_not_allowed_is_refused(site: Site) -> None:
    with site.keyed("sam.support", "documents") as client:
        for size in (2_300_000, 5_000_000):
            refused = client.post(
                "/documents", files={"file": ("big.md", b"x" * size)}, data={"metadata": json.dumps(GIVEN)}
            )
            assert refused.status_code == 413
            assert "ASSISTANT_MAX_UPLOAD_MB" in refused.json()["error"]["message"]
    with site.keyed("emma.employee", "documents") as client:
        refused = client.post("/documents", files={"file": ("a.md", TEXT)}, data={"metadata": json.dumps(GIVEN)})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")


def test_this_machines_commands_ingest_paths_line_by_line(own_site: SiteMaker, tmp_path: Path) -> None:
    with own_site() as site:
        here = Serving(site.url, TOKEN, 0)
        folder = tmp_path / "more"
        folder.mkdir()
        (folder / "leave.md").write_text(LEAVE.replace("hr-leave", "hr-leave-abroad").replace("25 days", "26 days"))
        (folder / "none.md").write_text("# Bikes\n\nBicycles are parked in the yard behind building two.\n")
        lines = list(here.post("/documents/ingest", {"paths": [str(folder)]}))
        assert sorted(line["status"] for line in lines) == ["indexed", "quarantined"]
        with site.keyed("sam.support", "documents") as support:
            listed = support.get("/documents?manage=true&state=quarantined").json()
            assert [Path(row["path"]).name for row in listed] == [
                "none.md"
            ]  # nobody can read it: whoever reviews mends it
        governed = {"owner": "a@x.example", "classification": "internal", "allowed_groups": ["employees"]}
        again = list(here.post("/documents/ingest", {"paths": [str(folder / "none.md")], "defaults": governed}))
        assert [line["status"] for line in again] == ["indexed"], again
        (folder / "leave.md").unlink()
        asked = {"paths": [str(folder)], "missing": "retire"}
        assert list(here.post("/documents/ingest", asked))[-1] == {
            "missing": [["hr-leave-abroad v1", str(folder / "leave.md")]],
            "retired": True,
        }
        with pytest.raises(BadInput):
            list(here.post("/documents/ingest", {"paths": [str(tmp_path / "nosuch")]}))
        found = list(here.post("/documents/search", {"query": "annual leave"}, person="emma.employee"))
        assert found[0]["rank"] == 1
        with pytest.raises(NotSignedIn):
            list(Serving(site.url, "wrong", 0).post("/documents/ingest", {"paths": [str(folder)]}))
        with site.keyed("ada.admin", "documents") as client:
            refused = client.post("/documents/ingest", json={"paths": ["/etc"]})
            assert refused.status_code == 401


def ask(site: Site, person: str) -> dict[str, str]:
    with site.keyed(person, "chat") as client:
        given: dict[str, str] = client.post("/v1/chat/completions", json=ASK).json()["choices"][0]["assistant"]
    return given


def test_a_thumb_and_a_flag_are_kept_on_ones_own_answers_only(site: Site) -> None:
    turn_id = ask(site, "emma.employee")["turn_id"]
    with site.keyed("emma.employee", "feedback") as client:
        flag = {"turn_id": turn_id, "kind": "flag", "reasons": ["outdated"], "expected": "26 days"}
        assert client.post("/feedback", json=flag).status_code == 201
        assert client.post("/feedback", json={"turn_id": turn_id, "kind": "up"}).status_code == 201
        assert client.post("/feedback", json={"turn_id": turn_id, "kind": "sideways"}).status_code == 422
        assert client.post("/feedback", json={"turn_id": "nosuch", "kind": "up"}).status_code == 404
    with site.keyed("hana.hr", "feedback") as client:
        assert client.post("/feedback", json={"turn_id": turn_id, "kind": "up"}).status_code == 404
    assert [f.kind for f in site.assistant.turns.feedback_on([turn_id])] == ["flag", "up"]


@pytest.mark.slow
def test_a_person_exports_and_deletes_their_own_conversations_and_no_others(own_site: SiteMaker) -> None:
    with own_site() as site:
        mine, other = ask(site, "emma.employee"), ask(site, "hana.hr")
        ask(site, "emma.employee")
        with site.signed_in("emma.employee") as client:
            assert len(client.get("/conversations").json()) == 2
            lines = [json.loads(line) for line in client.get("/conversations/export").text.splitlines()]
            assert len(lines) == 2
            assert lines[0]["turns"][0]["question"] == "How many days of annual leave?"
            assert "hana" not in str(lines)
            assert client.request("DELETE", f"/conversations/{other['conversation_id']}").status_code == 404
            assert client.request("DELETE", f"/conversations/{mine['conversation_id']}").status_code == 204
            assert client.request("DELETE", "/conversations").json() == {"deleted_turns": 1}
            assert client.get("/conversations").json() == []
        with site.signed_in("hana.hr") as client:
            assert len(client.get("/conversations").json()) == 1
        actions = {r.action for r in site.assistant.audit.rows() if r.actor == "emma.employee"}
        assert {"conversation.export", "conversation.delete", "person.erase_chats"} <= actions


def test_a_database_that_is_gone_is_told_in_words_on_page_and_api(own_site: SiteMaker) -> None:
    with own_site() as site, site.signed_in("emma.employee") as client:
        database = site.assistant.settings.home / "assistant.db"
        site.assistant.store.close()
        hidden = [(p, p.with_name(p.name + ".away")) for p in database.parent.glob("assistant.db*")]
        for path, away in hidden:
            path.rename(away)
        database.mkdir()  # in its place lies something that cannot be opened
        try:
            api = client.get("/conversations")
            assert (api.status_code, api.json()["error"]["code"]) == (503, "store_unavailable")
            for path in ("/", "/documents", "/library"):
                page = client.get(path, headers={"accept": "text/html"})
                assert page.status_code == 503, path
                assert "Something that we need is not answering" in page.text
                assert "Traceback" not in page.text
            form = client.post("/sign-in", data={"name": "a", "password": "b"}, headers={"accept": "text/html"})
            assert form.status_code == 503
            ready = client.get("/ready")
            assert (ready.status_code, ready.json()["store"]) == (503, "store_unavailable")
            assert client.get("/health").status_code == 200
        finally:
            database.rmdir()
            for path, away in hidden:
                away.rename(path)
        assert client.get("/conversations").status_code == 200, "back without a restart, the session still good"


def test_metrics_count_turns_guards_and_steps_without_naming_anybody(site: Site) -> None:
    ask(site, "emma.employee")
    with site.keyed("ada.admin", "metrics") as client:
        text = client.get("/metrics").text
    assert 'assistant_turns_total{reason="",status="answered"}' in text
    assert 'assistant_guard_verdicts_total{action="allow",guard=' in text
    assert 'assistant_step_seconds_bucket{le="0.001",step="retrieve"}' in text
    assert "emma" not in text
    assert "hr-leave" not in text
    with site.keyed("emma.employee", "chat") as client:
        assert client.get("/metrics").status_code == 403
    with site.signed_in("emma.employee") as client:
        assert client.get("/metrics").status_code == 403
    with site.signed_in("ada.admin") as client:
        assert client.get("/metrics").status_code == 200


def test_a_rail_that_fails_is_named_on_the_turn_and_to_the_operator(own_site: SiteMaker) -> None:
    hangs = Hangs()
    broken: dict[str, Guard] = {"raises": Raises(), "says": Says("allow"), "hangs": Budgeted(hangs, 50)}
    with own_site() as site, site.keyed("ada.admin", "metrics") as operator:
        sound = site.assistant.guards
        for name, rail in broken.items():
            site.assistant.answerer.use(replace(sound, input=(*sound.input, rail)))
            said = ask(site, "emma.employee")
            assert (said["status"], said["reason"]) == ("failed", "guard_error")
            turn = site.assistant.turns.get(str(said["turn_id"]), "emma.employee")
            assert (turn.status, turn.reason) == ("failed", "guard_error")
            assert [v["guard"] for v in turn.verdicts if v["rule"] == "guard_error"] == [name]
        hangs.free.set()
        text = operator.get("/metrics").text
    for name, kind in {"raises": "error", "says": "error", "hangs": "timeout"}.items():
        assert f'assistant_guard_failures_total{{guard="{name}",kind="{kind}"}} 1.0' in text
    assert 'assistant_turns_total{reason="guard_error",status="failed"} 3.0' in text


@pytest.mark.slow
def test_metrics_say_what_documents_there_are_and_count_files_however_they_came(own_site: SiteMaker) -> None:
    with own_site() as site, site.keyed("ada.admin", "metrics", "documents") as client:
        uploaded = {"files": {"file": ("printers.md", TEXT)}, "data": {"metadata": json.dumps(GIVEN)}}
        assert client.post("/documents", **uploaded).status_code == 201  # type: ignore[arg-type]
        # as the Documents page does it
        ada = site.assistant.people.get("ada.admin")
        assert site.assistant.ingest.add_upload("empty.md", b"", GIVEN, ada).status == "failed"
        text = client.get("/metrics").text
        assert 'assistant_documents{state="indexed",status="approved"} 2.0' in text
        assert 'assistant_documents{state="quarantined",status="draft"} 1.0' in text
        assert 'assistant_ingested_files_total{status="quarantined"} 1.0' in text
        assert 'assistant_ingested_files_total{status="failed"} 1.0' in text
        assert client.request("DELETE", "/documents/it-printers/1").status_code == 204
        assert 'assistant_documents{state="removed",status="retired"} 1.0' in client.get("/metrics").text


def test_two_people_in_two_browsers_never_see_each_others_text(site: Site) -> None:
    seen: dict[str, str] = {}

    def browse(person: str) -> None:
        with site.signed_in(person) as client:
            for i in range(5):
                body = {"model": "assistant", "messages": [{"role": "user", "content": f"Leave? {person} asks {i}"}]}
                done = client.post("/v1/chat/completions", json=body, headers={"sec-fetch-site": "same-origin"})
                assert done.status_code == 200
                seen[person] = seen.get(person, "") + client.get("/conversations/export").text

    people = ["emma.employee", "hana.hr"]
    threads = [threading.Thread(target=browse, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "emma.employee asks 4" in seen["emma.employee"]
    assert "hana.hr asks" not in seen["emma.employee"]
    assert "emma.employee asks" not in seen["hana.hr"]


def test_a_deactivated_person_is_out_at_the_next_request(own_site: SiteMaker) -> None:
    with own_site() as site, site.signed_in("emma.employee") as client, site.keyed("emma.employee", "chat") as key:
        assert client.get("/conversations").status_code == key.get("/conversations").status_code == 200
        site.assistant.people.deactivate("emma.employee", actor="test")
        assert client.get("/conversations").status_code == key.get("/conversations").status_code == 401
        refused = client.post("/sign-in", data={"name": "emma.employee", "password": PASSWORD})
        assert refused.status_code == 401
