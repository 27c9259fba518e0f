"""Results in MLflow: a SQLite file in the home folder, so that runs can be compared in MLflow's own pages.

mlflow ui --backend-store-uri sqlite:///HOME/mlflow.db
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.errors import MissingExtra
from core.offline import go_quiet
from core.rating_figures import Figures
from core.tracking_file import open_tracking
from eval.lineage import Lineage
from eval.report import Run
from eval.summary import Summary

EXPERIMENT = "evaluation"
BATCH = 1000
"""Metrics that MLflow takes at once."""
_UNFIT = re.compile(r"[^\w.\- /]+")


def log_run(home: Path, run: Run, report: Path) -> str:
    """Keep one finished run; returns MLflow's id of it. Parameters are the lineage, metrics every rate and mean.

    A lineage is one run: where it is kept already, as after the same command once more, that one gets the new values.

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
    lineage = run.lineage
    name = "-".join(filter(None, (lineage.suite, lineage.system, lineage.adapter)))
    earlier = client.search_runs([experiment], f"tags.run_id = '{lineage.run_id}'", max_results=1)
    kept = earlier[0] if earlier else client.create_run(experiment, run_name=name)
    now = round(time.time() * 1000)
    values = metrics_of(run.summary) | human_metrics(run.human)
    metrics = [Metric(key, value, now, 0) for key, value in values.items()]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(kept.info.run_id, metrics=metrics[start : start + BATCH])
    # MLflow changes no parameter; of an equal lineage only git's name of the same source may differ
    params = {key: value for key, value in params_of(lineage).items() if key not in kept.data.params}
    client.log_batch(
        kept.info.run_id,
        params=[Param(key, value) for key, value in params.items()],
        tags=[RunTag("run_id", lineage.run_id), RunTag("report", str(report))],
    )
    client.set_terminated(kept.info.run_id)
    return str(kept.info.run_id)


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
    used = {f"request/{name}": value for name, value in asdict(summary.spent).items() if value} if summary.spent else {}
    found = {"pass_rate": summary.all.rate, **bounds, **rates, **counts, **means, **figures, **latency, **used}
    return {_UNFIT.sub("_", name)[:240]: value for name, value in found.items()}


def human_metrics(human: Sequence[Figures]) -> dict[str, float]:
    """What people said, batch by batch: the share of pairs that each run won, or each run's mean on each criterion."""
    found: dict[str, float] = {}
    for one in human:
        batch, names = one.batch.batch_id, {run.key: run.name for run in one.batch.runs}
        found[f"human/{batch}/items"] = float(one.items_rated)
        found |= {f"human/{batch}/{score.run}/{score.criterion}": score.mean for score in one.scores}
        if one.a_wins.n:
            found[f"human/{batch}/{names['a']} preferred"] = one.a_wins.rate
    return {_UNFIT.sub("_", name)[:240]: value for name, value in found.items()}
