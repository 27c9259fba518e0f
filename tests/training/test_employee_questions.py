"""The questions on two real handbooks: sound, and apart by document."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.assistant.passages import passage
from training.employee_questions import FOLDERS, employee_questions, right_units


def test_every_question_has_its_answer_or_what_only_looks_like_one() -> None:
    found = employee_questions()
    assert len(found) > 2500
    assert all(bool(one.quote) != bool(one.near) for one in found)
    assert all(one.document.startswith(FOLDERS) for one in found)
    asked = Counter((one.document, one.question.casefold()) for one in found)
    assert asked.most_common(1)[0][1] == 1
    assert 0.1 < sum(not one.quote for one in found) / len(found) < 0.3


def test_held_out_documents_keep_all_their_questions_apart() -> None:
    held = {one.document for one in employee_questions() if one.held_out}
    assert held.isdisjoint(one.document for one in employee_questions() if not one.held_out)
    assert 0.04 < len(held) / len({one.document for one in employee_questions()}) < 0.2


def test_part_that_answers_is_found_in_its_own_document_alone() -> None:
    asked = replace(employee_questions()[0], quote="- Tell **your manager** before noon.", also=())
    right = passage("- Bring a bag.\n- Tell your manager before noon.\n", document_id="own")
    assert right_units(asked, [right], "own") == {(0, 1)}
    assert right_units(asked, [right], "other") == set()
