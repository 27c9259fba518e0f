"""The governance form: one set of fields for uploads, for documents in quarantine and for changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from core.records import CLASSIFICATIONS, Document

NAMES = (
    "title",
    "owner",
    "department",
    "classification",
    "language",
    "allowed_groups",
    "denied_groups",
    "effective",
    "expires",
    "review",
    "source",
    "legal_hold",
)
DATE = "YYYY-MM-DD"


def governance_fields(prefix: str, *, with_title: bool = True) -> list[gr.components.Component]:
    """The form's components, in the order of NAMES."""
    with gr.Row(elem_classes="ea-fields"):
        title = gr.Textbox(label="Title", visible=with_title, elem_id=f"{prefix}-title")
        owner = gr.Textbox(label="Owner", info="A mailbox that answers for the document", elem_id=f"{prefix}-owner")
    with gr.Row(elem_classes="ea-fields"):
        department = gr.Dropdown([], label="Department", allow_custom_value=True, elem_id=f"{prefix}-department")
        classification = gr.Dropdown(list(CLASSIFICATIONS), label="Classification", value="internal")
        language = gr.Textbox(label="Language", placeholder="detected", max_lines=1)
    with gr.Row(elem_classes="ea-fields"):
        allowed = gr.Dropdown(
            [], label="Allowed groups", multiselect=True, info="One of them is needed", elem_id=f"{prefix}-allowed"
        )
        denied = gr.Dropdown([], label="Denied groups", multiselect=True, info="Deny wins over allow")
    with gr.Row(elem_classes="ea-fields"):
        effective = gr.Textbox(label="Effective", placeholder=DATE, max_lines=1)
        expires = gr.Textbox(label="Expires", placeholder="no end date", max_lines=1)
        review = gr.Textbox(label="Review by", placeholder=DATE, max_lines=1)
    with gr.Row(elem_classes="ea-fields"):
        source = gr.Textbox(label="Source", placeholder="Where the original lives", max_lines=1)
        hold = gr.Checkbox(label="Legal hold: cannot be deleted or overwritten")
    return [
        title,
        owner,
        department,
        classification,
        language,
        allowed,
        denied,
        effective,
        expires,
        review,
        source,
        hold,
    ]


def metadata(values: Sequence[Any]) -> dict[str, object]:
    """The form's values as governance metadata; an empty field is left out, so that ingestion decides or complains."""
    given: Mapping[str, Any] = dict(zip(NAMES, values, strict=True))
    kept = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}
    return {name: value for name, value in kept.items() if value not in ("", None, [])}


def of_document(document: Document) -> list[object]:
    """A document's values in the order of NAMES."""
    texts = {name: _text(getattr(document, name)) for name in ("effective", "expires", "review")}
    groups = {name: sorted(getattr(document, name)) for name in ("allowed_groups", "denied_groups")}
    return [texts.get(name, groups.get(name, getattr(document, name))) for name in NAMES]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def updates(values: Sequence[object], groups: Sequence[str], departments: Sequence[str]) -> list[Any]:
    """Gradio updates that fill the form and offer the known groups and departments."""
    choices: dict[str, Sequence[str]] = {"department": departments, "allowed_groups": groups, "denied_groups": groups}
    return [
        gr.update(value=value, choices=list(choices[name])) if name in choices else gr.update(value=value)
        for name, value in zip(NAMES, values, strict=True)
    ]
