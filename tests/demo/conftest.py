"""The demo organisation as `make run` serves it: its documents, the shipped reader, the shipped guard models, every default.

The rest of the tests set a quoting reader and no guard model for speed (tests/conftest.py); here those settings are taken
away again. One start, which takes in all documents, serves every test of this package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import People, Server, chromium, opened, serving
from tests.web.serving import free_port

__all__ = ["chromium"]

ACCOUNT = re.compile(r"^([a-z]+\.[a-z]+) +([a-z0-9]+(?:-[a-z0-9]+){3,}) ", re.MULTILINE)
"""A line of the table that is printed at the first start: who may sign in, and the password."""
START_SECONDS = 570
"""Taking in 63 documents is half a minute's work for two idle cores, and many times that where the machine is shared."""


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The served demo organisation, with the passwords as they were printed."""
    home = tmp_path_factory.mktemp("demo") / "home"
    home.mkdir()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSISTANT_")}
    environment |= {
        "ASSISTANT_HOME": str(home),
        "ASSISTANT_PORT": str(port),
        "ASSISTANT_MODELS": os.environ["ASSISTANT_MODELS"],
    }
    with serving(home, ("--demo",), environment, port, patience_s=START_SECONDS) as url:
        yield Server(url, dict(ACCOUNT.findall((home / "serve.log").read_text())), home)


@pytest.fixture
def people(chromium: Browser, demo: Server) -> Iterator[People]:
    yield from opened(chromium, demo)
