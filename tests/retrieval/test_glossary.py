"""Words that mean the same, in three languages and in a company's own file."""

from pathlib import Path

import pytest

from core.errors import SettingsError
from retrieval.glossary import Glossary, open_glossary, read_glossary


@pytest.mark.parametrize(
    ("asked", "documents_say"),
    [
        ("How much vacation do I get?", "annual-leave"),
        ("Wie viele Urlaubstage habe ich?", "annual-leave"),
        ("¿Cuántos días de vacaciones tengo?", "annual-leave"),
        ("Do I need a doctor's note?", "medical-certificate"),
        ("Ab wann brauche ich ein Attest?", "medical-certificate"),
        ("Can a freelancer get a badge?", "contractor"),
        ("Will you pay my cab?", "taxi"),
    ],
)
def test_a_question_in_other_words_says_what_the_documents_say(asked: str, documents_say: str) -> None:
    assert documents_say in open_glossary().plain(asked)


def test_only_whole_words_and_the_longest_phrase_are_replaced() -> None:
    glossary = Glossary({"car": ["auto"], "car park": ["parking*"], "leave": ["time off"]})
    assert (
        glossary.plain("A cart in the car park, an auto, time offline")
        == "a cart in the car-park, an car, time offline"
    )


def test_what_a_question_says_itself_is_not_added_to_it() -> None:
    glossary = open_glossary()
    assert "contractor" not in glossary.added("Is a contractor a freelancer?")
    assert "contractor" in glossary.added("I am a freelancer")
    assert glossary.added("xyzzy") == ""


def test_a_company_adds_and_overrides_meanings(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("tern: [air box*]\ntaxi: [minicab*]\n", encoding="utf-8")
    glossary = open_glossary(own)
    assert glossary.plain("My air box took a minicab, not a cab") == "my tern took a taxi, not a cab"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n- b\n", "must hold lines"),
        ("taxi: cab\n", "must be followed by a list of words"),
        ("allowed: [yes]\n", "in quotes"),
        ("taxi: ['']\n", "must be followed by a list of words"),
        ("taxi: [cab\n", "is no YAML"),
    ],
)
def test_a_wrong_file_is_named_with_what_to_write(tmp_path: Path, text: str, told: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        read_glossary(own)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_glossary(tmp_path / "none.yaml")
