"""The retrieval test bench: what the search finds for a question, for oneself or, for admins, as another person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages.parts import PLAIN, QUIET
from assistant.pages.person import signed_in, told
from assistant.pages.render import esc, evidence_meter, rich
from assistant.pages.source import label
from assistant.web.sessions import require
from core.errors import BadInput, NotAllowed
from core.records import Passage, Principal
from retrieval.access import FILTERABLE, parse_filters
from retrieval.retriever import MODES, Mode, Retrieval

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant


def build_bench(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the bench and connect it."""
    events = BenchEvents(assistant)
    gr.HTML(
        '<p class="ea-lead">Searches exactly as an answer does: inside the person’s access rules, then once more '
        "against the catalogue. Nothing is generated. Searching as somebody else is recorded in the audit log.</p>",
        **PLAIN,
    )
    question = gr.Textbox(label="Question", max_lines=3, elem_id="ea-bench-question")
    with gr.Row(elem_classes="ea-fields"):
        person = gr.Dropdown([], label="As", elem_id="ea-bench-person")
        mode = gr.Radio(list(MODES), value="hybrid", label="Mode")
        limit = gr.Slider(1, 50, value=8, step=1, label="Passages")
    filters = gr.Textbox(
        label="Filters",
        info=f"One or more of {', '.join(FILTERABLE)}, separated by commas",
        placeholder="department=HR, language=en",
        max_lines=1,
    )
    with gr.Row(elem_classes="ea-actions"):
        search = gr.Button("Search", variant="primary", elem_id="ea-bench-search")
    found = gr.HTML(elem_id="ea-bench", **PLAIN)
    inputs = [question, person, mode, limit, filters]
    for trigger in (search.click, question.submit):
        trigger(events.search, inputs, [found], **QUIET)
    page.load(events.load, None, [person], **QUIET)


class BenchEvents:
    """The bench's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    @told
    def load(self, request: gr.Request) -> Any:
        """An admin may choose anybody; others search as themselves."""
        person = signed_in(self._assistant, request)
        known = self._assistant.people.all() if person.has_role("admin") else [person]
        return gr.update(choices=[(f"{p.name} ({p.person_id})", p.person_id) for p in known], value=person.person_id)

    @told
    def search(self, question: str, as_person: str, mode: str, limit: int, filters: str, request: gr.Request) -> str:
        """Search as a person, and show what came back with every score."""
        actor = require(signed_in(self._assistant, request), "support", "admin")
        if not question.strip():
            raise BadInput("Type a question.")
        person = self._as(actor, as_person)
        chosen: Mode = next((m for m in MODES if m == mode), "hybrid")
        retrieval = self._assistant.retriever.retrieve(
            question,
            person,
            limit=max(1, min(50, int(limit))),
            mode=chosen,
            filters=parse_filters(part for part in filters.split(",") if part.strip()),
        )
        return self._found(retrieval, actor)

    def _as(self, actor: Principal, person_id: str) -> Principal:
        if person_id in ("", actor.person_id):
            return actor
        if not actor.has_role("admin"):
            raise NotAllowed("Only admins may search as another person.")
        person = self._assistant.people.get(person_id)
        self._assistant.audit.append(actor.person_id, "search.as", person.person_id)
        return person

    def _found(self, retrieval: Retrieval, actor: Principal) -> str:
        low = retrieval.evidence < self._assistant.settings.low_evidence
        times = " · ".join(f"{esc(name)} {ms:.1f} ms" for name, ms in retrieval.timings_ms.items())
        dropped = f"{retrieval.dropped} dropped by the second access check"
        head = f'<p class="ea-bench-head" role="status">{evidence_meter(retrieval.evidence, low=low)}<span>{len(retrieval.passages)} passages · {dropped}</span><span>{times}</span></p>'
        if not retrieval.passages:
            return f'{head}<p class="ea-none">Nothing that this person may read was found.</p>'
        rows = "".join(self._row(rank, p, actor) for rank, p in enumerate(retrieval.passages, 1))
        return (
            f'{head}<div class="ea-table" tabindex="0"><table><thead><tr><th>#</th><th>Passage</th><th>Score</th><th>Dense</th>'
            f"<th>BM25</th><th>Label</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _row(self, rank: int, passage: Passage, actor: Principal) -> str:
        # An admin sees where another person's search leads, but not words above their own access.
        document = self._assistant.catalogue.get(passage.document_id, passage.version)
        text = rich(passage.text) if document.readable_by(actor) else "<em>You may not read this text.</em>"
        place = " · ".join(
            p for p in (passage.title, passage.section, f"p. {passage.page}" if passage.page else "") if p
        )
        scores = "".join(f'<td class="ea-num">{_score(passage.scores.get(name))}</td>' for name in ("dense", "bm25"))
        return (
            f'<tr><td class="ea-num">{rank}</td><td><strong>{esc(place)}</strong><small>{esc(passage.document_id)} · version '
            f'{passage.version} · {esc(passage.owner)}</small><div class="ea-snippet ea-text" tabindex="0">{text}</div></td>'
            f'<td class="ea-num">{_score(passage.score)}</td>{scores}<td>{label(passage.classification)}</td></tr>'
        )


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
