"""Answers, citations and conversations as HTML. Every text from a person, a model or a document is escaped here.

Markdown is rendered with raw HTML, images and links switched off: a poisoned document can colour an answer,
but it can neither run a script, nor load an image, nor send anybody anywhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from assistant.citing import LONGEST_QUOTE
from assistant.pages.icons import IconName, icon
from core.records import Answer, Citation, Question, Turn, TurnStatus

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

_MARKER = re.compile(r"\[(\d{1,3})\]")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One exchange as the chat page draws it, stored or still being written."""

    turn_id: str
    question: str
    answer: str
    status: TurnStatus
    reason: str
    citations: tuple[Citation, ...]
    adapter: str
    evidence: float
    low_evidence: bool
    thumb: str = ""
    flagged: bool = False


def shown_turn(turn: Turn, low_evidence: float, feedback: Sequence[tuple[str, str]] = ()) -> Shown:
    """A stored turn; `feedback` holds its (turn_id, kind) pairs, oldest first."""
    kinds = [kind for turn_id, kind in feedback if turn_id == turn.turn_id]
    thumbs = [kind for kind in kinds if kind != "flag"]
    return Shown(
        turn_id=turn.turn_id,
        question=turn.question,
        answer=turn.answer,
        status=turn.status,
        reason=turn.reason,
        citations=turn.citations,
        adapter=turn.adapter,
        evidence=turn.evidence,
        low_evidence=turn.evidence < low_evidence,
        thumb=thumbs[-1] if thumbs else "",
        flagged="flag" in kinds,
    )


def shown_answer(question: Question, answer: Answer) -> Shown:
    """An answer that is not read back from the store: a temporary chat's."""
    return Shown(
        turn_id=answer.turn_id,
        question=question.text,
        answer=answer.text,
        status=answer.status,
        reason=answer.reason,
        citations=answer.citations,
        adapter=answer.adapter,
        evidence=answer.evidence,
        low_evidence=answer.low_evidence,
    )


def esc(text: object) -> str:
    """Text for HTML content and quoted attributes; braces too, since the page's components know templates."""
    return html.escape(str(text), quote=True).translate(_BRACES)


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    parser.disable(["image", "link", "autolink", "html_inline", "html_block", "reference", "entity"])
    parser.inline.ruler.before("link", "citation", _citation_rule)
    return parser


def _citation_rule(state: StateInline, silent: bool) -> bool:
    found = _MARKER.match(state.src, state.pos)
    known = state.env["markers"]
    if found is None or (known is not None and int(found[1]) not in known):
        return False
    if not silent:
        n = int(found[1])
        token = state.push("html_inline", "", 0)
        token.content = f'<span class="ea-marker">{n}</span>' if known is None else _marker(n, known[n])
    state.pos = found.end()
    return True


def _marker(n: int, citation: Citation) -> str:
    return (
        f'<button type="button" class="ea-marker" data-act="source" data-href="{esc(source_url(citation))}" '
        f'aria-label="Source {n}: {esc(citation.title)}" title="{esc(place(citation))}">{n}</button>'
    )


def rich(text: str, citations: Sequence[Citation] | None = ()) -> str:
    """Markdown to safe HTML; `[n]` of a given citation becomes a button that opens its source.

    `citations` is None while the answer is being written: its sources come with its end, so markers open nothing yet.
    """
    rendered: str = _markdown().render(text, {"markers": None if citations is None else {c.n: c for c in citations}})
    return (
        rendered.translate(_BRACES)
        .replace("<pre>", '<pre tabindex="0">')
        .replace("<table>", '<div class="ea-table" tabindex="0"><table>')
        .replace("</table>", "</table></div>")
    )


def moment(at: datetime) -> str:
    """A time; the browser shows it in the reader's form and zone (static/shell.js)."""
    return f'<time class="ea-when" datetime="{at.isoformat(timespec="seconds")}">{at:%Y-%m-%d %H:%M} UTC</time>'


def dated(value: date) -> str:
    """A date in words, where no markup may stand."""
    return f"{value.day} {value:%b %Y}"


