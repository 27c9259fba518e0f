"""How a read answer looks: the short answer first, then the sentence, list or table that says it."""

from __future__ import annotations

import pytest

from assistant.compose import compose
from assistant.sentences import pieces
from assistant.units import Unit, units
from assistant.words import language_of
from assistant.yes_no import LEADS, asks_yes_or_no, lead_of
from guardrails.grounding import Grounding
from tests.assistant.passages import passage


def composed(question: str, text: str, pick: list[int], span: tuple[float, str] | None = None) -> str:
    one = passage(text)
    found = units(text)
    return "".join(compose(question, [(found[i], 0) for i in pick], [one], span=span))


def test_short_answer_leads_and_shares_the_sentence_s_marker() -> None:
    text = "After five years of service an employee receives 27 days of annual leave in each calendar year."
    answer = composed("How many days after five years?", text, [0], (4.0, "27 days"))
    assert answer == f"**27 days.** {text} [1]"
    assert [p.kind for p in pieces([answer])] == ["sentence"]  # one piece: it is checked and cited as a whole


@pytest.mark.parametrize(
    "span",
    [
        None,
        (-1.0, "27 days"),  # the reader prefers "no answer here"
        (3.0, "of the"),  # says nothing
        (3.0, "An employee receives 27 days of leave in each year"),  # the whole sentence
    ],
)
def test_no_lead_where_the_span_adds_nothing(span: tuple[float, str] | None) -> None:
    text = "An employee receives 27 days of leave in each year."
    assert composed("How many days?", text, [0], span) == f"{text} [1]"


def test_row_is_shown_as_a_table_under_the_short_answer() -> None:
    text = "| City | Limit |\n|---|---|\n| London | £190 |\n| Hamburg | £140 |"
    answer = composed("What may a hotel in London cost?", text, [0], (5.0, "£190"))
    assert answer == "**£190.**\n\n| City | Limit |\n|---|---|\n| London | £190 [1] |"


def test_of_two_rows_that_are_asked_for_neither_leads_alone() -> None:
    text = "| City | Limit |\n|---|---|\n| London | £190 |\n| Hamburg | £140 |"
    answer = composed("What may a hotel in Hamburg and in London cost?", text, [0, 1], (5.0, "£190"))
    assert answer == "| City | Limit |\n|---|---|\n| London | £190 [1] |\n| Hamburg | £140 [1] |"
    one = composed("What may a hotel in London cost?", text, [0, 1], (5.0, "£190"))
    assert one.startswith("**£190.**")


@pytest.mark.parametrize(
    ("words", "lead"),
    [
        ("Lost", ""),  # a piece of what the row is about
        ("Lost or stolen laptop", "**Lost or stolen laptop.**\n\n"),  # what the row is about, where that was asked
        ("in 2026: 14", "**14.**\n\n"),  # it begins in a column's name
        ("Lost or stolen laptop; Report to: Extension 4400", "**Extension 4400.**\n\n"),
    ],
)
def test_a_short_answer_from_a_row_is_what_one_of_its_cells_says(words: str, lead: str) -> None:
    text = (
        "| What happened | Report to | Cases in 2026 |\n|---|---|---|\n| Lost or stolen laptop | Extension 4400 | 14 |"
    )
    table = "| What happened | Report to | Cases in 2026 |\n|---|---|---|\n| Lost or stolen laptop | Extension 4400 | 14 [1] |"
    assert composed("And then?", text, [0], (5.0, words)) == f"{lead}{table}"


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        ("What do I do when the alarm sounds?", True),
        ("What do I do about the broken lift?", False),  # the list is about another matter
        ("Which exit is nearest when the alarm sounds?", False),  # one item is enough
    ],
)
def test_a_way_to_go_is_told_with_all_its_steps(question: str, whole: bool) -> None:
    one = passage("- Leave by the nearest exit.\n- Go to the assembly point.", section="Fire > When you hear the alarm")
    answer = "".join(compose(question, [(units(one.text)[0], 0)], [one], span=None))
    assert ("assembly point" in answer) is whole


