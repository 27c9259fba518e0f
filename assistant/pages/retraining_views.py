"""Retraining as HTML: how near the next one is, whether anything would do it, and every one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from assistant.pages.icons import icon
from assistant.pages.render import esc, moment
from core.gate import GateCheck
from core.jobs import STEPS, Job
from core.retraining import LEAST, Outlook
from core.workers import START, START_COMPOSE, Seen

STATES: Mapping[str, str] = {
    "queued": "waits for a worker",
    "running": "under way",
    "waiting": "waits for approval",
    "approved": "approved",
    "declined": "declined",
    "failed": "failed",
    "cancelled": "taken back",
}
STEP_NAMES: Mapping[str, str] = {
    "dataset": "dataset",
    "train": "training",
    "register": "registration",
    "gate": "gate",
    "approval": "asking for approval",
}
BY_ITSELF: Mapping[str, str] = {
    "count": "by itself, with enough approved items",
    "schedule": "by itself, by its schedule",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A retraining, and what its gate's report says is broken where the gate is closed."""

    job: Job
    broken: Sequence[GateCheck] = ()

    @property
    def gate_closed(self) -> bool:
        return self.job.status == "failed" and self.job.results.get("gate", {}).get("passed") is False


def retraining_html(
    found: Outlook, workers: Sequence[Seen], jobs: Sequence[Shown], *, at: datetime, last_seen: datetime | None
) -> str:
    """The whole tab.

    Args:
        workers: those that run.
        at: now, to tell a lease that is over.
        last_seen: the last sign of a worker that died.
    """
    return (
        f"{_next(found, workers, last_seen)}"
        f'<section aria-label="Retrainings so far"><h3 class="ad-title">Retrainings so far</h3>{_jobs(jobs, at)}</section>'
    )


