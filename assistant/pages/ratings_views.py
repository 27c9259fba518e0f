"""The ratings page's HTML: the batches, one item with its form, and a batch in figures."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.pages.icons import icon
from assistant.pages.parts import table_html
from assistant.pages.render import day, esc, rich
from core.agreement import Coefficient, Disagreement
from core.rates import Rate
from core.rating_figures import AgreementOf, Figures
from core.rating_records import Batch, Criterion, Kept, RatingItem, ShownAnswer
from core.records import Principal
from core.review_queue import STAFF

CHOICES = (
    ("first", "Answer 1 is better"),
    ("second", "Answer 2 is better"),
    ("both", "Both are good"),
    ("neither", "Neither is good"),
)
KEYS = (("1 … 4", "choose"), ("N", "write a comment"), ("Ctrl Enter", "save and next"), ("Esc", "back to the list"))
SHOWN = 50


def batches_html(batches: Sequence[Batch], who: Principal) -> str:
    """The batches that are theirs to rate, with how far they are; an administrator's list names the raters and opens the figures."""
    admin = who.has_role("admin")
    if not batches and not who.roles & STAFF:
        return (
            '<p class="ea-none">This page is for reviewers, administrators, and people whom an administrator has asked to rate answers. '
            "Nobody has asked you just now.</p>"
        )
    if not batches:
        how = (
            '<p>Make a batch with <code>python -m eval ratings create RUN RUN --as YOU --name "what is compared"</code>.</p>'
            if admin
            else "<p>An administrator makes a batch when answers are to be compared.</p>"
        )
        return f'<div class="rv-empty"><strong>There is nothing to rate yet.</strong>{how}</div>'
    return (
        '<p class="ea-lead">You are shown answers without whose they are. Judge what the answer says against its sources, '
        "not against what you would have written.</p>"
        f'<ul class="ea-docs">{"".join(_batch(one, admin=admin) for one in batches)}</ul>'
    )


def _batch(one: Batch, *, admin: bool) -> str:
    kind = "pairs" if one.kind == "pair" else "single answers"
    left = one.items - one.rated
    act = "Continue" if one.rated else "Start"
    start = (
        f'<button type="button" class="ea-small" data-act="rating_start" data-id="{esc(one.batch_id)}">{act}</button>'
        if left
        else '<span class="ea-badge">done</span>'
    )
    results = (
        f'<button type="button" class="ea-small" data-act="rating_results" data-id="{esc(one.batch_id)}">Figures</button>'
        if admin
        else ""
    )
    return (
        f'<li class="ea-doc rt-batch">{icon("check")}<div class="ea-doc-main"><span class="ea-doc-title">{esc(one.name)}</span>'
        f'<span class="ea-doc-facts">{one.items} {kind} · you have rated {one.rated} · made on {day(one.created_at)}</span>'
        f"{named_html(one) if admin else ''}</div>{_bar(one.rated, one.items)}{results}{start}</li>"
    )


def named_html(one: Batch) -> str:
    """Who is asked to rate a batch, and who of them has not begun; nothing where nobody is named."""
    if not one.named:
        return ""
    idle = f" · nothing yet from {esc(', '.join(one.rated_nothing))}" if one.rated_nothing else ""
    return f'<span class="ea-doc-facts">Asked to rate: {esc(", ".join(one.named))}{idle}</span>'


def _bar(done: int, of: int) -> str:
    percent = round(100 * done / of) if of else 0
    return (
        f'<span class="rt-bar" role="progressbar" aria-valuemin="0" aria-valuemax="{of}" aria-valuenow="{done}" '
        f'aria-label="Rated"><span style="width:{percent}%"></span></span>'
    )


def item_html(item: RatingItem) -> str:
    """One item with its form. Nothing in it tells which run an answer is of."""
    badge = (
        '<span class="ea-badge">calibration: you are told afterwards what was agreed</span>' if item.calibration else ""
    )
    sides = len(item.answers) == 2
    answers = "".join(_answer(n, one, numbered=sides) for n, one in enumerate(item.answers, 1))
    return (
        f'<section class="rt-item" tabindex="-1" data-item="{esc(item.item_id)}" data-batch="{esc(item.batch_id)}" data-kind="{item.kind}">'
        '<header class="rv-bar"><button type="button" class="ea-small" data-act="rating_back">Back to the list</button>'
        f"<strong>{item.place} of {item.of}</strong>{_bar(item.place - 1, item.of)}{badge}</header>"
        f'<h3>Question</h3><div class="ea-bubble rt-question" dir="auto">{esc(item.question)}</div>'
        f'<div class="rt-answers{" rt-two" if sides else ""}">{answers}</div>{_form(item)}</section>'
    )


