"""Practice on employees' questions: a handbook is taken in as it is served, and each question becomes a lesson on what is found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from assistant.bootstrap import build
from assistant.reader import SPANS
from assistant.units import units
from core.errors import BadInput
from core.settings import load_settings
from training.employee_questions import employee_questions, take_in
from training.practice import held_out_companies, lessons_of, mean_of, merged
from training.retrain import load_reader, open_start
from training.workplace import workplace

pytestmark = pytest.mark.slow

ASKED = next(q for q in employee_questions() if q.question == "who estimates what our site visit will cost?")
PAGE = f"""# Account managers

They keep in touch with partners every week.

- {ASKED.quote}
- Ordering stickers
"""


@pytest.fixture
def handbooks(tmp_path: Path) -> Path:
    page = tmp_path / ASKED.document
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    other = tmp_path / "policies-github-site" / "terms.md"
    other.parent.mkdir()
    other.write_text("# Terms\n\nA site visit needs no approval of the company that hosts the repository.\n")
    return tmp_path


def test_a_question_is_read_in_the_passages_that_are_found_and_its_answer_is_the_right_part(
    handbooks: Path, home: Path
) -> None:
    with build(load_settings(home=home)) as assistant:
        documents = take_in(assistant, handbooks)
        lessons = [lesson for _, lesson in lessons_of(assistant, documents, 2, 1)]
    lesson = next(one for one in lessons if one.question == ASKED.question)
    assert len(lesson.passages) == 2
    ((passage, unit),) = lesson.right
    assert units(lesson.passages[passage].text)[unit].text == ASKED.quote


def test_a_question_whose_answer_was_not_taken_in_is_no_lesson(handbooks: Path, home: Path) -> None:
    (handbooks / ASKED.document).write_text("# Account managers\n\nThey keep in touch with partners every week.\n")
    with build(load_settings(home=home)) as assistant:
        documents = take_in(assistant, handbooks)
        assert ASKED.question not in [lesson.question for _, lesson in lessons_of(assistant, documents, 2, 1)]


def test_handbooks_that_are_missing_are_named(home: Path, tmp_path: Path) -> None:
    with build(load_settings(home=home)) as assistant:
        with pytest.raises(BadInput, match=r"handbook-18f.*no such folder"):
            take_in(assistant, tmp_path)


def test_documents_of_one_company_in_eight_are_kept_from_learning() -> None:
    passages, questions = workplace()
    sets = held_out_companies(3, 1)
    held = [lesson for lessons in sets.values() for lesson in lessons]
    assert all(sets.values())
    assert 0.04 < len(held) / len(questions) < 0.2
    titles = {lesson.passages[0].title for lesson in held}
    assert not titles & {passages[q.passage].title for q in questions if not q.held_out}


def test_weights_that_are_written_are_a_mean_of_those_before_and_after() -> None:
    start = open_start(SPANS)
    before, after = load_reader(start), load_reader(start)
    with torch.no_grad():
        after.span.weight.add_(1.0)
        query = after.encoder.encoder.layer[0].attention.self.query.weight  # type: ignore[union-attr,attr-defined]
        query.add_(0.01)
    mean = merged(mean_of(load_reader(start), after, 0.7, 96))
    was, now = before.state_dict(), mean.state_dict()
    assert torch.allclose(now["span.weight"], was["span.weight"] + 0.7, atol=1e-5)
    name = next(n for n in was if n.endswith("layer.0.attention.self.query.weight"))
    assert torch.allclose(now[name], was[name] + 0.007, atol=1e-4)
