"""The card of a committed adapter: what it was trained on, with which command, what it scores, where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from training.reading_scores import HALF, TEMPTING

LICENCES = {
    "new_wiki, reddit, amazon (SQuADShifts)": "CC BY 4.0 on its dataset card",
    "policyqa (train)": "MIT",
    "nq (open questions with a gold passage)": "MIT; text CC BY-SA 3.0",
    "qed": "CC BY-SA 3.0 text",
    "conditionalqa (train, extractive answers)": "BSD-2-Clause",
    "covidqa": "Apache-2.0",
    "questions written on paragraphs of new_wiki, nq and qed (training/data/written.txt)": "CC0",
}
"""The reading sets, and the licence that each one's source states."""


def reader_card(adapter: str, command: str, made: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown. `made` says how, beside the command; `scores` maps each variant to what `training.reading_scores.score` gave for it."""
    judged: Mapping[str, Any] = next((s[HALF] for s in reversed(list(scores.values())) if HALF in s), {})
    return (
        "\n\n".join(
            [
                f"# {adapter}",
                "Finds the answer to a question in a passage, and says when the passage does not hold it. A LoRA adapter on "
                "all-MiniLM-L6-v2 (Apache-2.0) with a span head and an answerability head; float16, English.",
                f"## Made by\n\n```\n{command}\n```\n\n{made}; {datetime.now(UTC).date().isoformat()}.",
                "## Data\n\n" + markdown_table(("set", "licence that its source states"), list(LICENCES.items())),
                "A third of what it saw was unanswerable: a neighbouring passage, the passage without the answering sentence, the "
                "question with another name, figure, negation or opposite word (`training/unanswerable.py`), and two in "
                "five of these questions that were written to look answerable (`training/written.py`).",
                "## Scores\n\nHeld out by article and by site; never trained on. 95 % intervals: bootstrap for F1, Wilson for EM.",
                markdown_table(("variant", "set", "n", "F1", "EM"), _answerable_rows(scores)),
                "Half unanswerable: half of the questions answerable, the other half in equal parts of every kind that was made from "
                "them. Written to look answerable: three that a paragraph answers and four that it only seems to. A right refusal "
                "counts 1, a wrong one 0; the decision is calibrated on the other half of the articles.",
                markdown_table(("variant", "set", "n", "F1", "AUROC"), _half_rows(scores)),
                "AUROC by kind, as it is served: "
                + ", ".join(f"{k} {v}" for k, v in judged.get("auroc_by_kind", {}).items())
                + ".",
                "## Limits\n\nIt copies spans and writes nothing of its own. It reads English; other languages as far as the "
                "encoder carries. Questions whose words were changed by one name or figure are its hardest ones: see the kinds.",
            ]
        )
        + "\n"
    )


def _answerable_rows(scores: Mapping[str, Mapping[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (name, source, s["n"], f"{s['f1']} {interval(s['f1_interval'])}", f"{s['em']} {interval(s['em_interval'])}")
        for name, sets in scores.items()
        for source, s in sets.items()
        if isinstance(s, dict) and "em" in s
    ]


def _half_rows(scores: Mapping[str, Mapping[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (name, source, half["n"], f"{half['f1']} {interval(half['f1_interval'])}", half["auroc"])
        for name, sets in scores.items()
        for source in (HALF, TEMPTING)
        if (half := sets.get(source))
    ]


def interval(bounds: Sequence[float]) -> str:
    """`(low–high)`, as a card shows it."""
    return f"({bounds[0]}–{bounds[1]})"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def practice_card(config: Any, told: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown. `told`: minutes, lessons, the share of what was learnt in the weights, and for each held-out set n and how often the
    right part came first before and after."""
    command = (
        f"python -m training practice --data DIR --out DIR --start {config.start} --adapter {config.name} --passes {config.passes} "
        f"--handbooks {told['handbooks']} --companies {config.replay} --share {told['share']} "
        f"--learning-rate {config.learning_rate} --seed {config.seed}"
    )
    first = [(name, n, f"{before:.2f}", f"{after:.2f}") for name, (n, before, after) in told["first"].items()]
    sets = {
        **LICENCES,
        "employees' questions (training/data/employee_questions.jsonl)": "CC0, as the handbooks they are asked on",
        "made-up companies (training/data/*.txt)": "CC0",
    }
    return (
        "\n\n".join(
            [
                f"# {config.name}",
                f"Finds the part of some passages that answers an employee's question. {config.start}, trained on: the same LoRA "
                "adapter and heads on all-MiniLM-L6-v2 (Apache-2.0); float16, English.",
                f"## Made by\n\n```\n{command}\n```\n\nSeed {config.seed}; {told['lessons']} questions; {told['minutes']:.0f} minutes "
                f"on two cores; {datetime.now(UTC).date().isoformat()}.",
                "## Data\n\n" + markdown_table(("set", "licence that its source states"), list(sets.items())),
                "## Scores\n\nOf all parts of three passages the right one first, on documents that nothing learnt from; a made-up "
                "company's passage beside other sections of its document.",
                markdown_table(("set", "n", config.start, config.name), first),
                "The reading sets, held out by article and by site, 500 questions of each. 95 % intervals: bootstrap for F1, "
                "Wilson for EM.",
                markdown_table(("adapter", "set", "n", "F1", "EM"), _answerable_rows(scores)),
                "Half unanswerable: half of the questions answerable, the other half in equal parts of every kind that was made from "
                "them. Written to look answerable: three that a paragraph answers and four that it only seems to.",
                markdown_table(("adapter", "set", "n", "F1", "AUROC"), _half_rows(scores)),
                "## Limits\n\nIt copies spans and writes nothing of its own. It reads English; other languages as far as the "
                "encoder carries. The employees' questions and their answers were labelled once, by nobody else checked.",
            ]
        )
        + "\n"
    )
