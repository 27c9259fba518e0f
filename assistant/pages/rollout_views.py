"""What serves whom, as HTML: the adapter in service, the trial that is under way with its live results, and every change so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.pages import adapters_plots as plots
from assistant.pages.icons import icon
from assistant.pages.render import dated, esc, moment
from assistant.rollout_results import ArmResult, Beside, Results
from core.canary import Judgement
from core.records import AdapterRecord, Rollout, TrialArm
from core.rollouts import CANARY
from core.standing import Standing, department_group

MODES: Mapping[str, str] = {"ab": "A/B test", "canary": "Canary", "shadow": "Shadow"}
ACTS: Mapping[str, str] = {
    "start": "first start",
    "settings": "settings changed",
    "promote": "promoted",
    "rollback": "rolled back",
    "kill": "kill switch",
    "trial": "A/B test begun",
    "canary": "canary begun",
    "advance": "canary advanced",
    "shadow": "shadow begun",
    "stop": "trial stopped",
}
DECISIONS = {"hold": "wait", "advance": "go on", "stop": "stop"}


def button(act: str, label: str, why: str, *, kind: str = "", event: str = "rollout_act", **data: object) -> str:
    """A button that asks for a reason before its act is sent. `why` is said in the dialog."""
    given = "".join(f' data-{name}="{esc(value)}"' for name, value in data.items())
    return (
        f'<button type="button" class="{kind or "ea-small"}" data-act="ad_why" data-event="{event}" data-do="{act}" '
        f'data-label="{esc(label)}" data-why="{esc(why)}"{given}>{esc(label)}</button>'
    )


def serving_html(standing: Standing, back: Rollout | None) -> str:
    """Who serves, since when and why, and the two ways back. `back` is the row that a rollback would restore."""
    row = standing.rollout
    mode = f'<span class="ea-badge ad-mode-{row.mode}">{MODES[row.mode]}</span>' if row.mode in MODES else ""
    to = _back(row, back) if back else ""
    buttons = []
    if back:
        buttons.append(button("rollback", "Roll back", to, kind="ea-primary"))
    if row.production != row.base or row.mode != "none":
        why = (
            f"Every trained adapter is off at once: {row.base} answers everybody until somebody promotes or rolls back."
        )
        buttons.append(button("kill", "Kill switch", why, kind="ea-danger"))
    who = "serves everybody" if row.mode in ("none", "shadow") else "is in production"
    if standing.stands_in:
        who = f'<span class="ea-danger">is blocked or archived: {esc(standing.stands_in)} answers in its place</span>'
    facts = [
        ("Since", f"{moment(row.at)} by {esc(row.actor)}: {esc(row.reason)}"),
        ("Prompt", f"<code>{esc(row.template_sha256[:12])}</code>"),
        ("Thresholds", f"evidence {row.evidence_threshold:g}, low evidence {row.low_evidence:g}"),
        ("Without an adapter", esc(row.base)),
        ("Ready for a rollback", ", ".join(map(esc, standing.earlier)) or "nothing served before"),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    note = f'<p class="ea-hint">{icon("info")}{esc(to)}</p>' if back else ""
    return (
        f'<section class="ad-serving" aria-label="In service" data-production="{esc(row.production)}" data-rollout="{row.rollout_id}">'
        f'<div class="ad-head"><h2>{esc(row.production)}</h2><span class="ad-muted">{who}</span>{mode}<span class="ea-grow"></span>'
        f'<div class="ad-buttons">{"".join(buttons)}</div></div><dl class="ea-wide">{rows}</dl>{note}</section>'
    )


def _back(row: Rollout, back: Rollout) -> str:
    """What a rollback would do."""
    if row.mode != "none" and back.production == row.production:
        return f"A rollback ends the trial: {back.production} alone serves everybody."
    return f"A rollback lets {back.production} serve everybody again, with its prompt and its thresholds of {dated(back.at)}."


def live_html(standing: Standing, found: Results, judged: Sequence[Judgement]) -> str:
    """The trial with its steps, and each arm's results."""
    row = standing.rollout
    trial = _trial(row, judged) if row.mode != "none" else ""
    most = max([day.turns for arm in found.arms for day in arm.days], default=0)
    arms = "".join(_arm(arm, place, most) for place, arm in enumerate(found.arms))
    beside = "".join(map(_beside, found.beside))
    title = "Live results" if row.mode == "none" else "Live results of each arm"
    note = (
        "Counts only, with 95% intervals. Whether a difference is more than chance is judged by "
        "<code>python -m eval canary</code> and <code>python -m eval experiment analyse</code>."
    )
    return (
        f'{trial}{beside}<section class="ad-live" aria-label="{title}"><h3>{title} <span class="ad-muted">since {moment(found.since)}'
        f'</span></h3><div class="ad-arms">{arms}</div><div class="ad-plots" tabindex="0" role="group" aria-label="Shares of the answers">{plots.rates(found.arms)}</div><p class="ad-note">{note}</p></section>'
    )


