"""Results in MLflow: a SQLite file in the home folder, so that runs can be compared in MLflow's own pages.

mlflow ui --backend-store-uri sqlite:///HOME/mlflow.db
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

from core.errors import MissingExtra
from core.offline import go_quiet
from core.tracking_file import open_tracking
from eval.lineage import Lineage
from eval.summary import Summary

EXPERIMENT = "evaluation"
BATCH = 1000
"""Metrics that MLflow takes at once."""
_UNFIT = re.compile(r"[^\w.\- /]+")


def log_run(home: Path, lineage: Lineage, summary: Summary, report: Path) -> str:
    """Keep one finished run; returns MLflow's id of it. Parameters are the lineage, metrics every rate and mean.

    Raises:
        MissingExtra: MLflow is not installed.
    """
    go_quiet()
    try:
        from mlflow.entities import Metric, Param, RunTag
    except ImportError:
        raise MissingExtra("Results in MLflow need it: pip install mlflow, or leave it out with --no-mlflow.") from None
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    client = open_tracking(home)
    known = client.get_experiment_by_name(EXPERIMENT)
    artifacts = (home / "mlflow").as_uri()
    experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    name = "-".join(filter(None, (lineage.suite, lineage.system, lineage.adapter)))
    run = client.create_run(experiment, run_name=name)
    now = round(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in metrics_of(summary).items()]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + BATCH])
    client.log_batch(
        run.info.run_id,
        params=[Param(key, value) for key, value in params_of(lineage).items()],
        tags=[RunTag("run_id", lineage.run_id), RunTag("report", str(report))],
    )
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def params_of(lineage: Lineage) -> dict[str, str]:
    """The lineage, one level deep; the cases' own hashes are in the suite's."""
    flat = {name: value for name, value in lineage.as_dict().items() if isinstance(value, str | int)}
    nested = {f"settings.{name}": value for name, value in lineage.settings.items()}
    nested |= {f"package.{name}": value for name, value in lineage.packages.items()}
    return {name: str(value)[:500] for name, value in {**flat, **nested}.items()}


def metrics_of(summary: Summary) -> dict[str, float]:
    rates = {f"{part.name}/{part.value}": part.rate.rate for part in summary.slices}
    counts = {f"n/{part.name}/{part.value}": float(part.rate.n) for part in summary.slices}
    means = {f"score/{mean.name}": mean.mean for mean in summary.means}
    figures = {f"figure/{figure.name}": figure.rate.rate for figure in summary.figures}
    bounds = {"low": summary.all.low, "high": summary.all.high}
    latency = {f"latency_ms/{name}": value for name, value in summary.latency_ms.items()}
    found = {"pass_rate": summary.all.rate, **bounds, **rates, **counts, **means, **figures, **latency}
    return {_UNFIT.sub("_", name)[:240]: value for name, value in found.items()}
