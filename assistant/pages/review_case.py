"""One item of the review queue: question, answer, passages and verdicts side by side, and the form of the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from assistant.pages.icons import icon
from assistant.pages.render import esc, evidence_meter, rich
from assistant.pages.review_list import DECISION_NAMES, SOURCE_NAMES, age
from assistant.pages.review_suggest import suggestion
from assistant.pages.shell import FLAG_REASONS
from assistant.pages.source import label
from core.document_tasks import Recipients
from core.records import DECISIONS, Correction, Decision, Feedback, Triage, Turn
from core.review_records import Case, Evidence
from core.turns import ESCALATED

MEANS: Mapping[Decision, str] = {
    "train": "The passages hold the right answer, and the assistant should have given it. Mark it, or write it.",
    "fix_document": "The document itself is wrong, old or unclear. Its owner gets your note as a task.",
    "fix_retrieval": "The right passage exists, but the search did not find it.",
    "fix_guard": "A check refused what was harmless, or let through what was not.",
    "fix_prompt": "The right words, in the wrong form: too long, wrong language, wrong tone.",
    "reject": "The answer was right, or the report says nothing that can be used.",
}
NO_TRAINING = (
    "Whoever asked this does not let their questions be used for training: a correction would go nowhere. Decide whether a "
    "document, the search, a check or the prompt is to be mended, or reject it."
)
HANDED_ON = (
    "The policy hands such a question on to people before any document is searched, so no model is ever asked it: a correction would go "
    "nowhere. If it should be answered, choose Fix guard: an administrator changes the policy."
)
KINDS = (
    ("span", "Mark it in a passage"),
    ("text", "Write the answer"),
    ("refuse", "The passages do not answer"),
    ("clarify", "Should have asked back"),
    ("confirm", "The answer was right"),
)
GUIDELINES = (
    "Judge the answer against the passages, not against what you know yourself.",
    "Mark the shortest words that answer completely: “25 days of annual leave”, not the whole paragraph.",
    "Write an answer only where no single place says it; use the passage's own numbers and names.",
    "If no passage answers, the right answer is “The passages do not answer”.",
    "If the document is wrong, no training helps: choose Fix document.",
    "Never write personal data, or anything from outside the passages, into an answer.",
)
KEYS = (
    ("1 … 6", "decision"),
    ("[ ]", "previous or next sentence"),
    ("S", "take the suggestion"),
    ("W", "write the answer"),
    ("P", "the passages do not answer"),
    ("A", "should have asked back"),
    ("Y", "the answer was right"),
    ("N", "write a note"),
    ("Ctrl Enter", "save and next"),
    ("X", "skip"),
    ("Esc", "back to the queue"),
    ("J K", "down and up in the queue"),
)


def case_html(
    case: Case,
    colleagues: Sequence[str],
    now: datetime,
    *,
    low_evidence: float,
    recipients: Mapping[str, Recipients],
) -> str:
    """The whole view of one item.

    Args:
        colleagues: ids of the reviewers whom it can be handed to.
        recipients: who would see a task about each passage's document, as `DocumentTasks.recipients` says.
    """
    item = case.item
    sign, kind = SOURCE_NAMES[item.source]
    decide = (
        _form(case, recipients)
        if case.may_decide
        else f'<p class="ea-low">{icon("info")}<span>{esc(case.why_not)}</span></p>'
    )
    if case.may_decide and (said := _goes_nowhere(case)):
        decide = f'<p class="ea-low">{icon("info")}<span>{said}</span></p>{decide}'
    return (
        f'<section class="rv-case" tabindex="-1" data-item="{esc(item.item_id)}" {_suggested(case)}>'
        '<header class="rv-bar"><button type="button" class="ea-small" data-act="review_back">Back to the queue</button>'
        f"<strong>{icon(sign)}{kind}</strong>{age(item, now)}"
        f'<span class="ea-grow"></span>{_hand_on(case, colleagues)}</header>'
        f'<div class="rv-columns"><div class="rv-said">{said_html(case, low_evidence)}</div>'
        f'<div class="rv-passages">{passages_html(case)}</div>'
        f'<div class="rv-decide">{decisions_html(case)}{decide}{_guidelines()}</div></div></section>'
    )


def _goes_nowhere(case: Case) -> str:
    """Why nothing is learnt from a correction of this item, where nothing is."""
    if not case.may_train:
        return NO_TRAINING
    return HANDED_ON if case.turn.counts.get(ESCALATED) else ""


def _suggested(case: Case) -> str:
    found = suggestion(case) if case.may_decide else None
    if found is None:
        return ""
    values = {
        "kind": found.kind,
        "answer": found.answer,
        "passage": found.passage_id,
        "start": found.start,
        "end": found.end,
    }
    return " ".join(f'data-s-{name}="{esc(value)}"' for name, value in values.items())


def said_html(case: Case, low_evidence: float) -> str:
    """Question, answer, report and trace; of what this reviewer may not read, who may."""
    asked = case.turn
    if not case.item.allowed:
        who = ", ".join(case.readers) or "nobody: ask your administrator for a reviewer with the clearance"
        return (
            f"<h3>Not shown</h3><p>Its sources are {label(case.item.needs)} and you may not read all of them, so neither the "
            f"question nor the answer is shown to you.</p><p>These reviewers may: <strong>{esc(who)}</strong>.</p>"
        )
    if case.item.temporary or not asked.question:
        words = "<h3>Question and answer</h3><p>This was a temporary chat: nothing was kept of its words. The report below says what was wrong.</p>"
    else:
        rewritten = (
            f'<p class="ea-muted rv-small">Searched as: {esc(asked.standalone_question)}</p>'
            if asked.standalone_question not in ("", asked.question)
            else ""
        )
        words = (
            f'<h3>Question</h3><div class="ea-bubble" dir="auto">{esc(asked.question)}</div>{rewritten}'
            f'<h3>Answer</h3><div class="ea-text rv-answer" dir="auto">{rich(asked.answer, None) if asked.answer else "<p>No answer was given.</p>"}</div>'
        )
    return words + _report(case.feedback) + _trace(asked, low_evidence)


def _report(given: Feedback | None) -> str:
    if given is None:
        return ""
    reasons = "".join(f'<span class="ea-badge">{esc(FLAG_REASONS.get(r, r))}</span>' for r in given.reasons)
    comment = f'<p dir="auto">{esc(given.comment)}</p>' if given.comment else ""
    expected = (
        f'<p dir="auto"><span class="ea-muted">Expected:</span> {esc(given.expected)}</p>' if given.expected else ""
    )
    if not (reasons or comment or expected):
        return ""
    return f'<h3>What the person said</h3><div class="rv-report">{reasons}{comment}{expected}</div>'


def _trace(asked: Turn, low_evidence: float) -> str:
    """Adapter, outcome, evidence and verdicts in a few lines, so that the passages are near."""
    facts = [
        ("Adapter", esc(asked.adapter or "none")),
        ("Model", esc(asked.model)),
        ("Arm", esc(asked.arm)),
        ("Outcome", esc(asked.status + (f": {asked.reason}" if asked.reason else ""))),
    ]
    acted = [v for v in asked.verdicts if v.get("action") != "allow"]
    passed = len(asked.verdicts) - len(acted)
    facts.append(("Verdicts", f"{passed or 'no'} check{'' if passed == 1 else 's'} passed"))
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    meter = evidence_meter(asked.evidence, low=asked.evidence < low_evidence)
    rows = "".join(_verdict(one) for one in acted)
    return (
        f'<h3>How it was answered</h3><dl class="rv-trace">{listed}<div><dt class="ea-sr">Evidence</dt><dd>{meter}</dd></div></dl>'
        + (f'<ul class="rv-verdicts">{rows}</ul>' if rows else "")
    )


def _verdict(one: Mapping[str, object]) -> str:
    rule = f' <span class="ea-muted">({esc(one["rule"])})</span>' if one.get("rule") else ""
    return f"<li><strong>{esc(one.get('guard', ''))}</strong> {esc(one.get('action', ''))}{rule}</li>"


def passages_html(case: Case) -> str:
    """What the answer was made from; of what this reviewer may not read, the labels only."""
    if not case.item.allowed:
        hidden = "".join(f"<li>{label(one.classification)}</li>" for one in case.passages)
        return f'<h3>Passages</h3><ul class="rv-hidden">{hidden}</ul>'
    cited = {c.passage_id: c.n for c in case.turn.citations}
    listed = "".join(_passage(n, one, cited.get(one.passage_id)) for n, one in enumerate(case.passages, 1))
    none = '<p class="ea-muted">The search found no passage for this question.</p>'
    hint = (
        '<p class="ea-muted rv-small">Mark words with the mouse, or click a sentence.</p>'
        if case.may_decide and listed
        else ""
    )
    return f"<h3>Passages</h3>{hint}{listed or none}"


def _passage(number: int, one: Evidence, cited: int | None) -> str:
    mark = f'<span class="ea-badge">cited as {cited}</span>' if cited else ""
    place = " · ".join(filter(None, (one.section, f"version {one.version}", one.owner, f"score {one.score:.2f}")))
    head = (
        f"<header><strong>{number}. {esc(one.title)}</strong>{label(one.classification)}{mark}"
        f'<span class="ea-muted">{esc(place)}</span></header>'
    )
    text = (
        f'<div class="rv-text" data-passage="{esc(one.passage_id)}" dir="auto">{esc(one.text)}</div>'
        if one.text
        else '<p class="ea-muted">The text of this version is not held any more.</p>'
    )
    return f'<article class="rv-passage">{head}{text}</article>'


def _form(case: Case, recipients: Mapping[str, Recipients]) -> str:
    decisions = "".join(
        f'<label class="rv-choice" title="{esc(MEANS[one])}"><input type="radio" name="rv-decision" value="{one}">'
        f"<span><kbd>{n}</kbd>{DECISION_NAMES[one]}</span></label>"
        for n, one in enumerate(DECISIONS, 1)
    )
    kinds = "".join(
        f'<label class="ea-reason"><input type="radio" name="rv-kind" value="{kind}"><span>{name}</span></label>'
        for kind, name in KINDS
    )
    explained = "".join(f'<p class="rv-means" data-for="{one}" hidden>{MEANS[one]}</p>' for one in DECISIONS)
    explained += "".join(
        f'<p class="rv-means rv-owner" data-passage="{esc(passage_id)}" hidden>{esc(_seen_by(one))}</p>'
        for passage_id, one in recipients.items()
    )
    has_suggestion = suggestion(case) is not None
    return (
        '<form class="rv-form" autocomplete="off"><fieldset><legend>Decision</legend>'
        f'<div class="rv-choices">{decisions}</div>{explained}</fieldset>'
        f'<fieldset class="rv-correction" hidden><legend>The right answer</legend><div class="ea-reasons">{kinds}</div>'
        '<label class="rv-answer-label" for="rv-words">Answer</label>'
        '<textarea id="rv-words" rows="4" maxlength="8000" placeholder="Mark words in a passage, or write the answer"></textarea>'
        '<p class="rv-where rv-small" aria-live="polite"></p>'
        + (
            '<button type="button" class="ea-small" data-act="review_suggestion">Take the suggestion</button>'
            if has_suggestion
            else ""
        )
        + '</fieldset><label for="rv-note">Note <span class="ea-muted rv-note-for">for the next reviewer</span></label>'
        '<textarea id="rv-note" rows="2" maxlength="4000"></textarea>'
        '<p class="ea-form-error" role="alert" hidden></p>'
        '<div class="ea-buttons"><button type="button" data-act="review_skip">Skip</button>'
        '<button type="submit" class="ea-primary">Save and next</button></div></form>'
    )


def _seen_by(one: Recipients) -> str:
    """Who finds the task on their page, in a line."""
    people = "1 person" if one.people == 1 else f"{one.people} people"
    if one.people:
        return f"Seen by {one.owner}: " + (f"{one.group} group, {people}." if one.group else f"{people}.")
    if one.group:
        return f"Nobody in the {one.group} group of {one.owner} has an account that may read it: administrators see the task."
    return f"Nobody has an account with the address {one.owner}: administrators see the task."


def decisions_html(case: Case) -> str:
    """The decisions that this reviewer may see, beside each other; to settle a disagreement one can be taken over."""
    if not case.reviews:
        return ""
    cards = "".join(_review(one, take=case.adjudicates and case.may_decide) for one in case.reviews)
    title = "Two reviewers disagree: settle it" if case.adjudicates else "Decisions"
    return f'<h3>{title}</h3><div class="rv-reviews">{cards}</div>'


def _review(one: Triage, *, take: bool) -> str:
    said = one.correction
    answer = f"<blockquote dir='auto'>{esc(said.answer)}</blockquote>" if said and said.answer else ""
    kind = f" · {dict(KINDS)[said.kind].lower()}" if said else ""
    note = f"<p dir='auto'>{esc(one.note)}</p>" if one.note else ""
    button = (
        f'<button type="button" class="ea-small" data-act="review_take" {_data(one, said)}>Take this one</button>'
        if take
        else ""
    )
    return (
        f'<article class="rv-review"><header><strong>{esc(one.reviewer)}</strong> <span class="ea-muted">{one.step}</span></header>'
        f"<p><strong>{DECISION_NAMES[one.decision]}</strong>{kind}</p>{answer}{note}{button}</article>"
    )


def _data(one: Triage, said: Correction | None) -> str:
    values: dict[str, object] = {"decision": one.decision, "note": one.note}
    if said is not None:
        values |= {
            "kind": said.kind,
            "answer": said.answer,
            "passage": said.passage_id,
            "start": said.start,
            "end": said.end,
        }
    return " ".join(f'data-{name}="{esc(value)}"' for name, value in values.items())


def _hand_on(case: Case, colleagues: Sequence[str]) -> str:
    if case.item.status == "done" or not colleagues:
        return ""
    options = "".join(f'<option value="{esc(one)}">{esc(one)}</option>' for one in colleagues)
    return (
        f'<label class="rv-hand"><span class="ea-sr">Hand on to</span><select id="rv-to"><option value="">Hand on to …</option>'
        f"{options}</select></label>"
    )


def _guidelines() -> str:
    rules = "".join(f"<li>{one}</li>" for one in GUIDELINES)
    keys = "".join(f"<div><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>" for key, does in KEYS)
    return (
        f'<details class="rv-guide" open><summary>Guidelines</summary><ul>{rules}</ul></details>'
        f'<details class="rv-guide"><summary>Keys</summary><dl class="rv-keys">{keys}</dl></details>'
    )
