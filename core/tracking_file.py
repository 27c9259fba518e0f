"""MLflow's SQLite file of a home folder, which trainings and evaluations write to: there whole, or not there.

client = open_tracking(home)
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILE = "mlflow.db"


def open_tracking(home: Path) -> MlflowClient:
    """A client of the file, which is made where it is missing; raises ImportError without MLflow, and what MLflow raises."""
    from mlflow import MlflowClient

    place = home / FILE
    if not place.exists():
        with (home / f"{FILE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                _make(place)
    return MlflowClient(tracking_uri=f"sqlite:///{place}")


def _make(place: Path) -> None:
    """MLflow makes its tables by dozens of migrations, and never opens again a file in which a kill cut them off."""
    from mlflow import MlflowClient

    aside = place.with_name(".mlflow")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    MlflowClient(tracking_uri=f"sqlite:///{aside / FILE}")
    (aside / FILE).replace(place)
    shutil.rmtree(aside, ignore_errors=True)
