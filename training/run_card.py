"""The card that a training run writes beside its adapter: data, method, measurements, limits. No time, no machine, nobody's name."""

from __future__ import annotations

import json
from collections.abc import Mapping

from core.run_config import Method, RunConfig
from training.cards import markdown_table
from training.rows import Rows

LIMITS: Mapping[Method, str] = {
    "reader": "It copies parts of passages and writes nothing of its own. It reads questions near to those in its scope; the shipped reader reads the others.",
    "sft": "It writes in the manner of the reviewed answers; what they had wrong it learnt too.",
    "dpo": "It prefers reviewed answers to flagged ones; of questions unlike them it learnt nothing.",
    "kto": "It learnt from answers judged good or bad, and of questions unlike them nothing.",
    "pretrain": "It has read documents as they stood, and knows of no later version: answers still come from the passages of a question.",
    "distil": "It learnt what a larger model wrote, its mistakes included; nobody reviewed each answer.",
}


def run_card(name: str, config: RunConfig, rows: Rows, lineage: Mapping[str, str], scores: Mapping[str, float]) -> str:
    """Markdown."""
    told = json.dumps(config.model_dump(mode="json"), indent=1)
    origin = [(key, value) for key, value in lineage.items() if value and not key.startswith("package.")]
    packages = ", ".join(f"{k.removeprefix('package.')} {v}" for k, v in lineage.items() if k.startswith("package."))
    measured = [(key, f"{value:.4g}") for key, value in sorted(scores.items())]
    return (
        "\n\n".join(
            [
                f"# {name}",
                f"{config.method} on {len(rows.training)} reviewed rows, {len(rows.validation)} kept to validate with"
                + (f", of {rows.dataset_id}." if rows.dataset_id else "."),
                f"## Made from\n\n{markdown_table(('', ''), origin)}\n\nPackages: {packages}.",
                f"## Configuration\n\n```json\n{told}\n```",
                "## Measured\n\n"
                + (markdown_table(("", ""), measured) if measured else "Nothing was measured in training."),
                f"## Limits\n\n{LIMITS[config.method]} It serves only people cleared for {rows.ceiling}.",
            ]
        )
        + "\n"
    )
