"""A whole assistant, served on the loopback: real store, index, guards and pages, a scripted model, a few documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import pytest
from argon2 import PasswordHasher

from assistant.bootstrap import Assistant, build
from assistant.scripted import ScriptedModel
from assistant.web.api_keys import ApiKeys
from assistant.web.app import create_app
from assistant.web.passwords import Accounts
from core.people import People
from core.settings import Settings
from retrieval.embed import HashEmbedder
from tests.conftest import GROUPS, make_person
from tests.web.serving import served

PASSWORD = "a-long-test-password"
TOKEN = "local-test-token"
ASK = "How many days of annual leave are there?"
FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)

LEAVE = """---
document_id: hr-leave
title: Annual leave
version: 1
owner: people@kestrelbay.example
department: HR
classification: internal
allowed_groups: [employees]
denied_groups: [contractors]
effective: 2026-01-01
status: approved
---
# Annual leave

## Days of leave

Every employee has 25 days of annual leave a year. Up to 5 days of annual leave carry over until 31 March.
"""
PAY = """---
document_id: hr-pay
title: Salary bands
version: 1
owner: people@kestrelbay.example
department: HR
classification: restricted
allowed_groups: [hr]
effective: 2026-01-01
status: approved
---
# Salary bands

## Band seven

The salary of band seven starts at 71,500 pounds a year. The salary bands are reviewed every April.
"""


@dataclass(frozen=True)
class Site:
    """A served assistant and the ways of asking it."""

    url: str
    assistant: Assistant
    model: ScriptedModel
    accounts: Accounts

    def client(self, **options: object) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, trust_env=False, timeout=30, **options)  # type: ignore[arg-type]

    @contextmanager
    def signed_in(self, person: str, **options: object) -> Iterator[httpx2.Client]:
        with self.client(**options) as client:
            done = client.post("/sign-in", data={"name": person, "password": PASSWORD}, follow_redirects=False)
            assert done.status_code == 303, done.text
            yield client

    def key(self, person: str, *scopes: str) -> str:
        return ApiKeys(self.assistant.store, self.assistant.audit).add(person, scopes, name="", actor="test")[0]

    @contextmanager
    def keyed(self, person: str, *scopes: str) -> Iterator[httpx2.Client]:
        with self.client(headers={"authorization": f"Bearer {self.key(person, *scopes)}"}) as client:
            yield client


def add_everybody(people: People, password_hash: str) -> None:
    people.add_groups(dict.fromkeys(GROUPS, ""), actor="test")
    for who in (
        make_person("emma.employee"),
        make_person("carl.contractor", groups=("contractors",)),
        make_person("hana.hr", groups=("employees", "hr"), clearance="restricted"),
        make_person("sam.support", groups=("employees", "support"), roles=("employee", "support")),
        make_person("ada.admin", groups=("it",), roles=("employee", "support", "admin")),
    ):
        people.add(who, actor="test", password_hash=password_hash)


@contextmanager
def running_site(home: Path, model: ScriptedModel | None = None, **settings: object) -> Iterator[Site]:
    chosen = Settings(
        home=home,
        reranker="",
        evidence_threshold=0,
        low_evidence=0,
        sign_in_per_minute=1000,
        max_upload_mb=2,
        **settings,  # type: ignore[arg-type]
    )
    documents = home.parent / "documents"
    documents.mkdir(exist_ok=True)
    (documents / "leave.md").write_text(LEAVE)
    (documents / "pay.md").write_text(PAY)
    model = model or ScriptedModel()
    with build(chosen, answer_model=model, embedder=HashEmbedder()) as assistant:
        accounts = Accounts(assistant.people, assistant.audit, per_minute=1000, hasher=FAST)
        add_everybody(assistant.people, accounts.hash(PASSWORD))
        results = list(assistant.ingest.run([documents], actor="test"))
        assert [r.status for r in results] == ["indexed", "indexed"], results
        with served(create_app(assistant, local_token=TOKEN, accounts=accounts)) as url:
            yield Site(url, assistant, model, accounts)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Shared by the tests of one file, which therefore leave the documents as they found them."""
    home = tmp_path_factory.mktemp("site") / "home"
    home.mkdir()
    with running_site(home) as running:
        yield running


SiteMaker = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def own_site(tmp_path: Path) -> SiteMaker:
    """Makes a site of the test's own, with the model and the settings that it names."""
    home = tmp_path / "home"
    home.mkdir()
    return lambda **chosen: running_site(home, **chosen)


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    """The official client, as an employee."""
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("emma.employee", "chat"), max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, text: str = ASK, **more: object) -> openai.types.chat.ChatCompletion:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="assistant", messages=messages, **more)  # type: ignore[call-overload, no-any-return]
