"""A training run in MLflow: parameters, loss curves, where its data and code came from, and what came out.

In mlflow.db of the home folder, or on the server that MLFLOW_TRACKING_URI names. Nothing is reported to anybody else.

    mlflow ui --backend-store-uri sqlite:///HOME/mlflow.db
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import MissingExtra, StoreUnavailable, Unavailable
from core.offline import go_quiet
from core.settings import Settings
from core.tracking_file import FILE, open_tracking
from training.recipe import Step

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

EXPERIMENT = "training"
KEY = "run_key"
EVERY_S = 2.0
"""Seconds between two writes of what was logged meanwhile."""
BATCH = 1000
"""Metrics that MLflow takes at once."""


class Tracking:
    """One run. A run that was cut off goes on under its id: `key` names what is trained on what.

    Raises:
        MissingExtra: MLflow is not installed. Unavailable: the server does not answer, or the file cannot be written.
    """

    def __init__(self, settings: Settings, *, name: str, key: str, params: Mapping[str, str]) -> None:
        self._waiting: list[tuple[str, float, int, int]] = []
        self._written = 0.0
        _require_mlflow()
        with _answering(settings):
            self._client = _client(settings)
            experiment = self._experiment(settings)
            self.run_id = self._unfinished(experiment, key) or self._new(experiment, name, key, params)

    def step(self, step: Step) -> None:
        """Keep a step's loss and metrics; written every EVERY_S seconds."""
        values = dict(step.metrics) | ({} if step.loss is None else {"loss": step.loss})
        now = round(time.time() * 1000)
        self._waiting += [(key, float(value), now, step.done) for key, value in values.items() if math.isfinite(value)]
        if time.monotonic() - self._written > EVERY_S:
            self._flush()

    def finish(self, scores: Mapping[str, float], tags: Mapping[str, str], *, status: str = "FINISHED") -> None:
        """Keep what was measured and what came out, and close the run."""
        now = round(time.time() * 1000)
        self._waiting += [(key, float(value), now, 0) for key, value in scores.items() if math.isfinite(value)]
        self._flush()
        from mlflow.exceptions import MlflowException

        try:
            for name, value in tags.items():
                self._client.set_tag(self.run_id, name, value)
            self._client.set_terminated(self.run_id, status=status)
        except MlflowException:
            log.warning("run %s: the tracking server did not take its end; what was trained stands", self.run_id)

    def _flush(self) -> None:
        """Write what waits; a server that is away for a while stops no training, and gets it later."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        self._written = time.monotonic()
        while self._waiting:
            metrics = [Metric(*one) for one in self._waiting[:BATCH]]
            try:
                self._client.log_batch(self.run_id, metrics=metrics)
            except MlflowException:
                log.warning("run %s: %d metrics wait for the tracking server", self.run_id, len(self._waiting))
                return
            del self._waiting[:BATCH]

    def _experiment(self, settings: Settings) -> str:
        known = self._client.get_experiment_by_name(EXPERIMENT)
        if known:
            return str(known.experiment_id)
        place = None if settings.tracking_url else (settings.home / "mlflow").as_uri()
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=place))

    def _unfinished(self, experiment: str, key: str) -> str:
        """The run of the same key that was cut off, "" for none."""
        wanted = f"tags.{KEY} = '{key}' and attributes.status = 'RUNNING'"
        found = self._client.search_runs([experiment], filter_string=wanted, max_results=1)
        return str(found[0].info.run_id) if found else ""

    def _new(self, experiment: str, name: str, key: str, params: Mapping[str, str]) -> str:
        from mlflow.entities import Param

        run = self._client.create_run(experiment, run_name=name, tags={KEY: key})
        told = [Param(name, value[:500]) for name, value in params.items()]
        self._client.log_batch(run.info.run_id, params=told)
        return str(run.info.run_id)


def _require_mlflow() -> None:
    """Import it quietly."""
    go_quiet()
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # our output may be JSON lines
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its 7 take minutes to say that a server is down
    try:
        import mlflow.exceptions  # noqa: F401
    except ImportError:
        raise MissingExtra("Training runs are kept in MLflow: pip install mlflow") from None
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _client(settings: Settings) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=settings.tracking_url) if settings.tracking_url else open_tracking(settings.home)


@contextmanager
def _answering(settings: Settings) -> Iterator[None]:
    """Says in one line that the tracking server does not answer."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError):
        if settings.tracking_url:
            raise Unavailable(
                "The MLflow server of MLFLOW_TRACKING_URI does not answer: start it, or leave the setting empty."
            ) from None
        raise StoreUnavailable(
            f"{settings.home / FILE} cannot be read or written: free some space, or move it away to begin a new one."
        ) from None
