"""One training run, from a checked configuration to a registered adapter; its lineage on every way.

    run = prepare(config, here)                     dataset verified, code known, folder named by all that goes in
    done = train(run, here.settings, progress)      goes on from the last checkpoint of the same folder
    record = register(run, done, registry, actor=...)

A run's folder is `training/KEY` of the home folder, where KEY is the hash of configuration, dataset, parent and code: the same
inputs are the same run, whoever starts it again. `python -m training run` is training/run_command.py.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from safetensors import SafetensorError

from assistant.bases import open_registry
from assistant.console import Opened
from core.datasets import DatasetRecord, Datasets
from core.errors import BadInput, Conflict, StoreUnavailable
from core.provenance import Code, hardware, require_clean, versions
from core.records import AdapterRecord
from core.registry import NAME, Registry, Training
from core.run_config import PretrainConfig, RunConfig
from core.sealed import CARD, MANIFEST, Sealed, named, open_sealed, seal
from core.settings import Settings
from training.dataset_manifest import verify
from training.recipe import RECIPES, Progress, Recipe, Step, read_documents, read_scores
from training.rows import Rows, read_rows
from training.run_card import run_card
from training.tracking import Tracking

CODE: Final = ("training", "assistant", "retrieval", "core")
PACKAGES: Final = (
    "accelerate", "enterprise-assistant", "numpy", "openvino", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl",
)  # fmt: skip
FOLDER: Final = "training"
DONE: Final = "done.json"
"""Written last: what came out of a run."""
_UNWRITABLE = re.compile(
    r"PytorchStreamWriter|unexpected pos|file write failed|I/O error|[Nn]o space|too large", re.ASCII
)


@dataclass(frozen=True)
class Run:
    """All that goes into a training.

    Attributes:
        dataset: None for a recipe that reads documents.
        parent: the registered adapter that it goes on from, "" for none.
        given: the configuration as the recipe gets it, with places of this machine; `config` has none.
        key: the hash of it all; `folder` has its name.
    """

    config: RunConfig
    given: RunConfig
    dataset: DatasetRecord | None
    rows: Rows
    parent: str
    code: Code
    key: str
    folder: Path

    @property
    def config_sha256(self) -> str:
        return _sha256(self.config.model_dump(mode="json"))

    def lineage(self) -> dict[str, str]:
        """Where the run comes from, flat; without a time or a machine, so that equal runs say the same."""
        return {
            "method": self.config.method,
            "config_sha256": self.config_sha256,
            "dataset_id": self.dataset.dataset_id if self.dataset else "",
            "dataset_sha256": self.rows.dataset_sha256,
            "parent": self.parent,
            "code_revision": self.code.revision,
            "code_sha256": self.code.sha256,
            "seed": str(self.config.seed),
            **{f"package.{name}": version for name, version in versions(PACKAGES).items()},
        }


@dataclass(frozen=True, slots=True)
class Done:
    """What came out of a run: the run's folder by its name, in it the recipe's sealed one, what was measured, and how long it took."""

    folder: str
    adapter: str
    adapter_sha256: str
    scores: Mapping[str, float]
    run_id: str
    seconds: float


def prepare(config: RunConfig, here: Opened, *, allow_dirty: bool = False) -> Run:
    """Everything that is checked before anything is loaded.

    Raises:
        BadInput: no dataset is named, it does not verify, or has too few rows; with the reason. NotFound: there is none.
        Conflict: the source tree differs from its commit, and that is not allowed; or rows of the dataset may not be trained on any
            more, as of somebody who was erased or has opted out since it was built.
    """
    code = _code()
    if not allow_dirty:
        require_clean(code)
    dataset, rows = _rows(config, here)
    registry = open_registry(here.settings, here.store, here.audit)
    parent, given = _parent(config, registry)
    said = [config.model_dump(mode="json"), rows.dataset_sha256, parent, code.sha256]
    key = _sha256(said)[:12]
    return Run(config, given, dataset, rows, parent, code, key, here.settings.home / FOLDER / key)


def train(run: Run, settings: Settings, progress: Progress, *, aside: str = "") -> Done:
    """Train and leave the sealed adapter in the run's folder; what is finished already is only verified.

    Args:
        aside: where another process holds the folder, as a worker that sleeps and was replaced: go on in a copy of this name.

    Raises:
        BadInput: too few rows for the recipe. Conflict: another process trains this very run, and no `aside` is given.
        StoreUnavailable: the disk is full; the next call goes on from the last checkpoint.
    """
    with ExitStack() as stack:
        run = _entered(run, stack, aside)
        if finished := _finished(run):
            return finished
        recipe = cast(Recipe, importlib.import_module(RECIPES[run.config.method]))
        with _writable(run.folder):
            tracking = Tracking(settings, name=run.config.name, key=run.key, params=_params(run))
            began = time.monotonic()

            def told(step: Step) -> None:
                tracking.step(step)
                progress(step)

            try:
                sealed = open_sealed(recipe.train(run.given, run.rows, run.folder, told))
            except BadInput:
                tracking.finish({}, {}, status="FAILED")
                raise
            seconds = round(time.monotonic() - began, 1)
            scores = read_scores(run.folder)
            done = Done(run.folder.name, sealed.folder.name, sealed.sha256, scores, tracking.run_id, seconds)
            _write(run.folder / DONE, asdict(done))
        tracking.finish({**scores, "seconds": seconds}, {"content_sha256": sealed.content_sha256})
        return done


def register(run: Run, done: Done, registry: Registry, *, actor: str) -> AdapterRecord:
    """Name the adapter by its version and content, and register it as `dev`; what is registered already is returned as it is.

    Raises:
        AdapterRefused: the folder does not verify. Conflict: the parent was blocked meanwhile, or what it was trained on may not be
            trained on any more, as of somebody who was erased.
        StoreUnavailable: the disk is full; nothing of it is registered.
    """
    sealed = open_sealed(run.folder.with_name(done.folder) / done.adapter)
    if known := _same_content(registry, run.config.name, sealed):
        return known
    training = Training(
        dataset_id=run.dataset.dataset_id if run.dataset else None,
        run_id=done.run_id,
        parent=run.parent,
        ceiling=run.rows.ceiling,
        documents=read_documents(run.folder.with_name(done.folder)),
    )
    what = f"{run.dataset.rows} rows of {run.dataset.dataset_id}" if run.dataset else "documents"
    reason = f"{run.config.method} on {what}, config {run.config_sha256[:12]}, run {run.key}"
    with _writable(run.folder):
        place = _named(run, done, sealed, registry.next_version(run.config.name))
        record = registry.register(place, actor=actor, training=training, reason=reason)
        shutil.rmtree(place, ignore_errors=True)
    return record


@cache
def _code() -> Code:
    """As this process has loaded it: what changes on disk meanwhile is another process's."""
    return Code.read(CODE)


