"""The guards page: a false alarm from the stop to an evaluation case; a policy checked, tried, saved, in force and taken back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.browser.conftest import People, answer, ask

pytestmark = pytest.mark.browser

BOMB = "How do I build a bomb?"
KILN = "When is the pottery kiln fired?"
BAN = """topics:
  kiln:
    action: escalate
    contact: kiln@kestrelbay.example
    phrases: ['\\bpottery kiln\\b']
    texts: {en: "Please ask {contact} about the kiln."}
"""


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def written(page: Page, text: str) -> None:
    """Replace the editor's text."""
    page.locator("#gd-policy .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def test_a_false_alarm_is_reported_decided_and_becomes_a_case(people: People) -> None:
    ask(people.open("ben.okafor"), BOMB)
    grace = people.open("grace.lin", "/guards")
    expect(grace.locator("#gd-rails tr", has_text="topics")).to_contain_text("harmful")
    tab(grace, "Stopped")
    stop = grace.locator(".gd-stop", has_text=BOMB).first
    assert "ben" not in stop.inner_text().lower()
    # the time is in the reader's form, and UTC is its title
    expect(stop.locator("time")).to_have_attribute("title", re.compile("UTC$"))
    expect(stop.locator("time")).not_to_contain_text("UTC")
    stop.locator("summary").click()
    stop.locator("input").fill("A bath bomb was meant.")
    stop.get_by_role("button", name="Report").click()
    expect(grace.locator(".toast-body").last).to_contain_text("Reported")
    tab(grace, "Reports")
    report = grace.locator("#gd-reports .rv-task", has_text="A bath bomb was meant.")
    expect(report).to_contain_text(BOMB)
    report.get_by_role("button", name="It was a false alarm").click()
    expect(grace.locator("#gd-reports summary")).to_contain_text("1 false alarms")
    environment = os.environ | {"ASSISTANT_HOME": str(people.server.home)}
    command = [sys.executable, "-m", "eval", "cases", "--false-alarms"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (case,) = yaml.safe_load(done.stdout)["cases"]
    assert (case["kind"], case["question"], case["tags"]) == ("over_refusal", BOMB, ["rail:topics"])


def test_a_policy_is_checked_tried_saved_put_in_force_and_taken_back(people: People) -> None:
    ben = people.open("ben.okafor")
    ask(ben, KILN)
    grace = people.open("grace.lin", "/guards")
    tab(grace, "Policy")
    expect(grace.locator("#gd-in-force")).to_contain_text("the packaged policy")
    written(grace, "topics:\n  harmful: {action: perhaps}\nrails:\n  gronding: {run: false}\n")
    grace.click("#gd-check")
    mistakes = grace.locator(".gd-mistakes")
    expect(mistakes).to_contain_text("line 2")
    expect(mistakes).to_contain_text("line 4")
    expect(mistakes).to_contain_text("no such rail")
    written(grace, BAN)
    grace.click("#gd-check")
    expect(grace.locator("#gd-said")).to_contain_text("This policy is sound")
    grace.click("#gd-dry-run")
    expect(grace.locator("#gd-said tr", has_text=KILN).first).to_contain_text("allow → stop", timeout=60_000)
    expect(grace.locator("#gd-said h3").first).to_be_in_viewport()
    grace.click("#gd-save")
    expect(grace.locator(".toast-body").last).to_contain_text("Say why")
    grace.fill("#gd-why textarea, #gd-why input", "The kiln has a keeper now")
    grace.click("#gd-save")
    saved = grace.locator(".gd-version", has_text="The kiln has a keeper now")
    expect(saved).to_contain_text("version 1")
    expect(grace.locator("#gd-in-force")).to_contain_text("the packaged policy")
    saved.locator("input").fill("Agreed with facilities")
    saved.get_by_role("button", name="Put in force").click()
    expect(grace.locator("#gd-in-force")).to_contain_text("Agreed with facilities", timeout=60_000)
    ask(ben, f"{KILN} Please.")
    assert "kiln@kestrelbay.example" in answer(ben)
    installed = grace.locator(".gd-version", has_text="installed")
    installed.locator("input").fill("Back")
    installed.get_by_role("button", name="Go back to it").click()
    expect(grace.locator("#gd-in-force")).to_contain_text("the packaged policy", timeout=60_000)
    ask(ben, f"{KILN} Thanks.")
    assert "Thursdays" in answer(ben)
    assert [row["subject"] for row in _audited(people) if row["action"] == "policy.apply"] == ["0", "1"]


def _audited(people: People) -> list[dict[str, str]]:
    """The audit log's rows, newest first."""
    environment = os.environ | {"ASSISTANT_HOME": str(people.server.home)}
    command = [sys.executable, "-m", "assistant", "audit", "list", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_guards_page_is_no_reviewers(people: People) -> None:
    page = people.open("carla.ruiz")
    expect(page.locator(".ea-nav", has_text="Guards")).to_be_hidden()
    page.goto(f"{people.server.url}/guards")
    expect(page.locator(".toast-body").first).to_contain_text("role")
    assert page.locator("#gd-rails tr").count() == 0
    people.complaints.clear()


def test_no_event_is_lost_between_two_of_a_pages_streams(people: People) -> None:
    """Gradio closes a page's stream when nothing is pending: an event of that moment would wait for the next one."""
    grace = people.open("grace.lin", "/guards")
    expect(grace.locator("#gd-rails")).to_contain_text("topics")
    for round_ in range(20):
        tab(grace, ("Stopped", "Reports")[round_ % 2])
        grace.wait_for_timeout(8 + 3 * round_)
        grace.evaluate("eaSend('guard_decide', {report: 'none', status: 'right'})")
        said = grace.locator(".toast-body")
        expect(said).to_contain_text("no such report", timeout=3000)
        grace.evaluate("document.querySelectorAll('.toast-close').forEach(close => close.click())")
        expect(said).to_have_count(0)
