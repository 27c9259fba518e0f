"""The rollback drill: people ask all the time, a new adapter is promoted and rolled back, and the way back is timed.

    python -m assistant rollout drill --as ana.admin --askers 16

It runs in a home folder of its own with a few documents of its own, so nobody is served by it; the adapters, the models and the
settings are those of this installation. Timed is the way from the call to the first finished answer by the old adapter.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from assistant.askers import Askers, office
from assistant.bootstrap import Assistant, build
from assistant.models import QUOTING
from assistant.reader import DEFAULT
from core.errors import BadInput, ModelUnavailable
from core.settings import Settings
from core.standing import Standing
from retrieval.adapters import adapter_folder
from retrieval.embed import Embedder

ACTOR = "drill"


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill measured.

    Attributes:
        n: answers in all. failed: of them, those that failed, and what was raised instead of an answer.
        wrong: answers by the new adapter that began when the rollback was committed already, or by the old one before it.
        rollback_ms: until the rollback was committed.
        seconds: from the call of the rollback to the end of the first answer by the old adapter.
    """

    old: str
    new: str
    askers: int
    n: int
    failed: int
    wrong: int
    rollback_ms: float
    seconds: float


def drill(settings: Settings, old: str, new: str, *, askers: int, embedder: Embedder | None = None) -> Drilled:
    """Promote `new` over `old` and roll it back under load.

    Args:
        old, new: adapters of the embedded reader, of the home folder or shipped; `old` may be the quoting model.

    Raises:
        BadInput: they are the same, nobody asks, or a model server answers. NotFound, AdapterRefused: one of them.
        ModelUnavailable: the new adapter did not come into service.
    """
    if settings.model_url:
        raise BadInput("The drill measures the embedded reader: run it with MODEL_URL and MODEL unset.")
    if old == new or new == QUOTING:
        raise BadInput(f"Name two adapters, an --old one and a --new one that is no {QUOTING}.")
    if askers < 1:
        raise BadInput("--askers is a number of people, at least 1.")
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        home = Path(name) / "home"
        for one in {old, new} - {QUOTING}:
            shutil.copytree(adapter_folder(settings.home, one), home / "adapters" / one)
        with build(_alone(settings, home, old), embedder=embedder) as assistant:
            questions = office(assistant, Path(name) / "documents")
            assistant.registry.register_shipped(home / "adapters" / new, reason="the drill")
            with Askers(assistant, questions, count=askers) as load:
                return _measured(assistant, load, (old, new), askers)


def chosen(standing: Standing | None, old: str, new: str) -> tuple[str, str]:
    """The two adapters of a drill: those named, else who is in production and who was before, or what is shipped."""
    row = standing.rollout if standing else None
    known = [row.production, *(standing.earlier if standing else ()), row.base] if row else []
    names = list(dict.fromkeys([*known, DEFAULT, QUOTING]))
    new = new or next(name for name in names if name not in (QUOTING, old))
    return old or next(name for name in names if name != new), new


def _alone(settings: Settings, home: Path, reader: str) -> Settings:
    """The same settings on a home folder of its own."""
    inside = {
        "home": home,
        "models": settings.models_folder,
        "reader": "quote" if reader == QUOTING else reader,
        "database_url": "",
        "qdrant_url": "",
        "otlp_endpoint": "",
        "policy": None,
    }
    return settings.model_copy(update=inside)


def _measured(assistant: Assistant, load: Askers, names: tuple[str, str], askers: int) -> Drilled:
    (old, new), rollouts = names, assistant.rollouts
    _require(load.until(lambda: load.answered_by(old) >= askers), old)
    rollouts.promote(new, actor=ACTOR, reason="the drill")
    _require(load.until(lambda: load.answered_by(new) >= 2 * askers), new)
    called = time.perf_counter()
    rollouts.rollback(actor=ACTOR, reason="the drill")
    committed = time.perf_counter()
    _require(load.until(lambda: load.answered_by(old, since=called) >= askers), old)
    asked = list(load.asked)
    # Between the call and the commit either may answer; an answer that was begun before goes on by who began it.
    first = min(one.ended for one in asked if one.adapter == old and one.began >= called)
    wrong = sum(one.adapter not in names or (one.adapter == new and one.began > committed) for one in asked)
    return Drilled(
        old=old,
        new=new,
        askers=askers,
        n=len(asked),
        failed=sum(one.status == "failed" for one in asked) + len(load.errors),
        wrong=wrong,
        rollback_ms=round((committed - called) * 1000, 1),
        seconds=round(first - called, 3),
    )


def _require(came: bool, adapter: str) -> None:
    if not came:
        raise ModelUnavailable(f"{adapter} did not come into service: python -m assistant read says whether it reads.")