def test_list_keeps_its_intro_and_is_given_whole() -> None:
    text = "Bring the following:\n\n- passport\n- signed contract\n- bank details"
    answer = composed("What do I bring on the first day?", text, [0, 1])
    assert answer == "Bring the following:\n\n- passport [1]\n- signed contract [1]\n- bank details [1]"


YES_NO = [
    ("Can I carry over unused leave?", "Employees may carry over unused leave.", "Yes."),
    ("Can I claim alcohol as an expense?", "Alcohol is never claimed as an expense.", "No."),
    ("May contractors use the gym?", "Contractors may use the gym only with a sponsor.", "Under conditions."),
    ("Do I have to submit receipts?", "Receipts are not required below £10, so nobody has to submit receipts.", "No."),
    ("Do I need a visitor badge?", "Every visitor needs a visitor badge.", "Yes."),
    ("¿Puedo trasladar vacaciones?", "Las vacaciones no se pueden trasladar.", "No."),
    ("Darf ich Urlaub übertragen?", "Urlaub darf nicht übertragen werden.", "Nein."),
    ("May I use private webmail?", "Private webmail and private storage are blocked on company laptops.", "No."),
    ("Does the company pay an allowance?", "The company pays no allowance for private phones.", "No."),
    ("Do I have to tell my manager the illness?", "Nobody has to tell the manager the nature of the illness.", "No."),
    ("Can I work from Spain?", "Work from Spain is possible, but work from Peru is not allowed.", "Yes."),
    ("Can a move be paid?", "A move can be paid with the approval of the manager.", "Under conditions."),
    (
        "¿Se puede teletrabajar desde fuera?",
        "El teletrabajo desde fuera necesita la autorización del equipo y no puede superar los 10 días.",
        "",
    ),
    (
        "¿Puedo teletrabajar desde fuera?",
        "Teletrabajar desde fuera necesita la autorización del equipo y no puede superar los 10 días.",
        "Con condiciones.",
    ),
]
NOT_PLAIN = [
    ("Is private webmail blocked?", "Private webmail is blocked on company laptops."),
    ("Is private webmail not allowed?", "Private webmail is blocked on company laptops."),
    ("Ist privates Webmail verboten?", "Privates Webmail ist auf Laptops verboten."),
    ("Can I work remotely from Brazil?", "Remote work is never possible from a country in the red zone."),
    (
        "Does the insurance cover cars in Denver?",
        "The insurance covers cars in Europe; in Denver insurance is bought with the car.",
    ),
    ("Can I join the plan?", "Members of the committee have their own plan and cannot join."),
    ("Can I carry over 10 days?", "Up to 5 days may be carried over."),
    (
        "Is it allowed to accept a gift card from a supplier?",
        "Purchases of licences, gift cards and chairs are not allowed with the card.",
    ),
    ("Can I work more hours?", "The working hours may not exceed 10 hours, and more hours can be refused."),
    ("Can I book a flight?", "A flight can be booked, except flights in business class."),
    ("Darf ich mobil arbeiten?", "Beschäftigte mit Gleitzeit dürfen bis zu 2 Tage mobil arbeiten."),
]


@pytest.mark.parametrize(("question", "sentence", "lead"), YES_NO)
def test_yes_or_no_leads_where_the_sentence_is_plain(question: str, sentence: str, lead: str) -> None:
    assert lead_of(question, Unit("sentence", sentence, "", 0), language_of(question)) == lead


@pytest.mark.parametrize(("question", "sentence"), NOT_PLAIN)
def test_no_yes_or_no_for_another_case_or_a_part_of_it(question: str, sentence: str) -> None:
    assert lead_of(question, Unit("sentence", sentence, "", 0), language_of(question)) == ""


def test_a_name_may_stand_in_the_title_of_what_the_sentence_is_about() -> None:
    unit = Unit("sentence", "Private heaters are not allowed.", "", 0)
    question = "Are private heaters allowed in Bristol?"
    assert lead_of(question, unit, "en") == ""
    assert lead_of(question, unit, "en", about="Bristol site guide") == "No."


