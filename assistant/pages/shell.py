"""What every page shares: the brand, the way between pages, the signed-in person and the dialogs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from assistant.pages.icons import IconName, icon
from assistant.pages.render import esc
from assistant.pages.theme import static_url
from core.records import Conversation, Principal, Role

if TYPE_CHECKING:
    from core.settings import Settings

PageName = Literal["chat", "library", "review", "ratings", "adapters", "guards", "usage", "mine"]
STAFF_PAGES: Sequence[tuple[str, str, IconName, str, str]] = (
    ("review", "/review", "flag", "Review", "support"),
    ("ratings", "/ratings", "scale", "Ratings", "rater"),
    ("adapters", "/adapters", "layers", "Adapters", "admin"),
    ("guards", "/guards", "shield", "Guards", "admin"),
    ("usage", "/usage", "chart", "Usage", "admin"),
)
"""Name, address, icon, label and whose it is: a role's, or a `rater`'s (support, admin, or somebody with something to rate). The
link is shown to them; the page itself refuses the others."""

FLAG_REASONS = {
    "wrong": "Wrong",
    "outdated": "Outdated",
    "incomplete": "Incomplete",
    "not_my_question": "Not my question",
    "bad_source": "Bad source",
    "unsafe_private": "Unsafe or private",
    "other": "Other",
}


def brand(settings: Settings) -> str:
    return (
        f'<div class="ea-brand"><img src="{static_url("mark.svg")}" alt="" width="28" height="28">'
        f"<div><strong>Assistant</strong><span>{esc(settings.organisation)}</span></div>"
        f'<button type="button" class="ea-tool ea-side-close" data-act="menu" aria-label="Close the menu">{icon("close")}'
        "</button></div>"
    )


def pages_nav(current: PageName) -> str:
    chat = f'<a href="/" class="ea-nav" {_current(current == "chat")}>{icon("edit")}Chat</a>'
    library = f'<a href="/library" class="ea-nav" {_current(current == "library")}>{icon("document")}Documents</a>'
    staff = "".join(
        f'<a href="{href}" class="ea-nav ea-for-{role}" {_current(current == name)}>{icon(sign)}{label}</a>'
        for name, href, sign, label, role in STAFF_PAGES
    )
    mine = f'<a href="/mine" class="ea-nav" {_current(current == "mine")}>{icon("check")}My page</a>'
    return f'<nav aria-label="Pages">{chat}{library}{staff}{mine}</nav>'


def _current(here: bool) -> str:
    return 'aria-current="page"' if here else ""


def account(person: Principal, *, rates: bool) -> str:
    """The signed-in person, their role, their password, the colour mode and the way out.

    Args:
        rates: whether the link to the ratings page is theirs.
    """
    role = next((r for r in ("admin", "support") if r in person.roles), "")
    badge = f'<span class="ea-badge">{role}</span>' if role else ""
    initials = "".join(part[0] for part in person.name.split()[:2]).upper()
    links = [*sorted(person.roles), *(["rater"] if rates else [])]
    return (
        f'<div class="ea-account" data-roles="{" ".join(links)}"><span class="ea-avatar" aria-hidden="true">{esc(initials)}</span>'
        f'<div class="ea-who"><strong>{esc(person.name)}{badge}</strong><span title="{esc(person.email)}">'
        f"{esc(person.email)}</span></div>"
        '<a href="/password" class="ea-tool" aria-label="Change your password" title="Change your password">'
        f"{icon('key')}</a>"
        f'<button type="button" class="ea-tool" data-act="theme" aria-label="Switch between light and dark" '
        f'title="Light or dark">{icon("moon")}</button>'
        '<form method="post" action="/sign-out"><button type="submit" class="ea-tool" aria-label="Sign out" '
        f'title="Sign out">{icon("sign-out")}</button></form></div>'
    )


def conversations(found: Sequence[Conversation], current: str, *, searched: bool, today: date) -> str:
    """The person's conversations, newest first, under the headings that people look for."""
    if not found:
        text = "No conversation matches." if searched else "Your conversations will be listed here."
        return f'<p class="ea-none">{text}</p>'
    parts: list[str] = []
    heading = ""
    for one in found:
        label = _age(one.updated_at, today)
        if label != heading:
            parts.append(f"{'</ul>' if heading else ''}<h2>{label}</h2><ul>")
            heading = label
        parts.append(_conversation(one, current))
    return f'<nav aria-label="Your conversations">{"".join(parts)}</ul></nav>'


def _conversation(one: Conversation, current: str) -> str:
    uid, title = esc(one.conversation_id), esc(titled(one))
    here = ' aria-current="true"' if one.conversation_id == current else ""
    return (
        f'<li class="ea-conversation"{here}><a href="/?c={uid}" data-act="open" data-id="{uid}" title="{title}">{title}</a>'
        f'<button type="button" class="ea-tool" data-act="more" data-id="{uid}" data-title="{title}" '
        f'aria-haspopup="menu" aria-label="More about {title}">{icon("more")}</button></li>'
    )


