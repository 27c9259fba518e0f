"""YAML that comes with documents: what is read, and what is refused before anything is built of it."""

from __future__ import annotations

import pytest
import yaml

from core.yaml_text import DEEPEST, load


def test_what_people_write_is_read() -> None:
    assert load("title: A\ngroups: [hr, {a: 1}]\nsince: 2026-01-31\n")["groups"] == ["hr", {"a": 1}]
    assert load('{"title": "A", "version": 3}') == {"title": "A", "version": 3}
    assert load("") is None
    assert load("[" * DEEPEST + "]" * DEEPEST) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: [*a, *a]\n", "aliases"),
        ("a: &a {x: 1}\nb: {<<: *a}\n", "aliases"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested more than 20 deep"),
        ("[" * 200_000, "nested more than 20 deep"),  # it ended the process
        ("- " * 9_000 + "x", "nested more than 20 deep"),
        ("a: " + ":".join(["1"] * 1_000_000), "a number of more than 1,000 characters"),
        ("a: 2026-13-45", "a value that cannot be read"),
        ("a: !!bool x", "a value that cannot be read"),
        ("a: !!int ''", "a value that cannot be read"),
        ("a: !!timestamp x", "a value that cannot be read"),
        ("a: " + ":".join(["1"] * 300) + ".0", "a value that cannot be read"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: \ud800", ""),
    ],
)
def test_what_costs_too_much_or_cannot_be_read_is_no_yaml(text: str, said: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        load(text)
    assert said in str(caught.value)
