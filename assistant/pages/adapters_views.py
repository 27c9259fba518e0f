"""The registry as HTML: the list of adapters, one of them with its card, report and history, and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.adapters_command import role_of
from assistant.pages.icons import icon
from assistant.pages.render import day, esc, moment, rich
from assistant.pages.rollout_views import button
from assistant.pages.source import label
from core.adapter_card import Difference
from core.adapter_events import AdapterEvent
from core.gate import Demand, GateReport
from core.records import AdapterRecord
from core.registry import person_of
from core.standing import Standing


@dataclass(frozen=True, slots=True)
class Waiting:
    """The newest gate report of an adapter's content, which `stage` would take, and what is asked of one here."""

    report: GateReport | None
    demand: Demand


def listing_html(
    adapters: Sequence[AdapterRecord], reports: Mapping[str, GateReport | None], standing: Standing
) -> str:
    """Every adapter, newest first."""
    if not adapters:
        return (
            '<p class="ea-none">No adapter is registered yet. Retraining registers what it made; one from elsewhere comes in with '
            "<code>python -m assistant adapters register FOLDER --as YOU --reason WHY</code>.</p>"
        )
    items = "".join(_row(one, reports.get(one.adapter_id), standing) for one in reversed(adapters))
    count = f"{len(adapters)} adapter{'' if len(adapters) == 1 else 's'}"
    return f'<p class="ea-count" role="status">{count}</p><ul class="ea-docs ad-list">{items}</ul>'


def _row(one: AdapterRecord, report: GateReport | None, standing: Standing) -> str:
    name = esc(one.adapter_id)
    serves = role_of(one.adapter_id, standing)
    told = f"serves {serves}" if serves and not serves.startswith("nobody") else serves.removeprefix("nobody, it ")
    gate = f"gate {report.pass_rate:.1%} of {report.n}" if report else "not gated"
    facts = " · ".join(part for part in (one.kind, gate, f"by {esc(one.created_by)}", day(one.created_at)) if part)
    blocked = '<span class="ea-badge ad-blocked">blocked</span>' if one.blocked else ""
    now = f'<span class="ea-badge">{esc(told)}</span>' if told else ""
    return (
        f'<li class="ea-doc" data-adapter="{name}">{icon("layers")}<div class="ea-doc-main"><button type="button" class="ea-doc-title" '
        f'data-act="adapter_open" data-adapter="{name}">{name}</button><span class="ea-doc-facts">{facts}</span></div>'
        f"{now}{blocked}{stage_badge(one)}{label(one.ceiling)}</li>"
    )


def stage_badge(one: AdapterRecord) -> str:
    return f'<span class="ea-badge ad-stage-{one.stage}">{one.stage}</span>'


def detail_html(
    record: AdapterRecord, history: Sequence[AdapterEvent], *, person_id: str, others: Sequence[str], waiting: Waiting, problem: str, standing: Standing
) -> str:  # fmt: skip
    """One adapter: what it is, what may be done with it, its gate report and its history.

    Args:
        others: the adapters that it can be compared with.
        problem: why its files do not verify, "" where they do.
    """
    report = next((event.report for event in reversed(history) if event.report), None)
    facts = [
        ("Stage", f"{stage_badge(record)} {label(record.ceiling)}"),
        ("Serves", esc(role_of(record.adapter_id, standing) or "nobody")),
        ("Kind", f"{esc(record.kind)} on {esc(record.base)}"),
        ("Went on from", esc(record.parent or "nothing")),
        ("Dataset", esc(record.dataset_id or "none of this installation")),
        ("Training run", esc(record.run_id or "not tracked here")),
        ("sha256", f'<code title="{esc(record.sha256)}">{esc(record.sha256[:16])}…</code>'),
        ("Files", "verified just now" if not problem else f'<span class="ea-danger">{esc(problem)}</span>'),
        ("Blocked", f'<span class="ea-danger">{esc(record.blocked)}</span>' if record.blocked else ""),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts if value)
    return (
        f'<div class="ea-manage-head" data-adapter="{esc(record.adapter_id)}"><h2>{esc(record.adapter_id)}</h2><dl class="ea-wide">{rows}</dl>'
        f"{_steps(record, history, report, person_id=person_id, waiting=waiting, standing=standing)}</div>{_gate(report)}"
        f"{_compare(record, others)}<h3>History</h3>{_history(history)}"
    )


