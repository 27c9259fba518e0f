"""A person's own page: their data to download, and to erase with what was trained on them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.audit import Audit
from core.registry import Registry, Training
from core.store import Store
from tests.browser.conftest import People, ask
from tests.core.adapters import registered
from tests.core.test_registry import dataset

pytestmark = pytest.mark.browser

SICK = "How many weeks of sick pay do I get?"


def test_a_person_downloads_and_erases_their_questions(people: People, tmp_path: Path) -> None:
    home = people.server.home
    store = Store(f"sqlite:///{home / 'assistant.db'}")
    audit = Audit(store, home)
    dataset(store, audit, "ds-elena", ("elena.rossi", "hr-sick"))
    registry = Registry(store, audit, home=home)
    name = registered(registry, audit, tmp_path, value=7.0, training=Training("ds-elena"))
    elena = people.open("elena.rossi")
    ask(elena, SICK)
    elena.goto(f"{people.server.url}/mine")
    data = elena.locator("#ea-my-data")
    expect(data).to_contain_text("1 adapter was trained on some of your questions")
    with elena.expect_download() as file:
        data.get_by_text("Download everything").click()
    kept = json.loads(file.value.path().read_text(encoding="utf-8"))
    assert SICK in {one["question"] for one in kept["turns"]}
    assert {one["person_id"] for one in kept["turns"]} == {"elena.rossi"}
    data.get_by_role("button", name="Erase my questions").click()
    expect(elena.locator("#ea-confirm")).to_contain_text("1 adapters trained on them stop serving")
    elena.get_by_role("button", name="Cancel").locator("visible=true").click()
    assert not registry.get(name).blocked
    data.get_by_role("button", name="Erase my questions").click()
    elena.locator("#ea-confirm [type=submit]").click()
    expect(elena.locator(".toast-body").last).to_contain_text(re.compile(r"\d+ questions are erased"))
    expect(data).to_contain_text("Kept of you: 0 questions")
    expect(data.get_by_role("button", name="Erase my questions")).to_have_count(0)
    assert "erased" in registry.get(name).blocked
    elena.goto(people.server.url)
    expect(elena.locator(".ea-conversation")).to_have_count(0)
