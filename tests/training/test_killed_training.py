"""kill -9 inside dataset, train and register, at points drawn from a seed: a set verifies or is not there, and a training goes on to
the same bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.core.killed_loop import ACKNOWLEDGED, KILLED
from tests.forks import forking
from tests.training.killed_training import IMPORTED, POINTS, interrupted, lines, work

KILLS, SEED = 30, 20261128


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_anywhere_in_dataset_or_training_loses_nothing_acknowledged(tmp_path: Path) -> None:
    home = tmp_path / "killed" / "home"
    with forking(*IMPORTED) as context:
        process = context.Process(target=work, args=(home, SEED, KILLS))
        process.start()
        process.join(800)
        assert process.exitcode == 0, "what was wrong, it has printed"
    counts = Counter(next(iter(one)) for one in lines(home, ACKNOWLEDGED))
    assert min(counts[one] for one in ("item", "dataset", "trained", "adapter")) >= 3, counts
    hit = {(one["act"], one["point"]) for one in lines(home, KILLED)}
    several = Counter(act for act, _ in hit)
    assert set(several) == set(POINTS)
    assert min(several.values()) >= 2, hit
    assert interrupted(home), "a training that was killed came to its end"