def _rows(config: RunConfig, here: Opened) -> tuple[DatasetRecord | None, Rows]:
    if isinstance(config, PretrainConfig) and not config.dataset:
        from training.causal_documents import read_library

        library = read_library(config, here, datetime.now(UTC).date())
        return None, Rows((), dataset_sha256=library.sha256, ceiling=config.clearance)
    if not config.dataset:
        raise BadInput(
            "Name the dataset to train on: --dataset ID, or `dataset: ID` in the file. List them with: python -m training dataset show"
        )
    datasets = Datasets(here.store, here.audit)
    record = datasets.get(Path(config.dataset).name)
    problems = verify(here.settings.home, record, datasets.lineage(record.dataset_id))
    if problems:
        first = problems[0]
        where = f"{first.where}:{first.line}" if first.line else first.where
        more = f", and {len(problems) - 1} more problems" if len(problems) > 1 else ""
        raise BadInput(
            f"{record.dataset_id} is not as it was built: {where} {first.problem}{more}. Nothing is trained on it; see "
            f"python -m training dataset verify {record.dataset_id}, and build it again."
        )
    datasets.require_kept(record.dataset_id)
    training, validation = read_rows(here.settings.home / record.folder)
    if len(training) < config.least_rows:
        raise BadInput(
            f"{record.dataset_id} has {len(training)} rows to train on, and at least {config.least_rows} are needed: review more "
            "answers, or lower least_rows."
        )
    return record, Rows(training, validation, record.dataset_id, record.sha256, record.ceiling)


def _parent(config: RunConfig, registry: Registry) -> tuple[str, RunConfig]:
    """The registered adapter that the run goes on from, and the configuration with its folder."""
    start = str(getattr(config, "start", ""))
    if not start or registry.find(start) is None:
        return "", config
    return start, config.model_copy(update={"start": str(registry.verified(start).folder)})


def _params(run: Run) -> dict[str, str]:
    config = {f"config.{name}": str(value) for name, value in run.config.model_dump(mode="json").items()}
    counts = {"rows": str(len(run.rows.training)), "validation_rows": str(len(run.rows.validation))}
    return run.lineage() | config | counts | {f"hardware.{name}": value for name, value in hardware().items()}


def _finished(run: Run) -> Done | None:
    """What an earlier call finished, where it still verifies."""
    try:
        done = Done(**json.loads((run.folder / DONE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return done if open_sealed(run.folder / done.adapter).sha256 == done.adapter_sha256 else None


def _entered(run: Run, stack: ExitStack, aside: str) -> Run:
    """The run, alone in its folder until the stack closes, or in a copy of it."""
    try:
        stack.enter_context(_alone(run.folder))
        return run
    except Conflict:
        if not aside:
            raise
    copy = run.folder.with_name(f"{run.key}.{aside}")
    shutil.copytree(run.folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lock", "*.tmp"))
    stack.enter_context(_alone(copy))
    return replace(run, folder=copy)


def _same_content(registry: Registry, stem: str, sealed: Sealed) -> AdapterRecord | None:
    for record in registry.all():
        match = NAME.fullmatch(record.adapter_id)
        alike = match and match["stem"] == stem and match["hash"] == sealed.content_sha256[:8]
        if alike and registry.verified(record.adapter_id).content_sha256 == sealed.content_sha256:
            return record
    return None


def _named(run: Run, done: Done, sealed: Sealed, version: int) -> Path:
    """The adapter once more, with its card, under a name that says its version and content."""
    part = run.folder / "named"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(sealed.folder, part)
    (part / MANIFEST).unlink()
    base = (sealed.base, sealed.base_sha256)
    name = named(part, stem=run.config.name, version=version, kind=sealed.kind, base=base, settings=sealed.settings)
    card = run_card(name, run.config, run.rows, run.lineage(), done.scores)
    (part / CARD).write_text(card, encoding="utf-8")
    seal(part, adapter_id=name, kind=sealed.kind, base=base, settings=sealed.settings)
    return part


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"Another process trains this very run ({folder.name}): wait until it has finished."
            ) from None
        yield


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Says in one line that the disk is full, in whichever library's words it came."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not isinstance(error, OSError) and not _UNWRITABLE.search(str(error)):
            raise
        raise StoreUnavailable(
            f"The run cannot be written to {folder}: free some space and give the command again; it goes on from its last "
            "checkpoint."
        ) from None


def _write(path: Path, fields: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _sha256(said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