def _next(found: Outlook, workers: Sequence[Seen], last_seen: datetime | None) -> str:
    facts = [
        ("Approved items", _gathered(found)),
        ("By its schedule", _scheduled(found)),
        ("Worker", _worker(workers)),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    why_not = f'<p class="ea-hint">{icon("info")}{esc(found.refusal)}</p>' if found.refusal else ""
    return (
        '<section class="ad-serving ad-next" aria-label="The next retraining"><div class="ad-head"><h2>The next retraining</h2>'
        f'<span class="ea-grow"></span><div class="ad-buttons">{_ask(found, workers)}</div></div><dl class="ea-wide">{rows}</dl>{why_not}</section>'
        f"{'' if workers else _idle(found, last_seen)}"
    )


def _gathered(found: Outlook) -> str:
    every = f'<span class="ad-muted">{_items(found.approved)} in all may be trained on.</span>'
    if not found.wanted:
        return f"{found.gathered:,} new since the last one. Their number starts none: ASSISTANT_RETRAIN_AFTER is 0. {every}"
    told = f"{found.gathered:,} of {found.wanted:,} new ones that start a retraining by themselves"
    full = min(found.gathered, found.wanted)
    return f'<progress class="ad-progress" max="{found.wanted}" value="{full}" aria-label="{told}"></progress>{told}. {every}'


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"


def _scheduled(found: Outlook) -> str:
    if found.unread:
        return f'<span class="ea-danger">No time can be read in ASSISTANT_RETRAIN_SCHEDULE={esc(found.unread)}: correct it.</span>'
    return moment(found.scheduled) if found.scheduled else "never: ASSISTANT_RETRAIN_SCHEDULE is empty"


def _worker(workers: Sequence[Seen]) -> str:
    if not workers:
        return '<span class="ea-danger">none runs</span>'
    return "; ".join(f"{esc(one.name)}, since {moment(one.started_at)}" for one in workers)


def _idle(found: Outlook, last_seen: datetime | None) -> str:
    """That nothing would be done, and what to type."""
    waits = (
        f"{esc(found.job.job_id)} waits for one"
        if found.job
        else "enough items have gathered, and no retraining starts"
        if 0 < found.wanted <= found.gathered
        else "neither the number of items nor the schedule starts a retraining, and what is asked for waits"
    )
    died = f" The last one was seen at {moment(last_seen)}." if last_seen else ""
    return (
        f'<section class="ad-idle" role="status">{icon("alert")}<div><p><strong>No worker runs:</strong> {waits}.{died} '
        "Start one beside the assistant, with the same settings; it trains on all processors while it works.</p>"
        f"<pre><code>{START}</code></pre><p>With the container files:</p><pre><code>{START_COMPOSE}</code></pre></div></section>"
    )


def _ask(found: Outlook, workers: Sequence[Seen]) -> str:
    text = (
        f"A worker builds a dataset of {_items(found.approved)} that reviewers approved, {found.gathered:,} of them new since the last "
        "retraining, trains an adapter and asks the gate. Nothing that serves changes. You ask for it, so another administrator has to "
        f"approve the adapter.{'' if workers else ' No worker runs: it waits until one does.'}"
    )
    barred = " disabled" if found.refusal else ""
    return (
        f'<button type="button" class="ea-primary" data-act="ad_sure" data-event="retrain_ask" data-title="Retrain now?" '
        f'data-text="{esc(text)}" data-label="Retrain" data-keep="Cancel"{barred}>Retrain now</button>'
    )


def _jobs(jobs: Sequence[Shown], at: datetime) -> str:
    if not jobs:
        return (
            f'<p class="ea-none">No retraining was asked for yet. It takes {LEAST} approved items: reviewers decide <em>Train</em> on '
            "the page Review.</p>"
        )
    return f'<ol class="ad-jobs">{"".join(_job(one, at) for one in jobs)}</ol>'


def _job(shown: Shown, at: datetime) -> str:
    job = shown.job
    state = "gate closed" if shown.gate_closed else "waits to go on" if job.to_go_on else STATES[job.status]
    buttons = _cancel(job) if job.status == "queued" or _left(job, at) else ""
    ladder = _ladder(job) if job.status == "running" or job.to_go_on else ""
    return (
        f'<li class="ad-job" data-job="{esc(job.job_id)}" data-status="{job.status}"><div class="ad-head">'
        f'<span class="ea-badge ad-job-{job.status}">{state}</span><code>{esc(job.job_id)}</code><span class="ea-grow"></span>'
        f'<div class="ad-buttons">{buttons}</div></div><p class="ad-muted">{_asked(job)}</p>{ladder}{_made(job)}{_trouble(shown, at)}</li>'
    )


def _asked(job: Job) -> str:
    by = BY_ITSELF.get(job.trigger) or f"by {esc(job.requested_by)}"
    over = f" · ended {moment(job.finished_at)}" if job.finished_at else ""
    return f"Asked for {moment(job.created_at)} {by}{over}"


def _ladder(job: Job) -> str:
    here = STEPS.index(job.step) if job.step in STEPS else 0
    steps = "".join(
        f'<li class="{"ad-done" if place < here else "ad-here" if place == here else ""}"{" aria-current=step" if place == here else ""}>'
        f"{STEP_NAMES[step]}</li>"
        for place, step in enumerate(STEPS)
    )
    return f'<ol class="ad-ladder" aria-label="Steps of the retraining">{steps}</ol>'


def _made(job: Job) -> str:
    """What it brought so far: the dataset, the adapter and the gate's figures."""
    results = job.results
    parts = []
    if dataset := results.get("dataset", {}).get("dataset_id"):
        parts.append(f"Dataset <code>{esc(dataset)}</code>")
    if adapter := results.get("register", {}).get("adapter"):
        parts.append(
            f'adapter <button type="button" class="ad-link" data-act="adapter_open" data-adapter="{esc(adapter)}">{esc(adapter)}</button>'
        )
    gate = results.get("gate", {})
    if isinstance(gate.get("rate"), float):
        parts.append(f"gate {gate['rate']:.1%} of {esc(gate.get('n', ''))} cases")
    return f"<p>{' · '.join(parts)}</p>" if parts else ""


def _trouble(shown: Shown, at: datetime) -> str:
    """Why it does not go on, and what to do; "" where nothing is to be done."""
    job = shown.job
    if shown.gate_closed:
        return _gate_closed(shown)
    if job.status == "failed":
        where = f" at the step {STEP_NAMES.get(job.step, esc(job.step))}" if job.step else ""
        return (
            f'<div class="ad-why"><p><strong>It failed{where}.</strong> {esc(job.error)}</p>'
            "<p>Nothing that serves has changed. Put that right, then retrain again.</p></div>"
        )
    if job.status == "waiting":
        asked = job.requested_by if job.trigger == "hand" else ""
        but = f" but {esc(asked)}, who asked for it," if asked and ":" not in asked else ""
        return f'<p class="ea-hint">{icon("info")}Any administrator{but} may approve it: open the adapter and read its gate report.</p>'
    if job.to_go_on:
        at_step = STEP_NAMES.get(job.to_go_on, esc(job.to_go_on))
        return (
            f'<p class="ea-hint">{icon("info")}Its worker was stopped: the next one goes on at the step {at_step}.</p>'
        )
    if _left(job, at):
        return f'<p class="ea-hint">{icon("info")}Its worker gives no sign any more: the next one goes on from this step.</p>'
    return ""


def _left(job: Job, at: datetime) -> bool:
    """Its worker has died, or sleeps: the lease is over."""
    return job.status == "running" and job.lease_until is not None and job.lease_until <= at


def _gate_closed(shown: Shown) -> str:
    gate = shown.job.results["gate"]
    known = [f"<li><strong>{esc(check.name)}</strong>: {esc(check.detail)}</li>" for check in shown.broken]
    names = "".join(known) or "".join(f"<li>{esc(name)}</li>" for name in gate.get("broken", ()))
    return (
        f'<div class="ad-why"><p><strong>The gate is closed for it: it serves nobody.</strong> Broken:</p><ul>{names}</ul>'
        f"<p>Read the failing cases in the report of run <code>{esc(gate.get('run_id', ''))}</code>, have reviewers correct such answers or the "
        "documents that they rest on, and retrain. If these thresholds or these cases are not yours: ASSISTANT_RETRAIN_GATE and "
        "ASSISTANT_RETRAIN_SUITE name your own.</p></div>"
    )


def _cancel(job: Job) -> str:
    text = "It is taken off the list before a worker begins it. The approved items stay"
    if job.fence:
        made = "Its dataset stays." if "dataset" in job.results else "Nothing was made of it yet."
        made = "Its dataset and its adapter stay as they are." if "register" in job.results else made
        text = f"It has begun, and no worker is at it now: none does any more of it. {made} The approved items stay"
    text += "." if job.trigger == "hand" else ", and as many new ones again start the next."
    return (
        f'<button type="button" class="ea-small" data-act="ad_sure" data-event="retrain_cancel" data-job="{esc(job.job_id)}" '
        f'data-title="Cancel this retraining?" data-text="{text}" data-label="Cancel it" data-keep="Keep it">Cancel</button>'
    )