def _trial(row: Rollout, judged: Sequence[Judgement]) -> str:
    names = ", ".join(arm.adapter for arm in row.arms)
    buttons = []
    if row.mode == "canary" and row.step + 1 < len(CANARY):
        share = f"{CANARY[row.step + 1]:.0%}"
        why = f"{names} serves {share} of the people from now on. The canary goes on by itself when nothing is worse."
        buttons.append(button("advance", f"On to {share}", why))
    buttons.append(button("stop", "Stop", f"{names} serves nobody any longer; {row.production} serves everybody."))
    whom = "".join(f"<li>{esc(arm.adapter)}: {_whom(arm, row.mode)}</li>" for arm in row.arms)
    ladder = _ladder(row.step) if row.mode == "canary" else ""
    return (
        f'<section class="ad-trial" aria-label="{MODES[row.mode]}"><div class="ad-head"><h3>{MODES[row.mode]}</h3>'
        f'<code class="ad-muted">{esc(row.experiment_id)}</code><span class="ea-grow"></span><div class="ad-buttons">{"".join(buttons)}</div></div>'
        f"<ul>{whom}</ul>{ladder}{_judged(judged) if row.mode == 'canary' else ''}</section>"
    )


def _whom(arm: TrialArm, mode: str) -> str:
    named = [*arm.groups, *arm.departments]
    people = f"the people in {', '.join(map(esc, named))}" if named else "the people"
    said = "answers beside, unseen, for" if mode == "shadow" else "serves"
    return f"{said} {arm.weight:.0%} of {people}"


def _ladder(step: int) -> str:
    steps = "".join(
        f'<li class="{"ad-done" if place < step else "ad-here" if place == step else ""}"{" aria-current=step" if place == step else ""}>'
        f"{share:.0%}</li>"
        for place, share in enumerate(CANARY)
    )
    return f'<ol class="ad-ladder" aria-label="Steps of the canary">{steps}</ol>'


