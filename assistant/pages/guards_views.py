"""The guards page's HTML: figures by rail, what was stopped, reports of false alarms, the policy's versions, a dry run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from assistant.pages.icons import icon
from assistant.pages.parts import table_html
from assistant.pages.render import day, esc, moment
from core.guard_reports import GuardReport, RailFigures, StoppedTurn
from guardrails.policy_book import INSTALLED, InForce, SavedPolicy
from guardrails.policy_dry_run import Change, DryRun

PERIODS = (("Last 24 hours", 1), ("Last 7 days", 7), ("Last 30 days", 30), ("Last year", 365))
SHOWN = 50
RULES_SHOWN = 3
MEANS: Mapping[str, str] = {
    "injection_question": "orders to the assistant in a question, by rules",
    "injection_classifier": "orders to the assistant in a question, by a trained judge",
    "topics": "what the policy refuses, or hands on to people",
    "personal_data_question": "personal data in a question",
    "injection_passage": "orders to the assistant in a document, by rules",
    "injection_passage_classifier": "orders to the assistant in a document, by a trained judge",
    "prompt_leak": "the assistant's own instructions in an answer",
    "grounding": "sentences that their source does not bear out",
    "markup": "links, images and scripts in an answer",
    "personal_data_answer": "personal data in an answer",
    "self_check_input": "a served model's judgement of a question",
    "self_check_topic": "a served model's judgement of what a question is about",
    "self_check_output": "a served model's judgement of an answer",
}
"""What each rail looks for; its name is the policy's."""


def rails_html(rails: Sequence[RailFigures]) -> str:
    """Each rail with what it did and how long a check took."""
    if not rails:
        return '<div class="rv-empty"><strong>Nothing was checked in this time.</strong></div>'
    rows = "".join(
        f"<tr><td><strong>{esc(one.guard)}</strong>{_means(one)}{_rules(one)}</td><td class='ea-num'>{one.checks:,}</td>"
        f"<td class='ea-num'>{one.stopped:,}</td><td class='ea-num'>{one.masked:,}</td>"
        f"<td class='ea-num{' gd-bad' if one.failed else ''}'>{one.failed:,}</td>"
        f"<td class='ea-num'>{one.ms_p50:.1f}</td><td class='ea-num'>{one.ms_p95:.1f}</td></tr>"
        for one in rails
    )
    heads = ("Rail", "Checks", "Stopped", "Masked", "Failed", "p50 ms", "p95 ms")
    return (
        table_html(heads, rows)
        + '<p class="ea-muted rv-small">A check is of one text: a question, a passage or a sentence. Failed checks gave no verdict '
        "(an error, or a budget that was spent) and stopped the text, too.</p>"
    )


def _means(one: RailFigures) -> str:
    means = MEANS.get(one.guard)
    return f'<span class="gd-means">{means}</span>' if means else ""


def _rules(one: RailFigures) -> str:
    if not one.rules:
        return ""
    said = ", ".join(f"{esc(rule or 'no rule')} {n}" for rule, n in list(one.rules.items())[:RULES_SHOWN])
    return f'<span class="gd-means">Rules: {said}</span>'


def stopped_html(found: Sequence[StoppedTurn]) -> str:
    """What was stopped, newest first, each with a form to report it as a false alarm."""
    if not found:
        return '<div class="rv-empty"><strong>This rail stopped nothing.</strong></div>'
    return (
        '<p class="ea-lead">Questions stand here as they are stored: personal data are masked, and a temporary chat keeps no words. '
        "Nobody is told who asked.</p>" + "".join(_stopped(one) for one in found)
    )


def _stopped(one: StoppedTurn) -> str:
    what = {"refuse": "stopped", "drop": "passage dropped"}.get(one.action, one.action)
    words = (
        f'<p dir="auto">{esc(one.question)}</p>'
        if one.question
        else '<p class="ea-muted">Nothing was kept of the question.</p>'
    )
    return (
        f'<article class="rv-task gd-stop" data-turn="{esc(one.turn_id)}" data-guard="{esc(one.guard)}"><header>'
        f"<strong>{esc(one.guard)}</strong><span class='ea-badge'>{what}</span><span class='ea-muted'>{esc(one.rule)} · score {one.score:.2f} · "
        f'{moment(one.created_at)}</span></header>{words}<details class="gd-alarm"><summary>Report a false alarm</summary>'
        '<form class="gd-report"><input type="text" maxlength="2000" required aria-label="Why the rail was wrong" '
        'placeholder="Why was it wrong to stop this?"><button type="submit" class="ea-small">Report</button></form></details></article>'
    )


def reports_html(waiting: Sequence[GuardReport], decided: Sequence[GuardReport], questions: Mapping[str, str]) -> str:
    """Reports that wait for a decision, and those that are decided."""
    listed = "".join(_report(one, questions, open_=True) for one in waiting)
    none = '<p class="ea-none">No report waits.</p>'
    done = "".join(_report(one, questions, open_=False) for one in reversed(decided[-SHOWN:]))
    alarms = sum(one.status == "false_alarm" for one in decided)
    return (
        '<p class="ea-lead">A false alarm becomes an evaluation case, so that it stays mended: '
        "<code>python -m eval cases --false-alarms</code> writes them out, for somebody to add what a right answer says.</p>"
        f"{listed or none}"
        + (
            f'<details class="rv-guide"><summary>Decided ({len(decided)}, {alarms} false alarms)</summary>{done}</details>'
            if decided
            else ""
        )
    )


