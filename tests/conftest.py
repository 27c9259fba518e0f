"""Fixtures that every test may use: a home folder, a store on a temporary SQLite file, and a few people."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.audit import Audit
from core.offline import go_quiet
from core.people import People
from core.records import Classification, Principal, Role
from core.store import Store

go_quiet()
# The embedding model is prepared once a checkout, not once a home; tests/test_nothing_phones_home.py prepares its own.
os.environ.setdefault("ASSISTANT_MODELS", str(Path(__file__).parents[1] / ".run" / "models"))
# Quotations need no adapter to be compiled; the tests that read name theirs.
os.environ.setdefault("ASSISTANT_READER", "quote")
os.environ.setdefault("ASSISTANT_GUARD_MODEL", "")

GROUPS = (
    "employees",
    "contractors",
    "hr",
    "finance",
    "it",
    "security",
    "support",
    "legal",
    "managers",
    "spain",
    "germany",
)


SHARED = ("tests/vllm", "tests/browser", "tests/demo")
"""Folders whose tests share servers that take long to start: one process runs all of such a folder."""
LONGEST = (
    "tests/vllm",
    "tests/training/test_workflow.py",
    "tests/browser",
    "tests/test_nothing_phones_home.py",
    "tests/assistant/test_swaps.py",
    "tests/test_loop.py",
    "tests/training/test_dataset.py",
    "tests/training/test_reader.py",
    "tests/demo",
    "tests/training",
    "tests/eval",
)
"""What runs first where several processes run the tests, so that none is left alone with an hour's work at the end."""


def group_of(nodeid: str) -> str:
    """The tests that stay together in one process: those of a file, or of a folder that shares its servers."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in SHARED if file.startswith(f"{folder}/")), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand groups to the processes. pytest-xdist's own marks for groups (3.8) are lost on pytest 9.2: a test's id cannot be changed."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return

    def place(item: pytest.Item) -> int:
        return next((n for n, begins in enumerate(LONGEST) if item.nodeid.startswith(begins)), len(LONGEST))

    items.sort(key=place)


ENDED: list[int] = []
"""The exit status, once the session has ended."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    ENDED.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process as `assistant serve` does where native threads are left (assistant/stopping.py).

    A hundred threads of torch, OpenVINO and Qdrant Edge outlive the tests; one that is in its library while the interpreter takes
    itself apart has ended a run of 2,814 passed tests with a segmentation fault. By now all is told and written.
    """
    if ENDED and not hasattr(config, "workerinput"):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ENDED[-1])


def make_person(
    person_id: str,
    groups: tuple[str, ...] = ("employees",),
    clearance: Classification = "internal",
    roles: tuple[Role, ...] = ("employee",),
) -> Principal:
    email = f"{person_id}@kestrelbay.example"
    return Principal(
        person_id, person_id.replace(".", " ").title(), email, frozenset(groups), clearance, frozenset(roles)
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite file at the current schema, to be copied: migrating one for each test takes seven times as long."""
    file = tmp_path_factory.mktemp("migrated") / "assistant.db"
    Store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def store(home: Path, migrated: Path) -> Iterator[Store]:
    shutil.copy(migrated, home)
    with Store(f"sqlite:///{home / 'assistant.db'}") as opened:
        yield opened


@pytest.fixture
def audit(store: Store, home: Path) -> Audit:
    return Audit(store, home)


@pytest.fixture
def people(store: Store, audit: Audit) -> People:
    """Known groups, an employee, a contractor, a cleared HR partner, a support reviewer and an admin."""
    known = People(store, audit)
    known.add_groups(dict.fromkeys(GROUPS, ""), actor="test")
    for who in (
        make_person("emma.employee"),
        make_person("carl.contractor", groups=("contractors",)),
        make_person("hana.hr", groups=("employees", "hr"), clearance="restricted"),
        make_person(
            "sam.support", groups=("employees", "support"), clearance="confidential", roles=("employee", "support")
        ),
        make_person(
            "ada.admin", groups=("employees", "it"), clearance="restricted", roles=("employee", "support", "admin")
        ),
    ):
        known.add(who, actor="test")
    return known