def _judged(judged: Sequence[Judgement]) -> str:
    if not judged:
        return '<p class="ad-note">Not judged yet. An assistant that serves has it judged every few minutes.</p>'
    rows = "".join(
        f"<tr><td>{moment(one.at)}</td><td><span class='ea-badge ad-judged-{one.decision}'>{DECISIONS[one.decision]}</span></td>"
        f"<td>{esc(one.reason)}</td><td class='ea-num'>{esc(one.figures.get('trial_turns', ''))}</td></tr>"
        for one in judged
    )
    return (
        "<details class='ad-judged' open><summary>Judgements</summary><div class='ea-table' tabindex='0'><table><thead><tr><th>When</th><th>Decision</th>"
        f"<th>Why</th><th>Trial answers</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _arm(arm: ArmResult, place: int, most: int) -> str:
    role = "on trial" if arm.is_trial else "production"
    times = (
        f"half within {arm.p50_ms:,.0f} ms, 95% within {arm.p95_ms:,.0f} ms" if arm.turns else "nobody was answered yet"
    )
    answered = f"{arm.rates['answered'].rate:.0%} answered" if arm.turns else ""
    said = " · ".join(
        part
        for part in (
            f"{_counted(arm.turns, 'answer', 'answers')} to {_counted(arm.persons, 'person', 'people')}",
            answered,
            times,
        )
        if part
    )
    return (
        f'<article class="ad-arm"><header>{plots.legend_mark(place)}<strong>{esc(arm.adapter)}</strong>'
        f'<span class="ea-badge">{role}</span></header><p>{said}</p>{plots.days(arm, place, most)}</article>'
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _beside(one: Beside) -> str:
    if not one.answers:
        return f'<p class="ad-note">{esc(one.adapter)} has not answered beside anybody yet.</p>'
    agreed = f"{one.agreed.rate:.0%} ({one.agreed.low:.0%} to {one.agreed.high:.0%})"
    return (
        f'<section class="ad-beside" aria-label="Shadow"><p><strong>{esc(one.adapter)}</strong> answered {one.answers:,} questions beside. It said '
        f"mostly what production said in {agreed}, failed in {one.failed.rate:.1%}, and took {one.p50_ms:,.0f} ms (median).</p></section>"
    )


def start_html(
    candidates: Sequence[AdapterRecord], row: Rollout, *, groups: Sequence[str], departments: Sequence[str]
) -> str:
    """The form that starts a trial; a word instead where one is under way or nothing can be tried.

    Args:
        departments: those of the documents; chosen can be those whose people have a group of its name.
    """
    if row.mode != "none":
        return ""
    if not candidates:
        return (
            '<section class="ad-start"><h3>Try an adapter</h3><p class="ad-note">No adapter is in staging or production that does not serve '
            "already. One gets there with a passing gate report: see the tab Adapters.</p></section>"
        )
    modes = "".join(
        f'<label class="ad-choice"><input type="radio" name="ad-mode" value="{mode}"{" checked" if mode == "canary" else ""}>'
        f"<span><strong>{MODES[mode]}</strong>{said}</span></label>"
        for mode, said in (
            ("canary", "1, 5, 10, 25, 50, 100 % of the people, by itself while nothing is worse"),
            ("ab", "fixed shares of the people for one adapter or several, until somebody stops it"),
            ("shadow", "answers beside, and nobody sees it"),
        )
    )
    return (
        '<section class="ad-start"><h3 id="ad-start-title">Try an adapter</h3>'
        f'<form class="ad-form" aria-labelledby="ad-start-title" data-production="{esc(row.production)}" novalidate>'
        f'<fieldset class="ad-modes"><legend>How</legend>{modes}</fieldset>{_tried(candidates)}'
        '<details class="ad-whom"><summary>Only some of the people</summary>'
        f"{_departments(departments, groups)}{_offered('groups', 'Groups', groups)}"
        '<p class="ad-note">Who is in one of those chosen takes part; with none chosen, everybody does.</p></details>'
        '<label for="ad-reason">Why</label><input id="ad-reason" maxlength="1000" autocomplete="off" placeholder="5 points better on leave">'
        '<p class="ea-form-error" id="ad-form-error" role="alert" hidden></p>'
        '<div class="ea-buttons"><button type="submit" class="ea-primary">Start</button></div></form></section>'
    )


def _tried(candidates: Sequence[AdapterRecord]) -> str:
    """One line for an adapter and its share; an A/B test gets more of them by copies (static/adapters.js)."""
    names = "".join(
        f'<option value="{esc(one.adapter_id)}">{esc(one.adapter_id)} ({one.stage})</option>' for one in candidates
    )
    return (
        '<div class="ad-tried"><div class="ad-try"><label>Adapter<select name="ad-adapter">'
        f'{names}</select></label><label class="ad-share" hidden>% of the people<input name="ad-share" type="number" min="0" max="100" '
        'step="any" inputmode="decimal" value="20"></label><button type="button" class="ea-small" data-act="ad_try_less" hidden>'
        'Remove</button></div></div><button type="button" class="ea-small" data-act="ad_try_more" hidden>Add another adapter</button>'
        '<p class="ad-note ad-split" aria-live="polite" hidden></p>'
    )


def _departments(departments: Sequence[str], groups: Sequence[str]) -> str:
    """Those that a group is named after; the others' people are to be found under Groups."""
    named = [one for one in departments if department_group(one) in groups]
    other = ", ".join(esc(one) for one in departments if one not in named)
    note = f'<p class="ad-note">No group has the name of {other}: choose the group that its people are in.</p>'
    return _offered("departments", "Departments", named) + (note if other else "")


def _offered(name: str, legend: str, values: Sequence[str]) -> str:
    if not values:
        return ""
    boxes = "".join(
        f'<label class="ea-reason"><input type="checkbox" name="ad-{name}" value="{esc(one)}"><span>{esc(one)}</span></label>'
        for one in values
    )
    return f'<fieldset><legend>{legend}</legend><div class="ea-reasons">{boxes}</div></fieldset>'


def history_html(rows: Sequence[Rollout], here: Rollout, may_return: frozenset[int]) -> str:
    """Every change, newest first. `may_return` are the rows whose production may serve again."""
    body = "".join(_change(row, here, may_return) for row in rows)
    return (
        '<p class="ea-lead">Each line was in force from its time on, until the line above it. Bringing one back restores its adapter, its '
        'prompt and its thresholds together.</p><div class="ea-table ad-history"><table><thead><tr><th>Row</th><th>When</th><th>Who</th>'
        f"<th>Act</th><th>Production</th><th>Trial</th><th>Why</th><th></th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def _change(row: Rollout, here: Rollout, may_return: frozenset[int]) -> str:
    trial = "<br>".join(f"{esc(arm.adapter)} {arm.weight:.0%}" for arm in row.arms)
    act = ACTS.get(row.action, row.action) + (f" to row {row.restores}" if row.restores else "")
    again = ""
    if row.rollout_id in may_return:
        why = f"{row.production} serves everybody, with the prompt and the thresholds of row {row.rollout_id} ({dated(row.at)})."
        again = button("rollback", "Bring back", why, to=row.rollout_id)
    now = ' <span class="ea-badge">in force</span>' if row.rollout_id == here.rollout_id else ""
    cells = [
        ("Row", f"{row.rollout_id}"),
        ("When", moment(row.at)),
        ("Who", esc(row.actor)),
        ("Act", f"<span>{esc(act)}{now}</span>"),
        ("Production", esc(row.production)),
        ("Trial", trial),
        ("Why", esc(row.reason)),
        ("", again),
    ]
    return "<tr>" + "".join(f'<td data-name="{name}">{value}</td>' for name, value in cells) + "</tr>"
