"""An adapter's model card, made from what the store knows of it, and the difference of two adapters.

card(registry, datasets, "reader-v2-1a2b3c4d")      Markdown, for people
diff(registry, "reader-v1-…", "reader-v2-…")         what is not the same, field by field
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.datasets import Datasets
from core.errors import AdapterRefused
from core.gate import GateReport
from core.lineage import DocumentRead
from core.records import AdapterRecord
from core.registry import Registry
from core.sealed import CARD, CONFIG, Sealed

COMPARED = ("stage", "kind", "base", "base_sha256", "sha256", "ceiling", "dataset_id", "run_id", "parent", "blocked")
ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two adapters do not share: `-` where one has none."""

    field: str
    before: str
    after: str


def diff(registry: Registry, before: str, after: str) -> list[Difference]:
    """What two registered adapters do not share: record, files, settings, peft configuration, and the gate's figures.

    Raises:
        NotFound: one of them is not registered. AdapterRefused: its files do not verify.
    """
    old, new = (dict(_fields(registry, name)) for name in (before, after))
    names = [*old, *(name for name in new if name not in old)]
    found = (Difference(name, old.get(name, ABSENT), new.get(name, ABSENT)) for name in names)
    return [one for one in found if one.before != one.after]


def _fields(registry: Registry, adapter_id: str) -> Iterator[tuple[str, str]]:
    record, sealed = registry.get(adapter_id), registry.intact(adapter_id)
    for name in COMPARED:
        yield name, str(getattr(record, name) or ABSENT)
    for key, value in sorted(sealed.settings.items()):
        yield f"setting {key}", f"{value:.6g}"
    for key, value in sorted(_config(sealed).items()):
        yield f"peft {key}", json.dumps(value, sort_keys=True)
    for file, sha256 in sorted(sealed.files.items()):
        yield f"file {file}", sha256[:16]
    report = registry.report(adapter_id)
    if report:
        yield "gate", _gate(report)


def _config(sealed: Sealed) -> dict[str, Any]:
    found = json.loads((sealed.folder / CONFIG).read_text(encoding="utf-8"))
    return {key: value for key, value in found.items() if value not in (None, [], {}, "")}


def card(registry: Registry, datasets: Datasets, adapter_id: str) -> str:
    """The model card in Markdown: uses, limits, data, scores, history, and the card that its training wrote.

    Raises:
        NotFound: it is not registered.
    """
    record = registry.get(adapter_id)
    parts = [
        f"# {record.adapter_id}",
        _about(record),
        "## Approved uses\n\n" + _uses(record),
        "## Limits\n\n" + _limits(record),
        "## Data\n\n" + _data(record, datasets, registry.documents_read(adapter_id)),
        "## Scores\n\n" + _scores(registry.report(adapter_id)),
        "## History\n\n" + _history(registry, adapter_id),
        "## From its training\n\n" + _own_card(registry, record),
    ]
    return "\n\n".join(parts) + "\n"


def _about(record: AdapterRecord) -> str:
    rows = {
        "kind": record.kind,
        "base": f"{record.base} (sha256 {record.base_sha256[:16]})",
        "sha256": record.sha256,
        "stage": record.stage,
        "went on from": record.parent or "nothing",
        "training run": record.run_id or "not tracked here",
        "registered": f"{record.created_at:%Y-%m-%d %H:%M} UTC by {record.created_by}",
    }
    return "| | |\n| --- | --- |\n" + "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def _uses(record: AdapterRecord) -> str:
    if record.blocked:
        return f"None: it is blocked. {record.blocked}"
    uses = {
        "dev": "Evaluation only. It serves nobody.",
        "staging": "Trials: a share of the people, or beside production, unseen.",
        "production": "Answering questions from retrieved passages, for everybody who is cleared for it.",
        "archived": "None: it is archived.",
    }
    return uses[record.stage]


def _limits(record: AdapterRecord) -> str:
    lines = [
        f"- It serves only people cleared for {record.ceiling}, the highest classification that it was trained on.",
        "- It answers from the passages of one question, with citations; it is no source of facts by itself.",
        f"- It runs on {record.base} and no other base.",
    ]
    return "\n".join(lines)


def _data(record: AdapterRecord, datasets: Datasets, read: Sequence[DocumentRead]) -> str:
    found = datasets.find(record.dataset_id) if record.dataset_id else None
    if found is None and read:
        lines = [f"- {one.document_id} v{one.version} (sha256 {one.sha256[:16]})" for one in read]
        return "Documents that its training read whole:\n\n" + "\n".join(lines)
    if found is None:
        return "No dataset of this installation; see the card that its training wrote."
    counted = ", ".join(f"{name} {value}" for name, value in sorted(found.counts.items()) if isinstance(value, int))
    lines = [
        f"Dataset {found.dataset_id}: {found.rows} rows, up to {found.ceiling}, made by {found.created_by}.",
        f"sha256 {found.sha256}. Its card: {found.folder}/README.md.",
        *([f"Counts: {counted}."] if counted else []),
    ]
    return "\n".join(lines)


def _scores(report: GateReport | None) -> str:
    if report is None:
        return "No gate report: it has not been evaluated on the served path."
    checks = "\n".join(f"| {c.name} | {'passed' if c.passed else 'failed'} | {c.detail} |" for c in report.checks)
    return f"{_gate(report)}\n\n| check | | measured |\n| --- | --- | --- |\n{checks}"


def _gate(report: GateReport) -> str:
    return (
        f"{report.pass_rate:.1%} of {report.n} cases of {report.suite} ({report.low:.1%} to {report.high:.1%}), "
        f"{'passed' if report.passed else 'failed'}, against {report.against or 'nothing'}, run {report.run_id}, "
        f"{report.created_at[:10]}"
    )


def _history(registry: Registry, adapter_id: str) -> str:
    return "\n".join(
        f"- {e.at:%Y-%m-%d %H:%M} UTC, {e.actor}: {e.action}, {e.from_stage or 'new'} to {e.to_stage}. {e.reason}".rstrip()
        for e in registry.history(adapter_id)
    )


def _own_card(registry: Registry, record: AdapterRecord) -> str:
    try:
        registry.intact(record.adapter_id)
        text = (registry.folder(record) / CARD).read_text(encoding="utf-8")
    except (AdapterRefused, OSError) as error:
        return f"Its files do not verify: {error}"
    # One level down, so that the headings nest.
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.strip().splitlines())
