"""The review queue as a list: what waits, how long, for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from assistant.pages.icons import IconName, icon
from assistant.pages.render import esc, language_name
from assistant.pages.shell import FLAG_REASONS
from assistant.pages.source import label
from core.records import DECISIONS, Decision, Principal
from core.review_records import SOURCES, URGENCY, WANTED, Item, QueueFilter, Source

SOURCE_NAMES: Mapping[Source, tuple[IconName, str]] = {
    "flag": ("flag", "Report"),
    "thumbs_up": ("thumb-up", "Thumb up"),
    "thumbs_down": ("thumb-down", "Thumb down"),
    "escalated": ("external", "Handed on by the policy"),
}
STATUS_NAMES: Mapping[str, str] = {
    "waiting": "Waiting",
    "open": "Open",
    "assigned": "Being reviewed",
    "second": "Waits for a second reviewer",
    "adjudicate": "Disagreement",
    "done": "Done",
    "": "Everything",
}
DECISION_NAMES: Mapping[Decision, str] = {
    "train": "Train",
    "fix_document": "Fix document",
    "fix_retrieval": "Fix retrieval",
    "fix_guard": "Fix guard",
    "fix_prompt": "Fix prompt",
    "reject": "Reject",
}
AGES = (
    ("Any age", 0),
    ("Older than 1 day", 1),
    ("Older than 3 days", 3),
    ("Older than 7 days", 7),
    ("Older than 14 days", 14),
)
LISTED = 1000
"""Rows that a browser still shows at once."""
DUES = (("Due or overdue", ""), ("Overdue only", "true"))
FILTERS = (
    "status",
    "source",
    "department",
    "language",
    "adapter",
    "reason",
    "assignee",
    "decision",
    "older_than_days",
    "overdue",
)
"""The filters of the page, in the order of its fields."""
assert set(DECISION_NAMES) == set(DECISIONS)


def status_choices() -> list[tuple[str, str]]:
    return [(STATUS_NAMES[word], word) for word in WANTED]


def source_choices() -> list[tuple[str, str]]:
    return [("Every kind", ""), *((SOURCE_NAMES[one][1], one) for one in SOURCES)]


def reason_choices() -> list[tuple[str, str]]:
    return [("Any reason", ""), *((name, code) for code, name in FLAG_REASONS.items())]


def decision_choices() -> list[tuple[str, str]]:
    return [("Any decision", ""), *((name, code) for code, name in DECISION_NAMES.items())]


def shown(items: Sequence[Item]) -> Sequence[Item]:
    """As many of the items as a page lists."""
    return items[:LISTED]


def listing(items: Sequence[Item], questions: Mapping[str, str], reviewer: Principal, now: datetime) -> str:
    """The first LISTED of the items, in their order; `questions` holds those that this reviewer may see."""
    if not items:
        return (
            '<div class="rv-empty"><strong>Nothing waits here.</strong>'
            "<p>Reports and thumbs of people appear here as they are given. Change the filters to see what is done.</p></div>"
        )
    late = sum(item.overdue(now) for item in items)
    count = f"{len(items):,} item{'' if len(items) == 1 else 's'}" + (f", {late:,} overdue" if late else "")
    if len(items) > LISTED:
        count = f"{LISTED:,} of {count}: narrow them by the filters. An export holds all of them."
    rows = "".join(_row(item, questions.get(item.item_id, ""), reviewer, now) for item in shown(items))
    return f'<p class="ea-count" role="status">{count}</p><ul class="ea-docs rv-items">{rows}</ul>'


def _row(item: Item, question: str, reviewer: Principal, now: datetime) -> str:
    sign, kind = SOURCE_NAMES[item.source]
    reasons = ", ".join(FLAG_REASONS.get(one, one) for one in item.reasons)
    facts = " · ".join(
        part
        for part in (
            kind + (f": {reasons}" if reasons else ""),
            item.department,
            language_name(item.language),
            item.adapter,
            f"{_held(item, reviewer)}" if item.assigned_to else "",
        )
        if part
    )
    words = esc(question) if question else f'<span class="ea-muted">{without_words(item)}</span>'
    urgent = '<span class="ea-badge rv-urgent">urgent</span>' if URGENCY[item.priority] == "urgent" else ""
    lock = label(item.needs) if not item.allowed else ""
    return (
        f'<li class="ea-doc rv-item" data-item="{esc(item.item_id)}">{icon(sign)}<div class="ea-doc-main">'
        f'<button type="button" class="ea-doc-title" data-act="review_open" data-id="{esc(item.item_id)}">{words}</button>'
        f'<span class="ea-doc-facts">{esc(facts)}</span></div>{urgent}{lock}{_status(item)}{age(item, now)}</li>'
    )


def _held(item: Item, reviewer: Principal) -> str:
    return "held by you" if item.assigned_to == reviewer.person_id else f"held by {item.assigned_to}"


def without_words(item: Item) -> str:
    """Why an item's question is not there to be read."""
    if not item.allowed:
        return "Not shown: you may not read all of its sources"
    return "Temporary chat: nothing was kept of the question" if item.temporary else "The question is empty"


def _status(item: Item) -> str:
    text = DECISION_NAMES[item.decision] if item.decision else STATUS_NAMES[item.status]
    return f'<span class="ea-badge rv-status-{item.status}">{text.lower()}</span>'


def age(item: Item, now: datetime) -> str:
    """How long an item has waited, and whether that is too long."""
    waited = now - item.created_at
    hours = int(waited.total_seconds() // 3600)
    text = f"{hours // 24} d" if hours >= 24 else f"{hours} h" if hours else f"{int(waited.total_seconds() // 60)} min"
    late = item.overdue(now)
    title = f"Given {item.created_at:%Y-%m-%d %H:%M} UTC, due {item.due:%Y-%m-%d %H:%M} UTC"
    said = f"{text}, overdue" if late else text
    return f'<time class="rv-age{" rv-late" if late else ""}" datetime="{item.created_at.isoformat()}" title="{title}">{said}</time>'


def exports(wanted: QueueFilter) -> str:
    """Links to all that the filters leave, as files."""
    chosen = {name: getattr(wanted, name) for name in FILTERS if getattr(wanted, name)} | {"status": wanted.status}
    links = "".join(
        f'<a class="ea-small" href="/reviews/export?{esc(urlencode(chosen | {"format": kind}))}" download>'
        f"{icon('download')}{kind.upper()}</a>"
        for kind in ("csv", "jsonl")
    )
    return f'<div class="rv-exports"><span class="ea-muted">Export all of these:</span>{links}</div>'
