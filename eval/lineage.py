"""What a result depends on: two runs of the same lineage ask the same things of the same thing, and so may share results."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from assistant.prompt import TEMPLATE_SHA256
from core.sealed import file_sha256
from core.settings import Settings
from eval.cases import Suite
from eval.systems import System
from eval.worlds import World
from retrieval.adapters import adapter_folder, open_adapter

ROOT = Path(__file__).resolve().parents[1]
CODE = ("assistant", "core", "eval", "guardrails", "retrieval")
CODE_FILES = (".py", ".yaml", ".yml", ".co", ".json")
PACKAGES = (
    "enterprise-assistant",
    "langchain-core",
    "langchain-openai",
    "langchain-qdrant",
    "nemoguardrails",
    "numpy",
    "openvino",
    "peft",
    "presidio-analyzer",
    "qdrant-client",
    "qdrant-edge-py",
    "scipy",
    "sentence-transformers",
    "torch",
    "transformers",
)
UNSAID = frozenset(
    [
        "model",
        "reader",
        "home",
        "host",
        "port",
        "public_url",
        "log_level",
        "otlp_endpoint",
        "database_url",
        "qdrant_url",
        "qdrant_api_key",
        "qdrant_collection",
        "pseudonym_key",
        "models",
        "model_url",
        "model_api_key",
        "model_timeout_s",
        "model_adapters",
        "reconcile_s",
        "canary_every_s",
        "max_upload_mb",
        "session_hours",
        "sign_in_per_minute",
        "tracking_url",
        "retrain_after",
        "retrain_schedule",
        "retrain_config",
        "retrain_suite",
        "retrain_gate",
    ]
)
"""Settings that change no answer, that are secrets or addresses, or that name the adapter, which stands on its own; the sign-in provider's are left out by their prefix."""


@dataclass(frozen=True)
class Lineage:
    """Everything that an answer or its score follows from.

    Attributes:
        cases: case id to its hash, of the cases asked.
        guard_policy_sha256: of the policy in force, the guards' source and the settings.
        code_sha256: of the program's source, whether it is committed or not; `code_revision` is git's name for it.
        asked_on: the day that counts for effective and expiry dates.
        reranker_sha256: of the adapter that orders what was found, "" for none.
        judge: the model whose opinion stands beside the scores, "" for none.
    """

    suite: str
    suite_sha256: str
    cases: Mapping[str, str]
    system: str
    adapter: str
    adapter_sha256: str
    base: str
    template_sha256: str
    index_version: str
    guard_policy_sha256: str
    settings: Mapping[str, str]
    code_revision: str
    code_sha256: str
    packages: Mapping[str, str]
    seed: int
    asked_on: str
    reranker_sha256: str = ""
    judge: str = ""

    @property
    def run_id(self) -> str:
        """Names the run: equal for equal lineages. A commit that changes no source changes nothing here."""
        said = {name: value for name, value in asdict(self).items() if name != "code_revision"}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, object]:
        return {"run_id": self.run_id, **asdict(self)}


def lineage_of(suite: Suite, world: World, system: System, *, seed: int, judge: str = "") -> Lineage:
    """The lineage of putting those cases to that system."""
    settings = {name: _said(value) for name, value in _telling(world.assistant.settings).items()}
    guards = [_sources(["guardrails"]), world.assistant.guards.policy_sha256]
    return Lineage(
        suite=suite.name,
        suite_sha256=suite.sha256,
        cases={case.case_id: case.sha256 for case in suite.cases},
        system=system.name,
        adapter=system.adapter,
        adapter_sha256=system.adapter_sha256,
        base=system.base,
        template_sha256=TEMPLATE_SHA256,
        index_version=world.index_version,
        guard_policy_sha256=hashlib.sha256(json.dumps([guards, settings]).encode()).hexdigest(),
        settings=settings,
        code_revision=code_revision(),
        code_sha256=_sources(CODE),
        packages=packages(),
        seed=seed,
        asked_on=world.today.isoformat(),
        reranker_sha256=_reranker_sha256(world.assistant.settings),
        judge=judge,
    )


def _reranker_sha256(settings: Settings) -> str:
    if not settings.reranker:
        return ""
    return open_adapter(adapter_folder(settings.home, settings.reranker), "reranker").sha256


@cache
def code_revision() -> str:
    """git's commit, with `+changes` where the tree differs from it; "" where there is no git or no checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def packages() -> dict[str, str]:
    """Versions of the libraries that an answer passes through; those that are missing are left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _said(value: object) -> str:
    """A setting as the lineage keeps it: of a file or folder (a policy, a glossary, a model) what it holds, whatever its name."""
    if not isinstance(value, Path):
        return str(value)
    return _held_by(value.rglob("*") if value.is_dir() else [value], value)


def _telling(settings: Settings) -> dict[str, object]:
    return {
        name: getattr(settings, name)
        for name in type(settings).model_fields
        if name not in UNSAID and not name.startswith("oidc_")
    }


def _sources(names: Sequence[str]) -> str:
    """Hash of the packages' source files by path, without the evaluation cases, whose hashes stand on their own."""
    files = (file for package in names for file in (ROOT / package).rglob("*"))
    source = (f for f in files if f.suffix in CODE_FILES and "suites" not in f.relative_to(ROOT).parts)
    return _held_by(source, ROOT)


def _held_by(files: Iterable[Path], under: Path) -> str:
    """Hash of what the files hold, by their paths under a folder."""
    said = [[one.relative_to(under).as_posix(), file_sha256(one)] for one in sorted(files) if one.is_file()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
