"""DPO and KTO on a tiny causal model: the margin between reviewed and flagged answers rises."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput
from core.run_config import KtoConfig
from core.sealed import open_sealed
from tests.training.tiny_causal import (
    GIVEN,
    ROWS,
    config,
    losses,
    metric,
    nothing_told,
    span,
    written,
)
from training import dpo, kto
from training.causal_rows import Example
from training.recipe import Step, read_scores
from training.rows import Rows

UNFLAGGED = Rows((span("Where do I get a desk?", "Desks are booked in Seatfinder.", 1), *ROWS[1:2]))

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_pair_is_the_reviewed_and_the_flagged_answer_with_markers_alike() -> None:
    pair = dpo.pair_of(ROWS[1])
    assert pair is not None
    assert pair["chosen"][0]["content"] == "Leave is asked for in Daybook. [1]"
    assert pair["rejected"][0]["content"] == "Leave is asked for in Seatfinder. [1]"
    assert dpo.pair_of(UNFLAGGED.training[0]) is None


def test_rows_that_nobody_flagged_make_no_pairs_and_too_few_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 rows with a flagged answer, and at least 2"):
        dpo.train(config("dpo", base), UNFLAGGED, tmp_path, nothing_told)  # type: ignore[arg-type]


@pytest.mark.slow
def test_dpo_raises_the_margin_and_gives_the_same_bytes_again(base: Path, tmp_path: Path) -> None:
    wanted = config("dpo", base, epochs=4)
    steps: list[Step] = []
    folder = dpo.train(wanted, GIVEN, tmp_path / "one", steps.append)  # type: ignore[arg-type]
    margins = metric(steps, "rewards/margins")
    assert margins[0] == 0, "the adapter begins as the base"
    assert margins[-1] > 0.1
    assert losses(steps)[-1] < losses(steps)[0]
    scores = read_scores(tmp_path / "one")
    assert scores["validation_margins_before"] == 0
    assert scores["validation_margins"] > 0.1
    assert open_sealed(folder).kind == "causal"
    again = dpo.train(wanted, GIVEN, tmp_path / "two", nothing_told)  # type: ignore[arg-type]
    assert written(folder) == written(again)


@pytest.mark.slow
def test_kto_raises_the_margin_of_unpaired_answers(base: Path, tmp_path: Path) -> None:
    rows = Rows((*GIVEN.training, UNFLAGGED.training[0]), GIVEN.validation)
    steps: list[Step] = []
    kto.train(config("kto", base, epochs=4), rows, tmp_path, steps.append)  # type: ignore[arg-type]
    scores = read_scores(tmp_path)
    assert (scores["rows"], scores["desirable"]) == (9, 5)
    assert scores["margins_last"] > scores["margins_first"] + 0.05
    assert scores["validation_margins"] > 0.05


def test_kto_refuses_answers_of_one_sort(base: Path, tmp_path: Path) -> None:
    rows = Rows((UNFLAGGED.training[0], UNFLAGGED.training[0]))
    with pytest.raises(BadInput, match="0 answers judged bad, and at least 1"):
        kto.train(config("kto", base), rows, tmp_path, nothing_told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("good", "bad", "expected"), [(10, 10, (1, 1)), (12, 10, (1, 1)), (10, 40, (4, 1)), (40, 10, (1, 3))]
)
def test_weights_are_balanced_between_one_to_one_and_four_to_three(
    good: int, bad: int, expected: tuple[float, float]
) -> None:
    wanted = KtoConfig(method="kto", name="k", base=Path("base"))
    assert kto.weights(wanted, good, bad) == pytest.approx(expected)
    own = KtoConfig(method="kto", name="k", base=Path("base"), desirable_weight=2, undesirable_weight=3)
    assert kto.weights(own, good, bad) == (2, 3)


def test_a_batch_holds_no_prompt_twice_while_others_are_left() -> None:
    order: list[Example] = [{"prompt": p, "completion": n} for n, p in enumerate("aabbcda")]
    batches = kto.apart(order, 2)
    prompts = [one["prompt"] for one in batches]
    assert all(a != b for a, b in zip(prompts[::2], prompts[1::2], strict=False))
    assert len(batches) == 6, "a last batch of one goes"
    assert len({one["completion"] for one in batches}) == 6
    assert len(kto.apart([{"prompt": "a"}, {"prompt": "a"}], 2)) == 2
