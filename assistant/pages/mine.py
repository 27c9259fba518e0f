"""A person's own page: what reviewers ask of their documents, whether their questions may train, and their data to keep or erase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import shell
from assistant.pages.icons import icon
from assistant.pages.parts import PLAIN, QUIET, bridge_js, sent
from assistant.pages.person import account_html, signed_in, told
from assistant.pages.render import day, esc
from core.errors import BadInput, NotFound
from core.person_data import Held
from core.records import Principal
from core.review_records import DocumentTask

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

EVENTS = ("task_close", "consent", "erase_mine")
SHOWN_CLOSED = 20


def build_mine(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the page inside `page`, which is being built."""
    events = MineEvents(assistant)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-mine"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("mine"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("My page"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                bridge = gr.HTML("", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS), apply_default_css=False)
                tasks = gr.HTML(elem_id="ea-tasks", **PLAIN)
                consent = gr.HTML(elem_id="ea-consent", **PLAIN)
                data = gr.HTML(elem_id="ea-my-data", **PLAIN)
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)
    page.load(events.load, None, [account, tasks, consent, data], **QUIET)
    bridge.task_close(events.task_close, None, [tasks], **QUIET)
    bridge.consent(events.consent, None, [consent], **QUIET)
    bridge.erase_mine(events.erase_mine, None, [data], **QUIET)


class MineEvents:
    """The page's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    @told
    def load(self, request: gr.Request) -> tuple[Any, ...]:
        who = signed_in(self._assistant, request)
        consent = _consent(self._assistant.consent.allowed(who.person_id))
        return (
            account_html(self._assistant, who),
            self._tasks(who),
            consent,
            _data(self._assistant.person_data.held(who.person_id)),
        )

    @told
    def task_close(self, event: gr.EventData, request: gr.Request) -> str:
        who = signed_in(self._assistant, request)
        data = sent(event)
        self._assistant.tasks.close(str(data.get("task", "")), who, str(data.get("note", "")))
        gr.Info("The task is closed.", duration=4)
        return self._tasks(who)

    @told
    def consent(self, event: gr.EventData, request: gr.Request) -> str:
        who = signed_in(self._assistant, request)
        data = sent(event)
        allowed = data.get("allowed")
        if not isinstance(allowed, bool):
            raise BadInput("The page sent no choice: reload it.")
        self._assistant.consent.set(who.person_id, allowed=allowed)
        gr.Info("Your choice is kept." if allowed else "Kept: nothing of yours is trained on from now on.", duration=4)
        return _consent(allowed)

    @told
    def erase_mine(self, request: gr.Request) -> str:
        """Erase the person's own questions, and block what was trained on them."""
        who = signed_in(self._assistant, request)
        done = self._assistant.person_data.erase(who.person_id, actor=who.person_id)
        gr.Info(f"{done.turns} questions are erased, with everything that hung on them.", duration=6)
        return _data(self._assistant.person_data.held(who.person_id))

    def _tasks(self, who: Principal) -> str:
        tasks = self._assistant.tasks
        waiting, closed = tasks.listed(who), tasks.listed(who, closed=True)[:SHOWN_CLOSED]
        titles = {one.document_id: self._title(one) for one in (*closed, *waiting)}
        return tasks_html(who, waiting, closed, titles)

    def _title(self, task: DocumentTask) -> str:
        try:
            return self._assistant.catalogue.get(task.document_id, task.version).title or task.document_id
        except NotFound:
            return task.document_id


def tasks_html(
    who: Principal, waiting: Sequence[DocumentTask], closed: Sequence[DocumentTask], titles: Mapping[str, str]
) -> str:
    """The tasks of a person's documents; an administrator's list is everybody's, and names the owners."""
    listed = "".join(_task(one, who, titles[one.document_id]) for one in waiting)
    none = '<p class="ea-none">Nobody has asked for a change of your documents.</p>'
    done = "".join(
        f'<article class="rv-task"><header><strong>{esc(titles[one.document_id])}</strong><span class="ea-muted">{esc(one.document_id)} · version {one.version}, '
        f"closed by {esc(one.closed_by)} on {day(one.closed_at) if one.closed_at else ''}</span></header><p>{esc(one.closing_note)}</p></article>"
        for one in closed
    )
    after = f'<details class="rv-guide"><summary>Closed ({len(closed)})</summary>{done}</details>' if closed else ""
    title = "Document tasks" if who.has_role("admin") else "My document tasks"
    return f'<h2 class="rv-head">{title}</h2>{listed or none}{after}'


def _task(one: DocumentTask, who: Principal, title: str) -> str:
    owner = "" if one.owned_by(who) else f' · owner <a href="mailto:{esc(one.owner)}">{esc(one.owner)}</a>'
    return (
        f'<article class="rv-task" data-task="{esc(one.task_id)}"><header><strong>{esc(title)}</strong>'
        f'<span class="ea-muted">{esc(one.document_id)} · version {one.version} · asked for by {esc(one.opened_by)} on {day(one.created_at)}{owner}</span>'
        f'</header><p dir="auto">{esc(one.note)}</p><form class="rv-close"><input type="text" maxlength="4000" '
        f'aria-label="What was done" placeholder="What was done, such as: version {one.version + 1} is approved" required>'
        '<button type="submit" class="ea-small">Close</button></form></article>'
    )


def _consent(allowed: bool) -> str:
    checked = "checked" if allowed else ""
    return (
        '<h2 class="rv-head">Your questions and training</h2><div class="rv-consent">'
        "<p>When you report an answer, or give it a thumb, a reviewer may correct it, and the assistant may be trained on the question "
        "with the correction. Personal data are replaced first. You can say no at any time: your questions are still answered and your "
        "reports still read, but they are never trained on, not even those that were approved before. Adapters that were trained "
        "earlier are not changed by this.</p>"
        f'<label><input type="checkbox" id="rv-consent" {checked}>My questions may be used for training</label></div>'
    )


def _data(held: Held) -> str:
    many = len(held.adapters)
    trained = (
        f" {many} adapter{' was' if many == 1 else 's were'} trained on some of your questions: erasing takes "
        f"{'it' if many == 1 else 'them'} out of service for everybody."
        if many
        else " No adapter was trained on them."
    )
    kept = f"{held.questions} questions with their answers in {held.conversations} conversations, and {held.reports} thumbs and reports"
    erase = (
        f'<button type="button" class="ea-small ea-danger" data-act="erase_mine" data-questions="{held.questions}" '
        f'data-adapters="{many}">{icon("trash")}Erase my questions</button>'
        if held.questions
        else ""
    )
    return (
        f'<h2 class="rv-head">Your data</h2><div class="rv-consent"><p>Kept of you: {kept}.{trained}</p>'
        '<p class="ea-muted">What you decided about other people\'s answers stays, and so does the audit log, which holds no words. '
        "Backups that were made before hold what they held until they are deleted.</p>"
        f'<div class="rv-exports"><a class="ea-small" href="/my-data" download="my-data.json">{icon("download")}Download everything</a>'
        f"{erase}</div></div>"
    )