def _answer(number: int, one: ShownAnswer, *, numbered: bool) -> str:
    sources = "".join(
        f"<li><strong>[{n}] {esc(title)}</strong>{f' · {esc(section)}' if section else ''}"
        f"<blockquote dir='auto'>{esc(quote)}</blockquote></li>"
        for n, title, section, quote in one.sources
    )
    listed = (
        f"<details open><summary>Sources ({len(one.sources)})</summary><ul>{sources}</ul></details>" if sources else ""
    )
    none = '<p class="ea-muted rv-small">It cites nothing.</p>'
    text = rich(one.text, None) if one.text.strip() else "<p>No answer was given.</p>"
    return (
        f'<article class="rt-answer"><h3>Answer{f" {number}" if numbered else ""}</h3>'
        f'<div class="ea-text" dir="auto">{text}</div>{listed or none}</article>'
    )


def _form(item: RatingItem) -> str:
    if item.kind == "pair":
        choices = "".join(
            f'<label class="rv-choice"><input type="radio" name="rt-preferred" value="{value}">'
            f"<span><kbd>{n}</kbd>{name}</span></label>"
            for n, (value, name) in enumerate(CHOICES, 1)
        )
        asked = f'<fieldset><legend>Which answer is better?</legend><div class="rv-choices rt-choices">{choices}</div></fieldset>'
    else:
        asked = f'<div class="rt-rubric">{"".join(_criterion(one) for one in item.rubric)}</div>'
    keys = "".join(f"<div><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>" for key, does in KEYS)
    return (
        f'<form class="rv-form rt-form" autocomplete="off">{asked}'
        '<label for="rt-comment">Comment <span class="ea-muted">why, if it is not plain</span></label>'
        '<textarea id="rt-comment" rows="2" maxlength="4000"></textarea>'
        '<p class="ea-form-error" role="alert" hidden></p>'
        '<div class="ea-buttons"><button type="button" data-act="rating_skip">Skip</button>'
        '<button type="submit" class="ea-primary">Save and next</button></div></form>'
        f'<details class="rv-guide"><summary>Keys</summary><dl class="rv-keys">{keys}</dl></details>'
    )


def _criterion(one: Criterion) -> str:
    levels = "".join(
        f'<label class="rv-choice"><input type="radio" name="rt-{esc(one.key)}" data-key="{esc(one.key)}" value="{n}">'
        f"<span><kbd>{n + 1}</kbd>{esc(level)}</span></label>"
        for n, level in enumerate(one.levels)
    )
    return (
        f'<fieldset data-key="{esc(one.key)}"><legend>{esc(one.name)}: <span class="ea-muted">{esc(one.asks)}</span></legend>'
        f'<div class="rv-choices rt-levels">{levels}</div></fieldset>'
    )


def calibrated_html(kept: Kept, batch: Batch) -> str:
    """What was agreed on the item that was just rated; nothing where it did not calibrate."""
    if kept.gold is None:
        return ""
    if batch.kind == "pair":
        agreed = dict(CHOICES)[kept.agreed]
    else:
        scores = kept.gold.scores or {}
        agreed = "; ".join(f"{one.name.lower()}: {one.levels[scores[one.key]]}" for one in batch.rubric)
    head = "You agree with what was settled" if kept.same else "This was settled otherwise"
    why = f" {esc(kept.gold.why)}" if kept.gold.why else ""
    return (
        f'<p class="rt-told {"rt-same" if kept.same else "rt-other"}" role="status">{icon("check" if kept.same else "info")}'
        f"<span><strong>{head}.</strong> {esc(agreed)}.{why}</span></p>"
    )


def finished_html(batch: Batch) -> str:
    left = batch.items - batch.rated
    hidden = (
        f" {left} of them are not yours to rate: their sources are not yours to read, or they are gone." if left else ""
    )
    return (
        f'<div class="rv-empty"><strong>You have rated {batch.rated} of {batch.items}.</strong><p>Thank you.{hidden}</p>'
        '<button type="button" class="ea-small" data-act="rating_back">Back to the list</button></div>'
    )


