"""What counts as saying the same, and what only looks like it."""

from __future__ import annotations

import pytest

from retrieval.dedup import SIMILAR, fingerprint, says_the_same, similarities
from retrieval.language import detect_language

POLICY = " ".join(
    f"Employees at site {n} may claim {n * 10} pounds for travel when the manager approves the trip in writing."
    for n in range(12)
)


def test_layout_and_format_do_not_change_the_fingerprint() -> None:
    assert fingerprint("# Leave\n\n| A | B |").text_sha256 == fingerprint("leave a b").text_sha256


def test_near_copies_are_similar_and_others_are_not() -> None:
    one = fingerprint(POLICY).minhash
    near = fingerprint(f"Internal copy for the intranet. {POLICY}").minhash
    far = fingerprint("The canteen in Hamburg opens at noon and closes at three, except on Fridays.").minhash
    shares = similarities(one, [near, far])
    assert shares[0] >= SIMILAR
    assert shares[1] < 0.2
    assert similarities(one, []).size == 0


def test_banner_and_spelling_say_the_same() -> None:
    assert says_the_same(POLICY, f"Intranet copy. {POLICY}")
    assert says_the_same(f"{POLICY} The organisation pays.", f"{POLICY} The organization pays.")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("claim 30 pounds", "claim 35 pounds"),
        ("may claim 30", "may not claim 30"),
        ("may claim 30", "must claim 30"),
        ("at site 3", "at Hamburg 3"),
        ("approves the trip in writing", "approves the trip in person"),
        ("site 3 may claim 30", "site 30 may claim 3"),
    ],
)
def test_one_changed_fact_is_not_the_same(was: str, now: str) -> None:
    assert was in POLICY
    assert not says_the_same(POLICY, POLICY.replace(was, now, 1))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Employees must request annual leave two weeks before it begins.", "en"),
        ("Die Beschäftigten müssen ihren Urlaub zwei Wochen vorher beantragen.", "de"),
        ("Los empleados deben solicitar sus vacaciones con dos semanas de antelación.", "es"),
        ("12 34", "und"),
    ],
)
def test_language_is_told(text: str, language: str) -> None:
    assert detect_language(text) == language
