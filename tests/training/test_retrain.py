"""The reader goes on from its adapter on reviewed rows: it learns them, says what it measured, and gives the same bytes again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from assistant.units import units
from core.errors import BadInput
from core.records import Passage
from core.run_config import ReaderConfig
from retrieval.adapters import open_adapter
from retrieval.scope import passage_key
from retrieval.windows import open_tokenizer
from tests.assistant.passages import passage
from training.recipe import Step, read_scores
from training.retrain import (
    CHECKPOINT,
    Lesson,
    _replayed,
    _resume,
    _save,
    input_of,
    lesson_of,
    loss_of,
    open_start,
    scope_of,
    train,
    trainable,
)
from training.rows import Row, Rows, Target
from training.workplace import workplace

DESK = passage("Desks are booked in Seatfinder. A desk that nobody claims by ten is free for anybody.", title="Desks")
GUESTS = passage("Guests are met at the gate. Parking for them is booked a day before.", title="Guests")
TINY = ReaderConfig(method="reader", name="tiny", rank=8, passes=1, replay=0.0, passages=2, batch_size=2, least_rows=2)
RESUMED = TINY.model_copy(update={"passes": 4, "replay": 1.0, "batch_size": 4, "passages": 1, "max_tokens": 96})


def row(question: str, answer: str, *passages: Passage, at: int = 0) -> Row:
    start = passages[at].text.index(answer)
    return Row(question, question, passages, Target("span", answer, at, start, start + len(answer)))


ROWS = (
    row("Where do I get a seat?", "Desks are booked in Seatfinder.", GUESTS, DESK, at=1),
    row("When can I take a free desk?", "by ten", DESK, GUESTS),
)


def nothing_told(_: Step) -> None: ...


def test_a_row_teaches_the_parts_that_the_reviewer_marked() -> None:
    lesson = lesson_of(ROWS[1], 2)
    assert lesson is not None
    assert lesson.right == {(0, 1)}
    assert units(lesson.passages[0].text)[1].text.startswith("A desk that nobody")


def test_the_right_passage_is_read_even_where_it_was_found_last() -> None:
    lesson = lesson_of(row("Where do I get a seat?", "Seatfinder", GUESTS, GUESTS, DESK, at=2), 2)
    assert lesson is not None
    assert DESK in lesson.passages
    assert len(lesson.passages) == 2


def test_a_refusal_teaches_that_nothing_answers_and_an_answer_without_a_place_teaches_nothing() -> None:
    refused = Row("r", "Who won the cup?", (DESK,), Target("refuse"))
    asked_back = Row("c", "How long?", (DESK,), Target("clarify", "Which desk?"))
    lesson = lesson_of(refused, 2)
    assert lesson is not None
    assert not lesson.right
    assert lesson_of(asked_back, 2) is None


def test_what_is_new_is_the_scope_and_what_was_right_already_or_answers_nothing_is_not() -> None:
    text = DESK.text
    marked, confirmed = (
        Row(kind, f"Where is a {kind} seat?", (DESK,), Target(kind, text, 0, 0, len(text)))
        for kind in ("span", "confirm")
    )
    lessons = [lesson_of(one, 2) for one in (marked, confirmed, Row("r", "Who won?", (DESK,), Target("refuse")))]
    scope = scope_of([one for one in lessons if one])
    assert scope.passages.tolist() == [passage_key(text)]
    assert scope.questions.shape == (1, 384)
    assert scope_of([]).and_earlier(scope) is scope


def test_a_window_knows_the_parts_that_lie_whole_in_it() -> None:
    one = input_of(open_tokenizer(), Lesson("Where do I get a seat?", (DESK,), frozenset({(0, 0)})), 256)
    assert [answers for _, _, answers in one.units[0]] == [True, False]


def test_every_practice_question_stands_after_its_answer() -> None:
    passages, questions = workplace()
    assert len(questions) > 250
    answered = [(q.unit, units(passages[q.passage].text)) for q in questions if q.unit is not None]
    assert all(0 <= unit < len(every) for unit, every in answered)
    (payday,) = [q for q in questions if q.question == "What day is payday?"]
    assert payday.unit is not None
    assert "25th" in units(passages[payday.passage].text)[payday.unit].text


def test_a_practice_question_is_read_beside_other_passages_of_its_language() -> None:
    assert Counter(p.language for p in workplace()[0]).keys() == {"en", "de", "es"}
    drawn = _replayed(3, random.Random(1))
    for _ in range(200):
        assert len({p.language for p in next(drawn).passages}) == 1


def test_a_run_goes_on_in_the_precision_in_which_it_began(tmp_path: Path) -> None:
    net = trainable(open_start("reader-5"), 4)
    optimiser = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad])
    assert _resume(tmp_path / "none.pt", net, optimiser, torch.bfloat16) == (0, torch.bfloat16)
    _save(tmp_path / "kept.pt", net, optimiser, 7, torch.bfloat16)
    assert _resume(tmp_path / "kept.pt", net, optimiser, torch.float32) == (7, torch.bfloat16)


def test_a_loss_in_bfloat16_is_that_in_float32() -> None:
    net = trainable(open_start("reader-5"), 4)
    inputs = [input_of(open_tokenizer(), Lesson("Where do I get a seat?", (DESK,), frozenset({(0, 0)})), 256)]
    exact, rounded = (loss_of(net, inputs, 0.3, precision).item() for precision in (torch.float32, torch.bfloat16))
    assert rounded == pytest.approx(exact, rel=0.05)


def test_too_few_rows_are_refused_with_the_number_needed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 rows with a marked answer, and at least 2"):
        train(TINY, Rows(ROWS[:1]), tmp_path, nothing_told)


def test_an_unknown_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="reader-2"):
        train(TINY.model_copy(update={"start": "reader-99"}), Rows(ROWS), tmp_path, nothing_told)


@pytest.mark.slow
def test_it_learns_its_rows_and_gives_the_same_bytes_again(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"passes": 12, "learning_rate": 1e-3})
    steps: list[Step] = []
    folder = train(config, Rows(ROWS), tmp_path / "one", steps.append)
    assert read_scores(tmp_path / "one")["training_right"] == 1.0
    assert [step.done for step in steps] == list(range(1, 13))
    first, last = steps[0].loss, steps[-1].loss
    assert first is not None
    assert last is not None
    assert last < first / 2
    again = train(config, Rows(ROWS), tmp_path / "two", nothing_told)
    assert open_adapter(folder, "reader").sha256 == open_adapter(again, "reader").sha256


def killed_at(step: int, folder: Path) -> int:
    """A process that trains with a checkpoint after every step, and is killed once it has told that step; its exit code."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nimport torch\nfrom training import retrain\n"
        "from tests.training.test_retrain import RESUMED, ROWS\nfrom training.rows import Rows\n"
        "torch.set_num_threads(1)\nretrain.CHECKPOINT_EVERY_S = 0\n"
        "def told(step):\n    if step.done == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "retrain.train(RESUMED, Rows(ROWS), Path(sys.argv[1]), told)"
    )
    return subprocess.run([sys.executable, "-c", code, str(folder), str(step)], check=False).returncode


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("one_thread")
def test_a_run_that_is_killed_after_a_checkpoint_goes_on_from_it_to_the_same_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = train(RESUMED, Rows(ROWS), tmp_path / "whole", nothing_told)
    assert killed_at(3, tmp_path / "killed") == -signal.SIGKILL
    assert (tmp_path / "killed" / CHECKPOINT).is_file()
    steps: list[Step] = []
    with caplog.at_level("INFO", "training.retrain"):
        resumed = train(RESUMED, Rows(ROWS), tmp_path / "killed", steps.append)
    assert "going on from batch 2" in caplog.text
    assert [step.done for step in steps] == [3, 4]
    assert open_adapter(resumed, "reader").sha256 == open_adapter(whole, "reader").sha256
    assert not (tmp_path / "killed" / CHECKPOINT).exists()