def titled(one: Conversation) -> str:
    """What a conversation is called; one that began with a text that is not kept has no words of its own."""
    return one.title.strip() or "Untitled"


def _age(at: datetime, today: date) -> str:
    days = (today - at.date()).days
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    if at.date() > today - timedelta(days=7):
        return "Last 7 days"
    return "Last 30 days" if days <= 30 else "Older"


def drawer() -> str:
    """The side panel that shows a source document; its content comes from `/source/...`."""
    return (
        '<aside id="ea-panel" aria-label="Source document" hidden><header>'
        '<strong id="ea-panel-title">Source</strong><span class="ea-grow"></span>'
        f'<a class="ea-tool" id="ea-panel-open" target="_blank" rel="noopener" aria-label="Open in a new tab" '
        f'title="Open in a new tab">{icon("external")}</a>'
        f'<button type="button" class="ea-tool" data-act="close-source" aria-label="Close the source" title="Close">'
        f'{icon("close")}</button></header><div id="ea-panel-body" tabindex="0"></div></aside>'
    )


def dialogs() -> str:
    reasons = "".join(
        f'<label class="ea-reason"><input type="checkbox" name="reason" value="{code}"><span>{label}</span></label>'
        for code, label in FLAG_REASONS.items()
    )
    return (
        '<div id="ea-menu" role="menu" hidden>'
        f'<button type="button" role="menuitem" data-act="rename">{icon("pencil")}Rename</button>'
        f'<a role="menuitem" data-act="export" data-format="md" download>{icon("download")}Export as Markdown</a>'
        f'<a role="menuitem" data-act="export" data-format="json" download>{icon("download")}Export as JSON</a>'
        f'<button type="button" role="menuitem" class="ea-danger" data-act="delete">{icon("trash")}Delete</button></div>'
        '<dialog id="ea-flag" aria-labelledby="ea-flag-title"><form method="dialog">'
        '<h2 id="ea-flag-title">What is wrong with this answer?</h2>'
        '<p class="ea-muted">A reviewer reads every report. Your question, the answer and its sources go with it.</p>'
        f'<fieldset><legend class="ea-sr">Reasons</legend><div class="ea-reasons">{reasons}</div></fieldset>'
        '<label for="ea-flag-comment">Comment</label>'
        '<textarea id="ea-flag-comment" rows="2" maxlength="2000" placeholder="What did you notice?"></textarea>'
        '<label for="ea-flag-expected">What should it have said?</label>'
        '<textarea id="ea-flag-expected" rows="3" maxlength="4000" '
        'placeholder="The right answer, if you know it"></textarea>'
        '<p class="ea-form-error" role="alert" hidden>Choose a reason, or write a comment.</p>'
        f"{_buttons('Send report', 'primary')}</form></dialog>"
        '<dialog id="ea-rename" aria-labelledby="ea-rename-title"><form method="dialog">'
        '<h2 id="ea-rename-title">Rename the conversation</h2><label for="ea-rename-text" class="ea-sr">Title</label>'
        f'<input id="ea-rename-text" maxlength="80" autocomplete="off">{_buttons("Rename", "primary")}</form></dialog>'
        '<dialog id="ea-confirm" aria-labelledby="ea-confirm-title"><form method="dialog">'
        '<h2 id="ea-confirm-title">Delete?</h2><p id="ea-confirm-text"></p>'
        f"{_buttons('Delete', 'danger')}</form></dialog>"
    )


def _buttons(label: str, kind: str) -> str:
    return (
        '<div class="ea-buttons"><button type="button" data-act="dismiss">Cancel</button>'
        f'<button type="submit" class="ea-{kind}" value="ok">{label}</button></div>'
    )


def top(title: str, *, note: str = "", only: Role | None = None) -> str:
    """The bar over the page: the menu button of a phone, and what is open; a page of a role tells the others whose it is."""
    extra = f'<span class="ea-top-note">{icon("ghost")}{esc(note)}</span>' if note else ""
    return (
        f'<header class="ea-topbar"><button type="button" class="ea-tool ea-menu-open" data-act="menu" '
        f'aria-label="Open the menu">{icon("menu")}</button>{f"<h1>{esc(title)}</h1>" if title else ""}{extra}</header>{_closed(only)}'
    )


def _closed(only: Role | None) -> str:
    """What people without the role see in place of the page; the stylesheet shows it to them alone."""
    if only is None:
        return ""
    whose = {"support": "reviewers and administrators", "admin": "administrators"}
    return f'<p class="ea-none ea-closed ea-only-{only}">This page is for {whose[only]}. Ask an administrator if you need it.</p>'