def test_yes_or_no_from_a_row_s_own_cell_and_from_an_item_that_is_a_sentence() -> None:
    table = "| Product | List | Licence needed |\n|---|---|---|\n| Tern | No | No, except embargoed countries |"
    assert lead_of("Does Tern need a licence?", units(table)[0], "en") == ""  # two cells say no
    row = units(table.replace("| Tern | No |", "| Tern | EAR99 |"))[0]
    assert lead_of("Does Tern need a licence?", row, "en") == "No, except embargoed countries."
    assert lead_of("Does Plover need a licence?", row, "en") == ""
    notice = units("| Site | Notice |\n|---|---|\n| Valencia | No statutory notice |")[0]
    assert lead_of("Is there notice in Valencia?", notice, "en") == ""
    item = units("- People in probation cannot work from abroad.\n- Others may.")[0]
    assert lead_of("Can I work from abroad in probation?", item, "en") == "No."
    assert lead_of("Can I give cash?", units("Never:\n\n- Cash can be given.")[0], "en") == ""


def test_a_question_that_tells_no_language_is_answered_in_that_of_the_sentence() -> None:
    text = "Schwangere und Auszubildende leisten keine Überstunden."
    assert composed("Dürfen Schwangere Überstunden leisten?", text, [0]) == f"**Nein.** {text} [1]"
    assert language_of("Can pregnant people work overtime?", text) == "en"


def test_what_says_the_lead_stands_beside_it() -> None:
    text = "A phone needs a profile. The team can wipe the profile but cannot see photos. It asks first."
    assert composed("Can the team see photos?", text, [1, 0]) == (
        "**No.** The team can wipe the profile but cannot see photos. [1] A phone needs a profile. [1]"
    )
    assert composed("Who asks?", text, [2, 0]).startswith("A phone needs")  # without a lead the passage's order


def test_the_it_team_does_not_lean_on_the_sentence_before() -> None:
    text = "A phone needs a profile. IT cannot see photos. It can wipe the profile."
    assert composed("Can IT see photos?", text, [1]) == "**No.** IT cannot see photos. [1]"
    assert composed("What can be wiped?", text, [2]).startswith("IT cannot see photos. [1] It can")


def test_steps_that_are_told_whole_keep_their_numbers() -> None:
    one = passage("1. Leave the building.\n2. Go to the assembly point.", section="Fire > When you hear the alarm")
    said = [(unit, 0) for unit in units(one.text)]
    whole = "1. Leave the building. [1]\n2. Go to the assembly point. [1]"
    assert "".join(compose("What do I do at the alarm?", said, [one], span=None)) == whole
    assert "".join(compose("Which way out?", said[1:], [one], span=None)) == "- Go to the assembly point. [1]"
    assert [piece.kind for piece in pieces([whole])] == ["item", "item"]


def test_one_item_of_several_is_not_the_short_answer() -> None:
    text = "- Employees in probation\n- Contractors from an agency"
    assert "**" not in composed("Who is left out?", text, [0, 1], (4.0, "Employees in probation"))
    assert "**" in composed("Who is left out?", text, [0], (4.0, "Contractors"))


@pytest.mark.parametrize("lead", [lead for leads in LEADS.values() for lead in leads])
def test_every_such_lead_is_let_through_before_a_quoted_sentence(lead: str) -> None:
    text = "Alcohol can be claimed only with a customer meal."
    assert Grounding().check(f"**{lead}** {text} [1]", [passage(text)]).allowed


def test_no_yes_or_no_for_other_questions_or_other_matters() -> None:
    unit = Unit("sentence", "Employees may carry over unused leave.", "", 0)
    assert not asks_yes_or_no("How much leave can I carry over?")
    assert not asks_yes_or_no("Is it 25 or 27 days?")
    assert not asks_yes_or_no("Was ist in der Halle erlaubt?")
    assert asks_yes_or_no("Was it paid in the last year?")
    assert lead_of("Can I bring my dog to the office?", unit, "en") == ""
