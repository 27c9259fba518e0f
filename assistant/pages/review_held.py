"""What is held back from training: approved items that look like an attempt to teach something, for a person to release or reject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.pages.icons import icon
from assistant.pages.render import day, esc, language_name, moment
from assistant.pages.review_case import decisions_html, passages_html, said_html
from assistant.pages.review_list import SOURCE_NAMES, without_words
from assistant.pages.source import label
from core.datasets import UNRELEASABLE, Hold, HoldReason
from core.review_records import Case, Item

SHOWN = 500
REASONS: Mapping[HoldReason, str] = {
    "burst": "Many reports in a short time from few accounts",
    "person_share": "One person's reports would be too much of the training data",
    "group_share": "One group's reports would be too much of the training data",
    "outlier": "The question has little to do with the passage that answers it",
    "ungrounded": "The passages do not bear out the written answer",
    "injection": "The written answer speaks to the assistant, not to a person",
    "contradiction": "Another approved item answers the same question differently",
    "personal_data": "Personal data are still there after masking",
}
DETAILS = {
    "personal_data_in_answer": "They stand in the answer: it would teach the assistant to say a mask.",
    "another item answers this question differently": "",
    "still_detected": "Something of them is still found in the masked words.",
}
ASK: Mapping[HoldReason, str] = {
    "burst": "Did these people run into a real error, or does somebody try to teach the assistant something?",
    "contradiction": "Release the one that is right, and reject the other.",
    "person_share": "Release it where this person's corrections are right and others have none.",
    "group_share": "Release it where this group's corrections are right and others have none.",
    "personal_data": "No release lets it in: reject it, or leave it here. It goes by itself once nothing is found any more.",
}
JUDGE = "Release it where the correction is right as it stands, and reject it where it is not."
INVOLVED = "You flagged or reviewed this item yourself: another person releases or rejects it."
OPTED_OUT = (
    "Whoever asked this does not let their questions be used for training: a release changes nothing while that holds."
)


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An approved item with everything that holds it, oldest first."""

    item: Item
    holds: tuple[Hold, ...]

    @property
    def releasable(self) -> bool:
        return all(one.reason not in UNRELEASABLE for one in self.holds)


def held_line(count: int) -> str:
    """The line in the queue that says that some wait; nothing where none does."""
    if not count:
        return ""
    said = f"{count} approved item is" if count == 1 else f"{count} approved items are"
    return (
        f'<p class="ea-low rv-held-line">{icon("shield")}<span>{said} held back from training until another person releases '
        f"or rejects {'it' if count == 1 else 'them'}.</span>"
        '<button type="button" class="ea-small" data-act="held_tab">Look</button></p>'
    )


def held_list(held: Sequence[HeldItem], questions: Mapping[str, str]) -> str:
    """The items that are held, those held longest first; `questions` holds those that this reviewer may see."""
    if not held:
        return (
            '<div class="rv-empty"><strong>Nothing is held back.</strong><p>When a dataset is made, what looks like an attempt to '
            "teach the assistant something is held here until a person decides.</p></div>"
        )
    count = f"{len(held):,} item{'' if len(held) == 1 else 's'}"
    if len(held) > SHOWN:
        count = f"The first {SHOWN} of {count}"
    rows = "".join(_row(one, questions.get(one.item.item_id, "")) for one in held[:SHOWN])
    return f'<p class="ea-count" role="status">{count}</p><ul class="ea-docs rv-items">{rows}</ul>'


def held_case(one: HeldItem, case: Case, *, involved: bool, low_evidence: float) -> str:
    """One held item: what was asked, answered and approved, why it is held, and the form that decides."""
    sign, kind = SOURCE_NAMES[one.item.source]
    return (
        f'<section class="rv-held-case" tabindex="-1" data-item="{esc(one.item.item_id)}"><header class="rv-bar">'
        '<button type="button" class="ea-small" data-act="held_back">Back to what is held</button>'
        f'<strong>{icon(sign)}{kind}</strong><span class="ea-muted">held since {moment(one.holds[0].held_at)}</span></header>'
        f'<div class="rv-columns"><div class="rv-said">{said_html(case, low_evidence)}</div>'
        f'<div class="rv-passages">{passages_html(case)}</div>'
        f'<div class="rv-decide">{_why(one)}{decisions_html(case)}{_form(one, case, involved)}</div></div></section>'
    )


def _row(one: HeldItem, question: str) -> str:
    item = one.item
    sign, kind = SOURCE_NAMES[item.source]
    words = esc(question) if question else f'<span class="ea-muted">{without_words(item)}</span>'
    reasons = "".join(f'<span class="rv-why">{REASONS[hold.reason]}</span>' for hold in one.holds)
    facts = " · ".join(part for part in (kind, item.department, language_name(item.language)) if part)
    lock = label(item.needs) if not item.allowed else ""
    return (
        f'<li class="ea-doc rv-item" data-item="{esc(item.item_id)}">{icon(sign)}<div class="ea-doc-main">'
        f'<button type="button" class="ea-doc-title" data-act="held_open" data-id="{esc(item.item_id)}">{words}</button>'
        f'{reasons}<span class="ea-doc-facts">{esc(facts)}</span></div>{lock}'
        f'<span class="rv-age rv-since">since {day(one.holds[0].held_at)}</span></li>'
    )


def _why(one: HeldItem) -> str:
    listed = "".join(
        f"<li><strong>{REASONS[hold.reason]}</strong>"
        f'<span class="ea-muted">{esc(DETAILS.get(hold.detail, hold.detail))}</span></li>'
        for hold in one.holds
    )
    ask = dict.fromkeys(ASK.get(hold.reason, JUDGE) for hold in one.holds)
    return f'<h3>Why it is held</h3><ul class="rv-reasons">{listed}</ul>{"".join(f"<p>{text}</p>" for text in ask)}'


def _form(one: HeldItem, case: Case, involved: bool) -> str:
    if involved or not case.item.allowed:
        said = INVOLVED if involved else case.why_not
        return f'<p class="ea-low">{icon("info")}<span>{esc(said)}</span></p>'
    opted_out = "" if case.may_train else f'<p class="ea-low">{icon("info")}<span>{OPTED_OUT}</span></p>'
    release = (
        '<button type="submit" class="ea-primary" value="release">Release into training</button>'
        if one.releasable
        else ""
    )
    return (
        f'{opted_out}<form class="rv-form rv-held-form" autocomplete="off"><label for="rv-held-note">Note '
        '<span class="ea-muted">why; it is kept with your decision</span></label>'
        '<textarea id="rv-held-note" rows="3" maxlength="4000"></textarea><p class="ea-form-error" role="alert" hidden></p>'
        '<div class="ea-buttons"><button type="submit" class="ea-danger" value="reject">Reject from training</button>'
        f"{release}</div></form>"
    )