def day(value: date) -> str:
    return f'<time datetime="{value:%Y-%m-%d}">{dated(value)}</time>'


_LANGUAGES = {
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "sv": "Swedish",
    "und": "Language unknown",
}
"""Those that ingestion tells apart."""


def language_name(code: str) -> str:
    """A language as people call it; its code where a file names another one."""
    return _LANGUAGES.get(code, code)


def language_choices(codes: Iterable[str]) -> list[tuple[str, str]]:
    """The choices of a filter by language."""
    return [("Any language", ""), *sorted((language_name(code), code) for code in set(codes) - {""})]


def place(citation: Citation) -> str:
    """Title, section and page in one line, as a chip shows them."""
    section = "" if citation.section in ("", citation.title) else citation.section
    page = f"p. {citation.page}" if citation.page else ""
    return " · ".join(part for part in (citation.title, section, page) if part)


def source_url(citation: Citation) -> str:
    query = urlencode({"passage": citation.passage_id, "quote": citation.quote[:LONGEST_QUOTE]})
    return f"/source/{quote(citation.document_id, safe='')}/{citation.version}?{query}"


def exchange(shown: Shown, *, last: bool, temporary: bool) -> str:
    """A finished question and its answer, with sources, evidence and what can be done with it."""
    return (
        f'<section class="ea-exchange" data-turn="{esc(shown.turn_id)}">'
        f"{_asked(shown.question, shown.turn_id if last else '')}"
        f'<article class="ea-answer ea-{shown.status}" aria-label="Answer">'
        f"{_body(shown)}{_sources(shown)}{_footer(shown, last=last, temporary=temporary)}"
        "</article></section>"
    )


def waiting(question: str, pieces: Sequence[str], run_id: str) -> str:
    """The exchange in progress: the question, and the pieces that were released so far."""
    body = (
        f'<div class="ea-text ea-writing">{rich("".join(pieces), None)}</div>'
        if pieces
        else '<p class="ea-searching"><span class="ea-dots" aria-hidden="true"><i></i><i></i><i></i></span>'
        "Searching the documents that you may read</p>"
    )
    return (
        f'<section class="ea-exchange ea-live" data-run="{esc(run_id)}" aria-busy="true">{_asked(question, "")}'
        f'<article class="ea-answer" aria-label="Answer, still being written">{body}</article></section>'
    )


def problem(question: str, message: str, action: str = "") -> str:
    """An exchange that could not be stored: the question stays readable, so that nothing typed is lost."""
    return (
        f'<section class="ea-exchange">{_asked(question, "")}<article class="ea-answer ea-failed" role="alert">'
        f"{_notice('alert', 'This did not work', esc(message) + action)}</article></section>"
    )


def unsent(message: str) -> str:
    """Why nothing was asked; the text is still in the box."""
    return (
        '<section class="ea-exchange"><article class="ea-answer ea-failed" role="alert">'
        f"{_notice('alert', 'Not sent', esc(message))}</article></section>"
    )


def _asked(question: str, editable_turn: str) -> str:
    edit = (
        f'<button type="button" class="ea-tool" data-act="edit" data-turn="{esc(editable_turn)}" '
        f'aria-label="Edit this question" title="Edit">{icon("pencil")}</button>'
        if editable_turn
        else ""
    )
    unkept = "" if question.strip() else " ea-unkept"
    return f'<div class="ea-asked">{edit}<div class="ea-bubble{unkept}" dir="auto">{esc(question)}</div></div>'


_KIND: Mapping[TurnStatus, tuple[IconName, str]] = {
    "refused": ("shield", "I can't help with that here"),
    "no_answer": ("search", "I found no answer in the documents that you may read"),
    "failed": ("alert", "This did not work"),
}


def _body(shown: Shown) -> str:
    if shown.status in _KIND:
        name, title = _KIND[shown.status]
        return _notice(name, title, _mailable(rich(shown.answer, shown.citations)))
    stopped = '<p class="ea-stopped">You stopped this answer.</p>' if shown.status == "stopped" else ""
    text = rich(shown.answer, shown.citations) if shown.answer else ""
    return f'<div class="ea-text" dir="auto">{text}</div>{stopped}'