def _steps(
    record: AdapterRecord, history: Sequence[AdapterEvent], report: GateReport | None, *, person_id: str, waiting: Waiting, standing: Standing
) -> str:  # fmt: skip
    """What may come next, as buttons, and what has to come first where nothing may."""
    name, buttons, hint = record.adapter_id, [], ""

    def act(do: str, said: str, why: str, kind: str = "") -> str:
        return button(do, said, why, kind=kind, event="adapter_act", adapter=name)

    asked = _open_request(history)
    own = person_id in (person_of(record.created_by), person_of(asked.actor) if asked else "")
    outdated = record.stage == "staging" and report is not None and bool(waiting.demand.unmet(report))
    newer = record.stage == "production" and waiting.report not in (None, report) and not role_of(name, standing)
    if (record.stage == "dev" or outdated or newer) and not record.blocked:
        hint, ready = _gate_hint(record, waiting)
        if ready:
            why = "It may go on trial: its gate report is of this very content, and passed."
            again = " It goes back to staging with the newer report, and waits for approval again." if newer else ""
            buttons.append(act("stage", "Stage", why + again, "" if newer else "ea-primary"))
    if record.stage == "staging" and not record.blocked and not asked and not outdated:
        buttons.append(act("request", "Ask for approval", "Another administrator is to let it into production.", "ea-primary"))  # fmt: skip
    if record.stage == "staging" and asked:
        hint = f"{asked.actor} asks for production: {asked.reason} {hint}".strip()
        if own:
            hint += " Another administrator has to approve it, because you registered it or asked."
        elif not record.blocked and not outdated:
            buttons.append(act("approve", "Approve", "It may serve everybody from now on. You have read its gate report.", "ea-primary"))  # fmt: skip
        buttons.append(act("decline", "Decline", "It stays in staging."))
    if record.stage == "production" and not record.blocked and standing.rollout.production != name:
        why = f"{name} serves everybody at once, in place of {standing.rollout.production}. A trial that is under way ends."
        buttons.append(button("promote", "Promote", why, kind="ea-primary", adapter=name))
    if record.blocked:
        buttons.append(act("unblock", "Unblock", f"It is blocked: {record.blocked}"))
    else:
        buttons.append(
            act("block", "Block", "It serves nobody from the next question on, whatever is rolled out.", "ea-danger")
        )
    if record.stage != "archived" and not role_of(name, standing):
        buttons.append(act("archive", "Archive", "It serves nobody any longer, for good. Its files stay."))
    said = f'<p class="ea-hint">{icon("info")}{esc(hint)}</p>' if hint else ""
    return f'{said}<div class="ea-buttons ad-steps">{"".join(buttons)}</div>'


def _gate_hint(record: AdapterRecord, waiting: Waiting) -> tuple[str, bool]:
    command, report = f"python -m eval gate --adapter {record.adapter_id}", waiting.report
    if report is None:
        return f"It needs a passing gate report first: {command}", False
    if not report.passed:
        closed = ", ".join(check.name for check in report.checks if not check.passed)
        return f"The gate is closed for it ({closed}), run {report.run_id}.", False
    if why := waiting.demand.unmet(report):
        return why, False
    return f"The gate is open for it: {report.pass_rate:.1%} of {report.n} cases of {report.suite}.", True


def _open_request(history: Sequence[AdapterEvent]) -> AdapterEvent | None:
    last = next((event for event in reversed(history) if event.action not in ("block", "unblock")), None)
    return last if last and last.action == "request" else None


def _gate(report: GateReport | None) -> str:
    if report is None:
        return ""
    rows = "".join(
        f"<tr><td>{esc(check.name)}</td><td>{'held' if check.passed else '<span class=ea-danger>broken</span>'}</td><td>{esc(check.detail)}</td></tr>"
        for check in report.checks
    )
    return (
        f"<h3>Gate</h3><p class='ad-note'>{report.pass_rate:.1%} of {report.n} cases of {esc(report.suite)} ({report.low:.1%} to {report.high:.1%}), "
        f"against {esc(report.against or 'nothing')}, run <code>{esc(report.run_id)}</code>, {esc(report.created_at[:10])}.</p>"
        f"<div class='ea-table' tabindex='0'><table><tbody>{rows}</tbody></table></div>"
    )


def _compare(record: AdapterRecord, others: Sequence[str]) -> str:
    if not others:
        return ""
    options = "".join(f'<option value="{esc(name)}">{esc(name)}</option>' for name in others)
    return (
        '<h3>Compare</h3><div class="ad-compare"><label for="ad-other" class="ea-sr">Compare with</label>'
        f'<select id="ad-other">{options}</select><button type="button" class="ea-small" data-act="adapter_diff" '
        f'data-adapter="{esc(record.adapter_id)}">Show the difference</button></div>'
    )


def _history(history: Sequence[AdapterEvent]) -> str:
    items = "".join(
        f"<li><strong>{esc(event.action)}</strong> by {esc(event.actor)}, {moment(event.at)}"
        f"{f': {event.from_stage} to {event.to_stage}' if event.from_stage and event.from_stage != event.to_stage else ''}"
        f"<br>{esc(event.reason)}</li>"
        for event in reversed(history)
    )
    return f'<ol class="ad-events">{items}</ol>'


def diff_html(before: str, after: str, found: Sequence[Difference]) -> str:
    if not found:
        return '<p class="ad-note">They share everything but their names.</p>'
    rows = "".join(
        f"<tr><td>{esc(one.field)}</td><td>{esc(one.before)}</td><td>{esc(one.after)}</td></tr>" for one in found
    )
    return (
        f"<div class='ea-table ad-diff' tabindex='0'><table><thead><tr><th></th><th>{esc(before)}</th><th>{esc(after)}</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def card_html(text: str) -> str:
    return f'<div class="ea-text ad-card">{rich(text)}</div>'