def results_html(found: Figures) -> str:
    """A batch in figures, each with its n and its 95 % interval."""
    names = {run.key: run.name for run in found.batch.runs}
    parts = [
        '<header class="rv-bar"><button type="button" class="ea-small" data-act="rating_back">Back to the list</button>'
        f"<strong>{esc(found.batch.name)}</strong></header>",
        f"<p>{found.items_rated} of {found.items} items rated by {esc(', '.join(found.raters)) or 'nobody yet'}; "
        f"median {found.seconds_p50:.0f} s a rating.</p>{named_html(found.batch)}",
    ]
    if found.preferred:
        parts.append(_preferred(found, names))
    if found.scores:
        rows = "".join(
            f"<tr><td>{esc(one.run)}</td><td>{esc(one.criterion)}</td><td class='ea-num'>{one.mean:.2f} of {one.highest}</td>"
            f"<td class='ea-num'>{one.low:.2f} to {one.high:.2f}</td><td class='ea-num'>{one.n}</td></tr>"
            for one in found.scores
        )
        parts.append("<h3>Scores</h3>" + table_html(("Run", "Criterion", "Mean", "95%", "n"), rows))
    parts += [_agreement(one, found) for one in found.agreement]
    people = "".join(f"<tr><td>{esc(who)}</td>{_rate(rate)}</tr>" for who, rate in found.accuracy.items())
    if people:
        parts.append("<h3>Calibration</h3>" + table_html(("Rater", "As agreed", "95%", "n"), people))
    return f'<section class="rt-results">{"".join(parts)}</section>'


def _preferred(found: Figures, names: dict[str, str]) -> str:
    words = {**names, "both": "Both good", "neither": "Neither good", "": "No majority"}
    rows = "".join(
        f"<tr><td>{esc(words.get(word, word))}</td><td class='ea-num'>{n}</td></tr>"
        for word, n in found.preferred.items()
    )
    if not found.a_wins.n:
        return "<h3>Preference</h3>" + table_html(("Preferred", "Items"), rows)
    return (
        "<h3>Preference</h3>"
        + table_html(("Preferred", "Items"), rows)
        + f"<p>Where one of the two is preferred, {esc(names['a'])} wins {_share(found.a_wins)}. "
        f"The answer that stood first was preferred in {_share(found.first_wins)}: about half, where place does not matter.</p>"
    )


def _agreement(one: AgreementOf, found: Figures) -> str:
    rows = "".join(f"<tr><td>{esc(' and '.join(pair))}</td>{_coefficient(k)}</tr>" for pair, k in one.pairs.items())
    kappas = table_html(("Raters", "Cohen's kappa", "95%", "n"), rows) if rows else ""
    listed = "".join(_disagreement(item, one.on, found) for item in one.disagreements[:SHOWN])
    apart = (
        f'<details class="rv-guide"><summary>Disagreements ({len(one.disagreements)})</summary><ul>{listed}</ul></details>'
        if listed
        else ""
    )
    alpha = f"{one.alpha.value:.2f}" if one.alpha.value is not None else "not defined"
    if one.alpha.low is not None and one.alpha.high is not None:
        alpha += f" ({one.alpha.low:.2f} to {one.alpha.high:.2f})"
    return (
        f"<h3>Agreement on {esc(one.on)}</h3><p>Krippendorff's alpha {alpha} over {one.alpha.n} items that two or more have "
        f"rated.</p>{kappas}{apart}"
    )


def _disagreement(item: Disagreement, on: str, found: Figures) -> str:
    """The item, and what each rater said of it and why."""
    comments = found.comments.get(item.item, {})
    said = "".join(
        f"<li>{esc(who)}: {esc(found.word(on, value))}{f' · {esc(comments[who])}' if who in comments else ''}</li>"
        for who, value in item.values.items()
    )
    question = esc(found.questions.get(item.item, ""))
    return f'<li><code>{esc(found.cases.get(item.item, item.item))}</code> <span dir="auto">{question}</span><ul>{said}</ul></li>'


def _coefficient(one: Coefficient) -> str:
    value = f"{one.value:.2f}" if one.value is not None else "not defined"
    interval = f"{one.low:.2f} to {one.high:.2f}" if one.low is not None and one.high is not None else ""
    return f"<td class='ea-num'>{value}</td><td class='ea-num'>{interval}</td><td class='ea-num'>{one.n}</td>"


def _rate(one: Rate) -> str:
    return f"<td class='ea-num'>{one.rate:.0%}</td><td class='ea-num'>{one.low:.0%} to {one.high:.0%}</td><td class='ea-num'>{one.n}</td>"


def _share(one: Rate) -> str:
    return f"{one.passed} of {one.n} ({one.low:.0%} to {one.high:.0%})" if one.n else "none yet"
