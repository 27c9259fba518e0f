"""Chromium against the assistant as a person starts it: its own process, its own home, real documents and embedder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from assistant.demo import DOCUMENTS
from assistant.scripted import ScriptedModel, ScriptedServer
from tests.web.serving import free_port

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
FOLDERS = ("hr", "finance")
START_SECONDS = 240
LEAVING = ("AbortError: signal is aborted", "Connection errored out")
"""What Gradio itself logs when a person leaves the page in the middle of an answer."""
expect.set_options(timeout=20_000)

GOVERNED = """---
document_id: {document_id}
title: {title}
version: 1
owner: facilities@kestrelbay.example
department: Facilities
classification: internal
allowed_groups: [everyone]
effective: 2026-01-01
status: approved
---
# {title}

"""
POISONED = GOVERNED.format(document_id="fac-kiln", title="Kiln <script>window.hacked=1</script> rules") + (
    '## Firing <img src=x onerror="window.hacked=1">\n\n'
    "The pottery kiln is fired on Thursdays at 900 degrees <script>window.hacked=1</script>. "
    'The pottery kiln key hangs in room 4 <img src=x onerror="window.hacked=1">. '
    "The pottery kiln log is kept for 3 years ${window.hacked=1} {{#each value}}.\n"
)
SLOW_RULES = [f"Rule {n} of the loading dock says that gate {n} closes at {n + 9}:00." for n in range(1, 11)]
SLOW = GOVERNED.format(document_id="fac-dock", title="Loading dock") + "## Gates\n\n" + " ".join(SLOW_RULES) + "\n"


class Server(NamedTuple):
    url: str
    passwords: dict[str, str]
    home: Path


def start(home: Path, documents: Path, **settings: str) -> Iterator[Server]:
    """Make the demo's people, serve the documents, and wait until the assistant is ready."""
    port = free_port()
    environment = os.environ | {"ASSISTANT_HOME": str(home), "ASSISTANT_PORT": str(port)} | settings
    command = [sys.executable, "-m", "assistant"]
    made = subprocess.run([*command, "demo", "--json"], env=environment, capture_output=True, text=True, check=True)
    passwords = {row["person_id"]: row["password"] for row in map(json.loads, made.stdout.splitlines())}
    with serving(home, ("--docs", str(documents)), environment, port) as url:
        yield Server(url, passwords, home)


@contextmanager
def serving(
    home: Path, source: Sequence[str], environment: Mapping[str, str], port: int, *, patience_s: int = START_SECONDS
) -> Iterator[str]:
    """`python -m assistant serve` with these documents, from when it is ready; what it prints goes to serve.log."""
    log = home / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "assistant", "serve", *source], env=environment, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + patience_s
        while not _ready(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=30, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The assistant with the demo's people, two departments' documents and one hostile document."""
    folder = tmp_path_factory.mktemp("served")
    documents = folder / "documents"
    for name in FOLDERS:
        shutil.copytree(DOCUMENTS / name, documents / name)
    (documents / "kiln.md").write_text(POISONED, encoding="utf-8")
    (folder / "home").mkdir()
    yield from start(folder / "home", documents)


@pytest.fixture(scope="package")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An assistant whose answer model, served over HTTP, takes its time: for what happens while an answer is written."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "documents").mkdir()
    (folder / "documents" / "dock.md").write_text(SLOW, encoding="utf-8")
    (folder / "home").mkdir()
    model = ScriptedModel([" ".join(f"{rule} [1]" for rule in SLOW_RULES)], pace_s=0.08)
    with ScriptedServer(model) as served:
        yield from start(
            folder / "home",
            folder / "documents",
            MODEL_URL=served.url,
            MODEL="scripted",
            ASSISTANT_EMBEDDER_BACKEND="torch",
        )


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of this package: its driver keeps an event loop in their thread, which later tests must not find."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class People:
    """Opens browsers as people, and watches what their pages request and complain about."""

    browser: Browser
    server: Server
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    cookies: dict[str, Any] = field(default_factory=dict)

    def open(self, person: str, path: str = "/", **options: Any) -> Page:
        """A fresh browser profile in which the person is signed in, at `path`."""
        known = (self.server.url, person)
        context = self.browser.new_context(
            storage_state=self.cookies.get(str(known)),
            accept_downloads=True,
            **({"viewport": {"width": 1280, "height": 800}} | options),
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.server.url)
        self.contexts.append(context)
        page = context.new_page()
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.goto(self.server.url + path)
        if urlsplit(page.url).path == "/sign-in":
            page.fill("input[name=name]", person)
            page.fill("input[name=password]", self.server.passwords[person])
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/sign-in" not in url)
            self.cookies[str(known)] = context.storage_state()
        page.wait_for_selector(".ea-account", state="attached")
        return page

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(own in message.text for own in LEAVING):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.server.url, "data:", "blob:")):
            self.complaints.append(f"foreign request: {request.url}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()


_COOKIES: dict[str, Any] = {}


def opened(browser: Browser, server: Server) -> Iterator[People]:
    """The people of one test; at its end no page has logged an error or asked another host for anything."""
    people = People(browser, server, cookies=_COOKIES)
    yield people
    people.close()
    assert people.complaints == []


@pytest.fixture
def people(chromium: Browser, server: Server) -> Iterator[People]:
    yield from opened(chromium, server)


@pytest.fixture
def slow_people(chromium: Browser, slow_server: Server) -> Iterator[People]:
    yield from opened(chromium, slow_server)


def ask(page: Page, question: str, *, wait: bool = True) -> None:
    """Type the question, press Enter, and wait for the whole answer."""
    before = page.locator("#ea-transcript .ea-exchange").count()
    page.fill("#ea-question textarea", question)
    page.press("#ea-question textarea", "Enter")
    if wait:
        expect(page.locator("#ea-transcript .ea-exchange")).to_have_count(before + 1)
        finished(page, question)


def type_in(page: Page, field: str, text: str) -> None:
    """Replace a field's text key by key, as the pages' search fields listen for it."""
    page.locator(field).first.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    page.keyboard.type(text)


def finished(page: Page, question: str) -> None:
    """Wait until the last exchange is that question with its complete answer."""
    last = page.locator("#ea-transcript .ea-exchange").last
    expect(last.locator(".ea-bubble")).to_have_text(question)
    expect(page.locator("#ea-live .ea-live")).to_have_count(0)
    expect(last.locator(".ea-footer")).to_be_visible()


def answer(page: Page) -> str:
    """The text of the last answer."""
    return page.locator("#ea-transcript .ea-exchange").last.locator(".ea-answer").inner_text()
