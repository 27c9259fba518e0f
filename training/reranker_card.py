"""The card of a committed reranker: what it was trained on, with which command, what it scores, where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from training.cards import LICENCES, interval, markdown_table
from training.reading_scores import ALTERED

FURTHER = {
    "medquad": "CC BY 4.0",
    "NFCorpus (train queries)": "research use; see its source",
}
LIMITS = """English. A passage is read in windows of 320 tokens with its heading, a question up to 64 tokens; a longer passage
counts as its best window does. The probability is calibrated where half of the pairs are answered by the passage; among
passages that a search brought, fewer are. Questions changed by one word, negation or figure are its hardest ones: see the kinds."""


def reranker_card(recipe: Mapping[str, Any], training: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """Markdown, from what `training.reranker_scores.publish_reranker` measured."""
    start = " --start full.pt" if recipe["start"] else ""
    corpus = " --nfcorpus DIR" if recipe["nfcorpus"] else ""
    command = (
        f"python -m training reranker --data DIR{corpus} --out DIR{start} --groups {recipe['groups']} "
        f"--recovery-groups {recipe['recovery_groups']} --rank {recipe['rank']} --seed {recipe['seed']}"
    )
    parts = [
        f"# {recipe['adapter']}",
        "Reads a question and a passage together and says how likely the passage is to answer: it reorders what a search found, "
        "and tells whether there is enough to answer from. A LoRA adapter on all-MiniLM-L6-v2 (Apache-2.0) with one small head; "
        "float16.",
        f"## Made by\n\n```\n{command}\n```\n\nSeed {recipe['seed']}; {training['minutes']:.0f} minutes of training on two cores"
        + (", from the reader's fully fine-tuned encoder" if start else "")
        + f"; {datetime.now(UTC).date().isoformat()}.",
        "## Data\n\n" + markdown_table(("set", "licence that its source states"), list((LICENCES | FURTHER).items())),
        "Groups of four pairs: the right passage; where there is one, an altered question or passage that looks answerable and is "
        "not; and the nearest wrong passages by words and by meaning. Softmax over the group, and a loss for each pair's "
        "answerability (not for NFCorpus, whose labels say relevant and not answered).",
        "## Scores\n\nHeld-out articles, sites, pages and queries, never trained on; one run of the network that serves "
        f"({figures['precision']}). 95 % intervals: Wilson for shares, Hanley-McNeil for AUROC, bootstrap for the others.",
        *_sections(figures),
        "## Variants\n\nIn training, a quick look without the first stage's score: "
        + "; ".join(f"{name}: {_inline(scores)}" for name, scores in training["variants"].items())
        + ".",
        "## Limits\n\n" + LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def _sections(figures: Mapping[str, Any]) -> list[str]:
    judged, answers = figures.get("nfcorpus dev"), figures["answerability"]
    sections = []
    if judged:
        rows = [(m, f"{v['ndcg@10']} {interval(v['interval'])}") for m, v in judged.items() if isinstance(v, dict)]
        sections.append(f"NFCorpus dev, {judged['n']} queries, {judged['documents']} documents:")
        sections.append(markdown_table(("mode", "nDCG@10"), rows))
        gain = judged["rerank"]["gain_over_hybrid_interval"]
        sections.append(f"Gain over hybrid, paired: {gain[0]:+} to {gain[1]:+}.")
    found_rows = [
        (
            source,
            found["n"],
            mode,
            f"{found[mode]['hit@1']} {interval(found[mode]['hit@1_interval'])}",
            f"{found[mode]['mrr@10']} {interval(found[mode]['mrr@10_interval'])}",
        )
        for source, found in figures["paragraphs"].items()
        for mode in ("dense", "sparse", "hybrid", "rerank")
    ]
    sections.append("Each held-out question against all paragraphs of its set:")
    sections.append(markdown_table(("set", "n", "mode", "hit@1", "mrr@10"), found_rows))
    sections.append(f"Half of {answers['n']} questions answerable, {answers['each_kind']} of each unanswerable kind:")
    kinds = [("all", answers["auroc"], answers["interval"])]
    kinds += [(k, answers["by_kind"][k]["auroc"], answers["by_kind"][k]["interval"]) for k in ALTERED]
    sections.append(
        markdown_table(("kind", "AUROC"), [(kind, f"{area} {interval(bounds)}") for kind, area, bounds in kinds])
    )
    sections.append("Calibration, each article by a fit on the other half of the articles:")
    bins = [(b["n"], b["stated"], b["observed"]) for b in answers["calibration"]]
    sections.append(markdown_table(("pairs", "stated", "observed"), bins))
    time, weight = figures["latency"], figures["weight"]
    sections.append(
        f"{time['passages']} passages of {time['words']} words: p50 {time['p50_ms']} ms, p95 {time['p95_ms']} ms ({time['n']} rounds)."
    )
    sections.append(
        f"The first stage's score counts with weight {weight['fused_weight']}, chosen on {_inline(weight['n'])} questions kept apart "
        "from training."
    )
    return sections


def _inline(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
