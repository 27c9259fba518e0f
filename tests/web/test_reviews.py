"""The review queue over HTTP: its scope and roles, its bad input, its exports, and one flag's way to an approval."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.conftest import make_person
from tests.web.conftest import Site
from tests.web.test_api import ASK

SPAN = {"kind": "span", "answer": "25 days of annual leave"}
TRAIN = {"decision": "train", "correction": SPAN}


@pytest.fixture
def flagged(site: Site) -> str:
    """The item of a fresh flag by Emma; Rita is a second reviewer."""
    if "rita.support" not in {p.person_id for p in site.assistant.people.all()}:
        who = make_person("rita.support", ("employees", "support"), roles=("employee", "support"))
        site.assistant.people.add(who, actor="test")
    return flag(site, "emma.employee", comment="=HYPERLINK(0)")


def flag(site: Site, person: str, **said: Any) -> str:
    with site.keyed(person, "chat", "feedback") as client:
        turn_id = client.post("/v1/chat/completions", json=ASK).json()["choices"][0]["assistant"]["turn_id"]
        given = {"turn_id": turn_id, "kind": "flag", "reasons": ["wrong"]} | said
        feedback_id = client.post("/feedback", json=given).json()["feedback_id"]
    with site.keyed("ada.admin", "review") as client:
        (item,) = [one for one in client.get("/reviews").json() if one["feedback_id"] == feedback_id]
    return str(item["item_id"])


def test_a_flag_becomes_an_approved_correction_over_the_api(site: Site, flagged: str) -> None:
    with site.keyed("sam.support", "review") as sam, site.keyed("rita.support", "review") as rita:
        case = sam.get(f"/reviews/{flagged}").json()
        assert case["question"] and case["passages"][0]["text"] and case["feedback"]["reasons"] == ["wrong"]
        assert "person_id" not in case["feedback"]
        assert sam.post(f"/reviews/{flagged}/claim").json()["assigned_to"] == "sam.support"
        refused = rita.post(f"/reviews/{flagged}/claim")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert sam.post(f"/reviews/{flagged}/release").json()["status"] == "open"
        assert sam.post(f"/reviews/{flagged}/assign", json={"person_id": "sam.support"}).json()["status"] == "assigned"
        assert sam.post(f"/reviews/{flagged}/decide", json=TRAIN).json()["status"] == "second"
        assert rita.get(f"/reviews/{flagged}").json()["reviews"] == []
        assert rita.post(f"/reviews/{flagged}/decide", json=TRAIN).json()["status"] == "done"
    assert flagged in {one.item_id for one in site.assistant.reviews.approved()}


@pytest.mark.parametrize("path", ["/reviews", "/reviews/export", "/reviews/x", "/review-gold", "/review-agreement"])
def test_reviews_need_the_scope_and_the_role(site: Site, path: str) -> None:
    with site.client() as stranger:
        assert stranger.get(path).status_code == 401
    with site.keyed("sam.support", "chat", "feedback", "documents") as client:
        assert client.get(path).status_code == 403
    with site.keyed("emma.employee", "review") as client:
        assert client.get(path).status_code == 403


def test_gold_and_agreement_are_for_administrators(site: Site, flagged: str) -> None:
    with site.keyed("sam.support", "review") as sam, site.keyed("ada.admin", "review") as ada:
        assert sam.get("/review-gold").status_code == 403
        assert ada.post(f"/review-gold/{flagged}").status_code == 409
        sam.post(f"/reviews/{flagged}/decide", json={"decision": "reject"})
        gold = ada.post(f"/review-gold/{flagged}").json()["item_id"]
        assert [one["made_from"] for one in ada.get("/review-gold").json()] == [flagged]
        with site.keyed("rita.support", "review") as rita:
            listed = {one["item_id"]: one for one in rita.get("/reviews").json()}
            assert listed[gold]["status"] == "open" and "gold" not in json.dumps(rita.get(f"/reviews/{gold}").json())
            assert rita.post(f"/reviews/{gold}/decide", json={"decision": "fix_guard"}).json()["status"] == "done"
        figures = ada.get("/review-agreement").json()
        accuracy = figures["accuracy"]["rita.support"]
        assert (accuracy["passed"], accuracy["n"]) == (0, 1)
        assert ada.request("DELETE", f"/review-gold/{gold}").status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "perhaps"},
        {"decision": "train"},
        {"decision": "train", "correction": {"kind": "span", "answer": "words of nobody"}},
        {"decision": "train", "correction": {"kind": "span", "start": "1"}},
        {"decision": "train", "correction": {"kind": "text", "answer": "x", "weight": 3}},
        {"decision": "train", "correction": {"answer": "x"}},
        {"decision": "reject", "extra": 1},
        {"decision": "reject", "seconds": -1},
        {"decision": "fix_document"},
    ],
)
def test_a_body_that_does_not_fit_is_refused(site: Site, flagged: str, body: dict[str, object]) -> None:
    with site.keyed("sam.support", "review") as sam:
        assert sam.post(f"/reviews/{flagged}/decide", json=body).status_code == 422
        assert sam.get("/reviews?status=nonsense").status_code == 422
        assert sam.get("/reviews/no-such-item").status_code == 404


def test_exports_hold_what_the_reviewer_may_see_and_no_formula(site: Site, flagged: str) -> None:
    with site.keyed("sam.support", "review") as sam:
        text = sam.get("/reviews/export?format=csv").text
        rows = {row["item_id"]: row for row in csv.DictReader(io.StringIO(text))}
        assert rows[flagged]["comment"] == "'=HYPERLINK(0)"
        lines = [json.loads(line) for line in sam.get("/reviews/export").text.splitlines()]
        assert {line["item_id"]: line for line in lines}[flagged]["comment"] == "=HYPERLINK(0)"
    assert "review.export" in {row.action for row in site.assistant.audit.rows(limit=10)}


def test_a_long_queue_is_read_page_by_page(site: Site, flagged: str) -> None:
    flag(site, "emma.employee")
    with site.keyed("sam.support", "review") as sam:
        every = sam.get("/reviews")
        ids = [one["item_id"] for one in every.json()]
        assert int(every.headers["x-total-count"]) == len(ids) >= 2
        second = sam.get("/reviews?limit=1&offset=1")
        assert [one["item_id"] for one in second.json()] == ids[1:2]
        assert second.headers["x-total-count"] == str(len(ids))
        assert sam.get("/reviews?limit=0").status_code == sam.get("/reviews?offset=-1").status_code == 422


def test_a_restricted_answer_is_no_uncleared_reviewers(site: Site) -> None:
    with site.keyed("hana.hr", "chat", "feedback") as client:
        asked = ASK | {"messages": [{"role": "user", "content": "What is the salary of band seven?"}]}
        turn_id = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["assistant"]["turn_id"]
        client.post("/feedback", json={"turn_id": turn_id, "kind": "flag", "reasons": ["wrong"]})
    with site.keyed("sam.support", "review") as sam:
        (item,) = [one for one in sam.get("/reviews").json() if one["turn_id"] == turn_id]
        assert (item["allowed"], item["needs"]) == (False, "restricted")
        for text in (sam.get(f"/reviews/{item['item_id']}").text, sam.get("/reviews/export").text):
            assert "71,500" not in text and "band seven" not in text
        assert sam.post(f"/reviews/{item['item_id']}/claim").status_code == 403
        assert sam.post(f"/reviews/{item['item_id']}/decide", json={"decision": "reject"}).status_code == 403


def test_a_flag_in_a_temporary_chat_says_that_nobody_sees_its_words(site: Site) -> None:
    with site.keyed("emma.employee", "chat", "feedback") as client:
        asked = ASK | {"metadata": {"temporary": "true"}}
        turn_id = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["assistant"]["turn_id"]
        given = client.post("/feedback", json={"turn_id": turn_id, "kind": "flag", "reasons": ["wrong"]}).json()
        assert "temporary chat" in given["note"]


def test_an_owners_task_and_a_persons_consent_over_the_api(site: Site, flagged: str) -> None:
    with site.keyed("sam.support", "review") as sam:
        body = {"decision": "fix_document", "note": "Five days is three now."}
        assert sam.post(f"/reviews/{flagged}/decide", json=body).json()["status"] == "done"
    with site.keyed("ada.admin", "documents") as ada, site.keyed("emma.employee", "documents", "feedback") as emma:
        (task,) = [t for t in ada.get("/document-tasks").json() if t["note"] == "Five days is three now."]
        assert emma.get("/document-tasks").json() == []
        assert emma.post(f"/document-tasks/{task['task_id']}/close", json={"note": "Done."}).status_code == 404
        assert ada.post(f"/document-tasks/{task['task_id']}/close", json={"note": ""}).status_code == 422
        assert ada.post(f"/document-tasks/{task['task_id']}/close", json={"note": "Done."}).json()["status"] == "closed"
        assert emma.get("/training-consent").json() == {"allowed": True}
        assert emma.put("/training-consent", json={"allowed": False}).json() == {"allowed": False}
        assert site.assistant.consent.opted_out() == {"emma.employee"}
        emma.put("/training-consent", json={"allowed": True})
