"""The trained recogniser of names: what it finds, how labels become entities, and why nothing starts without it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.errors import SettingsError
from core.settings import Settings
from guardrails import pii
from guardrails.ner import FOLDER, KINDS, LABELS, Found, NameModel, best_path, open_names, tokens
from guardrails.pii import Recognisers, _engine
from guardrails.policy import load_policy
from guardrails.rails import build_guards

TEXT = "My name is Nora Whitcombe and I live in Leeds."


@pytest.fixture(scope="module")
def names() -> NameModel:
    return open_names()


def kinds(found: list[Found], text: str) -> set[tuple[str, str]]:
    return {(f.kind, text[f.start : f.end]) for f in found}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (TEXT, "PERSON", "Nora Whitcombe"),
        (TEXT, "LOCATION", "Leeds"),
        ("Ich heiße Jürgen Öztürk und wohne in Kassel.", "PERSON", "Jürgen Öztürk"),
        ("Kind regards\nOlumide Adebayo", "PERSON", "Olumide Adebayo"),
        ("Please deliver it to 17 Mulberry Lane, York.", "STREET_ADDRESS", "17 Mulberry Lane"),
        ("She has worked at Larkspur Holdings Ltd since 2019.", "ORGANIZATION", "Larkspur Holdings Ltd"),
    ],
)
def test_names_that_no_rule_lists_are_found(names: NameModel, text: str, kind: str, value: str) -> None:
    assert (kind, value) in kinds(names.find(text), text)


@pytest.mark.parametrize(
    "text", ["Ticket 536904399 is closed.", "Meet in room 3.12, floor 2 west.", "ITIN 912-71-1234"]
)
def test_rooms_and_numbers_are_no_street(names: NameModel, text: str) -> None:
    assert "STREET_ADDRESS" not in {found.kind for found in names.find(text)}


def test_a_long_run_of_signs_is_not_read(names: NameModel) -> None:
    assert names.find("N!o!r!a! " * 5000) == []
    assert names.find("\ud800 Nora Whitcombe \udfff")[0].kind == "PERSON"


def test_signs_alone_are_no_entity_and_ends_are_words(names: NameModel) -> None:
    for text in ("*** --- ((( ))) ... !!!", "“”“”", "🦊🦊🦊", "(Nora Whitcombe)"):
        for found in names.find(text):
            assert text[found.start].isalnum()
            assert text[found.end - 1].isalnum() or text[found.end - 1] == "."


def test_a_text_of_many_pieces_is_read_to_its_end(names: NameModel) -> None:
    text = "The meeting is over. " * 2000 + TEXT
    assert any(f.start > 40_000 and f.kind == "PERSON" for f in names.find(text))


def test_threads_get_the_answers_of_a_single_one(names: NameModel) -> None:
    texts = [f"{TEXT} Call {first} Farrow." for first in ("Ann", "Bea", "Cid", "Dov")] * 8
    alone = [names.find(t) for t in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(names.find, texts)) == alone


def test_words_are_forgotten_when_a_text_is_done(names: NameModel) -> None:
    names.find("Whitcombezzz Farrowqqq")
    assert "Whitcombezzz" not in names._vocab.strings


def test_path_never_goes_inside_an_entity_that_did_not_begin() -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        path = best_path(rng.dirichlet(np.ones(len(LABELS)) * 0.2, size=12).astype(np.float32))
        for before, label in zip([0, *path], path, strict=False):
            if LABELS[label].startswith("I-"):
                assert LABELS[before][2:] == LABELS[label][2:]
    assert best_path(np.zeros((0, len(LABELS)), np.float32)) == []


def test_tokens_keep_their_places_and_line_ends() -> None:
    text = "O'Neill's at\n12a, High-St."
    assert [w for w, _ in tokens(text)] == [
        "O",
        "'",
        "Neill",
        "'",
        "s",
        "at",
        "\n",
        "12",
        "a",
        ",",
        "High",
        "-",
        "St",
        ".",
    ]
    assert all(text[at : at + len(word)] == word for word, at in tokens(text))


def test_recognisers_with_the_network_find_what_those_without_it_miss() -> None:
    policy = load_policy()
    thresholds = {k: t for k, t in policy.thresholds().items() if k in KINDS}
    text = "Tell Nora Whitcombe that Jürgen Öztürk is late."
    found = {text[e.start : e.end] for e in Recognisers(thresholds, names="packaged").find(text)}
    assert {"Nora Whitcombe", "Jürgen Öztürk"} <= found
    assert "Jürgen Öztürk" not in {text[e.start : e.end] for e in Recognisers(thresholds, names=None).find(text)}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": shutil.rmtree,
    "no lists": lambda folder: (folder / "lists.npz").unlink(),
    "lists cut off": lambda folder: cut(folder / "lists.npz"),
    "weights cut off": lambda folder: cut(folder / "names" / "model"),
    "weights of nothing": lambda folder: (folder / "names" / "model").write_bytes(b""),
    "configuration cut off": lambda folder: cut(folder / "config.cfg"),
}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_network_that_cannot_be_read_stops_the_start_and_says_what_to_do(tmp_path: Path, damage: str) -> None:
    copy = tmp_path / damage
    shutil.copytree(FOLDER, copy)
    DAMAGES[damage](copy)
    with pytest.raises(SettingsError, match=r"personal_data_question and personal_data_answer.*Put that folder back"):
        open_names(copy)


def test_rails_do_not_stand_without_their_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pii, "open_names", lambda: open_names(tmp_path / "gone"))
    _engine.cache_clear()
    with pytest.raises(SettingsError, match="recogniser of names"):
        build_guards(Settings(), "A template.")
