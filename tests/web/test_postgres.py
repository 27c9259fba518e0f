"""A whole assistant on a real PostgreSQL server: documents, answers, sign-in, and the server going away and coming back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.audit import Audit
from core.store import Store
from tests.core.conftest import Server, server
from tests.web.conftest import Site, running_site
from tests.web.test_api import ASK, GIVEN, TEXT

__all__ = ["server"]
pytestmark = pytest.mark.postgres


def ask(site: Site, person: str) -> dict[str, object]:
    with site.keyed(person, "chat") as client:
        done = client.post("/v1/chat/completions", json=ASK)
        assert done.status_code == 200, done.text
        given: dict[str, object] = done.json()["choices"][0]["assistant"]
        return given


def test_the_main_job_runs_on_postgresql(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url = server.database("main_job")
    with running_site(home, database_url=url) as site:
        assert not (home / "assistant.db").exists()
        given = ask(site, "emma.employee")
        assert "hr-leave" in str(given["citations"])
        with site.keyed("sam.support", "documents") as support, site.keyed("ada.admin", "documents") as admin:
            done = support.post("/documents", files={"file": ("p.md", TEXT)}, data={"metadata": json.dumps(GIVEN)})
            assert done.status_code == 201, done.text
            assert support.post("/documents/it-printers/1/approve").json()["state"] == "indexed"
            found = support.post("/documents/search", json={"query": "printer jam"}).text
            assert json.loads(found.splitlines()[0])["document_id"] == "it-printers"
            assert support.post("/documents/it-printers/1/retire").json()["status"] == "retired"
            assert admin.request("DELETE", "/documents/it-printers/1").status_code == 204
            assert "it-printers" not in support.post("/documents/search", json={"query": "printer jam"}).text
        with site.signed_in("hana.hr") as client:
            assert client.get("/conversations").json() == []
        with site.signed_in("emma.employee") as client:
            assert len(client.get("/conversations?search=annual").json()) == 1
            assert client.request("DELETE", "/conversations").json() == {"deleted_turns": 1}
    with Store(url) as store:
        assert Audit(store, home).verify() == []


def test_a_server_that_goes_away_is_told_and_nothing_acknowledged_is_lost(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with (
        running_site(home, database_url=server.database("goes_away")) as site,
        site.signed_in("emma.employee") as client,
    ):
        before = ask(site, "emma.employee")
        server.stop()
        try:
            refused = client.get("/conversations")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
            page = client.get("/", headers={"accept": "text/html"})
            assert page.status_code == 503
            assert client.get("/ready").json()["store"] == "store_unavailable"
        finally:
            server.start()
        turn_id = str(before["turn_id"])
        assert site.assistant.turns.get(turn_id, "emma.employee").status == "answered"
        assert ask(site, "emma.employee")["status"] == "answered"