def _report(one: GuardReport, questions: Mapping[str, str], *, open_: bool) -> str:
    question = questions.get(one.turn_id, "")
    words = (
        f'<p dir="auto">{esc(question)}</p>' if question else '<p class="ea-muted">Nothing is kept of the question.</p>'
    )
    buttons = (
        '<div class="rv-exports">'
        f'<button type="button" class="ea-small" data-act="guard_decide" data-id="{esc(one.report_id)}" data-status="false_alarm">It was a false alarm</button>'
        f'<button type="button" class="ea-small" data-act="guard_decide" data-id="{esc(one.report_id)}" data-status="right">The rail was right</button></div>'
        if open_
        else f'<span class="ea-badge">{"false alarm" if one.status == "false_alarm" else "the rail was right"}</span>'
    )
    return (
        f'<article class="rv-task"><header><strong>{esc(one.guard)}</strong><span class="ea-muted">{esc(one.rule)} · reported on '
        f'{day(one.created_at)}</span></header>{words}<p dir="auto"><span class="ea-muted">Why:</span> {esc(one.note)}</p>{buttons}</article>'
    )


def in_force_html(one: InForce) -> str:
    """What holds now, and since when."""
    since = f" since {moment(one.at)}, by {esc(one.by)}: {esc(one.why)}" if one.at else ""
    return (
        f'<p class="rt-told rt-same">{icon("shield")}<span><strong>In force: {esc(one.name)}</strong>{since}. '
        f"<code>{one.policy.sha256[:12]}</code></span></p>"
        '<p class="ea-lead">What a policy leaves out is as packaged. Check it, try it on the last turns, save it, then put the saved '
        "version in force: it holds from the next question on, without a restart.</p>"
    )


def versions_html(versions: Sequence[SavedPolicy], in_force: int) -> str:
    """Every version, newest first, and the installed policy below."""
    rows = "".join(
        _version(
            one.number,
            f"version {one.number}",
            f"{moment(one.saved_at)}, {esc(one.saved_by)}",
            one.why,
            in_force,
        )
        for one in versions
    )
    rows += _version(INSTALLED, "installed", "", "What this installation came with", in_force)
    return f"<h2 class='rv-head'>Versions</h2><ul class='ea-docs'>{rows}</ul>"


def _version(number: int, name: str, when: str, why: str, in_force: int) -> str:
    here = number == in_force
    word = "Put in force" if number > in_force else "Go back to it"
    apply = (
        '<span class="ea-badge">in force</span>'
        if here
        else f'<form class="gd-apply" data-number="{number}"><input type="text" maxlength="500" required aria-label="Why" placeholder="Why?">'
        f'<button type="submit" class="ea-small">{word}</button></form>'
    )
    return (
        f'<li class="ea-doc gd-version">{icon("shield")}<div class="ea-doc-main"><span class="ea-doc-title">{name}</span>'
        f'<span class="ea-doc-facts">{esc(why)}{" · " if when else ""}{when}</span></div>'
        f'<button type="button" class="ea-small" data-act="policy_load" data-number="{number}">Into the editor</button>{apply}</li>'
    )


def mistakes_html(text: str) -> str:
    """What is wrong with a draft: the first line is the sum, each further one a mistake with its line."""
    head, *mistakes = [line.strip().removeprefix("- ") for line in text.splitlines() if line.strip()]
    listed = "".join(f"<li>{esc(one)}</li>" for one in mistakes)
    return f'<div class="gd-mistakes" role="alert"><strong>{esc(head)}</strong>{f"<ul>{listed}</ul>" if listed else ""}</div>'


def sound_html() -> str:
    return f'<p class="rt-told rt-same" role="status">{icon("check")}<span>This policy is sound, and its rails answer.</span></p>'


def dry_run_html(found: DryRun, questions: Mapping[str, str]) -> str:
    """What would change, and the texts that it concerns."""
    kinds = Counter((one.stage, one.before, one.after) for one in found.changes)
    summed = "".join(
        f"<tr><td>{stage}</td><td>{before}</td><td>{after}</td><td class='ea-num'>{n}</td></tr>"
        for (stage, before, after), n in kinds.most_common()
    )
    unread = f" Turns that keep no words, and are not judged: {found.unread}." if found.unread else ""
    head = (
        f'<p role="status">Of {found.turns} turns, {found.stopped_before} questions are stopped by the policy in force and '
        f"{found.stopped_after} by this one. Newly stopped texts: {found.newly_stopped}; newly let "
        f"through: {found.newly_allowed}.{unread}</p>"
    )
    if not found.changes:
        return f'<section class="gd-part"><h3>Dry run</h3>{head}<p>Nothing would change.</p></section>'
    rows = "".join(_changed(one, questions.get(one.turn_id, "")) for one in found.changes[:SHOWN])
    more = f'<p class="ea-muted">{len(found.changes) - SHOWN} more.</p>' if len(found.changes) > SHOWN else ""
    return (
        f'<section class="gd-part"><h3>Dry run</h3>{head}{table_html(("Text", "In force", "This policy", "n"), summed)}'
        f"<h3>Which</h3>{table_html(('Question of the turn', 'Text', 'Change', 'Rail and rule'), rows)}{more}</section>"
    )


def _changed(one: Change, question: str) -> str:
    return (
        f"<tr><td dir='auto'>{esc(question)}</td><td>{one.stage}</td><td>{one.before} → {one.after}</td>"
        f"<td>{esc(one.rail)} <span class='ea-muted'>{esc(one.rule)}</span></td></tr>"
    )