def _mailable(rendered: str) -> str:
    """Rendered HTML with its e-mail addresses as links; tags are left as they are."""
    parts = re.split(r"(<[^>]*>)", rendered)
    return "".join(p if p.startswith("<") else _ADDRESS.sub(r'<a href="mailto:\g<0>">\g<0></a>', p) for p in parts)


def _notice(name: IconName, title: str, body: str) -> str:
    return f'<div class="ea-notice">{icon(name)}<div><strong>{title}</strong>{body}</div></div>'


def _sources(shown: Shown) -> str:
    if not shown.citations:
        return ""
    chips = "".join(
        f'<li><button type="button" class="ea-chip" data-act="source" data-href="{esc(source_url(c))}" '
        f'title="{esc(place(c))}"><span class="ea-n">{c.n}</span><span class="ea-chip-text">{esc(place(c))}</span>'
        "</button></li>"
        for c in shown.citations
    )
    return f'<ul class="ea-sources" aria-label="Sources">{chips}</ul>'


def evidence_meter(evidence: float, *, low: bool) -> str:
    """The evidence score in [0, 1] as a bar and a number."""
    percent = round(max(0.0, min(1.0, evidence)) * 100)
    level = "low" if low else ("strong" if percent >= 75 else "fair")
    return (
        f'<span class="ea-evidence ea-{level}" title="How well the found passages support an answer, 0 to 100">'
        f'<span class="ea-bar" role="meter" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="Evidence"><span style="width:{percent}%"></span></span>Evidence {percent}</span>'
    )


def _footer(shown: Shown, *, last: bool, temporary: bool) -> str:
    low = (
        f'<p class="ea-low">{icon("alert")}Little evidence was found for this. Check the sources before you rely on it.</p>'
        if shown.low_evidence and shown.status == "answered"
        else ""
    )
    written = shown.status in ("answered", "stopped")
    meter = evidence_meter(shown.evidence, low=shown.low_evidence) if written else ""
    adapter = f'<span class="ea-by">answered by {esc(shown.adapter)}</span>' if written and shown.adapter else ""
    tools = [_tool("copy", "copy", "Copy the answer", shown.turn_id)]
    if last:
        tools.append(_tool("refresh", "regenerate", "Answer again", shown.turn_id))
    if not temporary:
        tools += [
            _tool("thumb-up", "up", "Good answer", shown.turn_id, pressed=shown.thumb == "up"),
            _tool("thumb-down", "down", "Bad answer", shown.turn_id, pressed=shown.thumb == "down"),
            _tool("flag", "flag", "Report a problem", shown.turn_id, pressed=shown.flagged),
        ]
    return f'{low}<div class="ea-footer"><div class="ea-tools">{"".join(tools)}</div>{meter}{adapter}</div>'


def _tool(name: IconName, act: str, label: str, turn_id: str, *, pressed: bool | None = None) -> str:
    state = "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
    return (
        f'<button type="button" class="ea-tool" data-act="{act}" data-turn="{esc(turn_id)}" '
        f'aria-label="{label}" title="{label}"{state}>{icon(name)}</button>'
    )


def spoken(text: str) -> str:
    """A sentence for the screen reader, escaped: no markers, no markup."""
    return esc(_words(text))


def _words(text: str) -> str:
    return " ".join(re.sub(r"[*_`#|]+", " ", _MARKER.sub("", text)).split())


def summary(shown: Shown) -> str:
    """What a screen reader hears when an answer is complete."""
    if shown.status in _KIND:
        return esc(f"{_KIND[shown.status][1]}. {_words(shown.answer)}")
    count = len(shown.citations)
    sources = f"{count} source{'' if count == 1 else 's'}"
    low = " Little evidence was found." if shown.low_evidence else ""
    return f"{'Stopped' if shown.status == 'stopped' else 'Answer complete'}, {sources}.{low}"
