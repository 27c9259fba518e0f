"""What a reranker is worth: order on judged collections, answerability by kind, calibration, latency; then its card.

All figures of a published adapter come from one run of the network that serves, on held-out articles, sites and queries.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.settings import load_settings
from retrieval.adapters import open_adapter
from retrieval.collection import Collection, CorpusDocument, read_collection
from retrieval.compile import Run
from retrieval.embed import Embedder
from retrieval.evaluate import Ranked, rank
from retrieval.metrics import ndcg, percentile, reciprocal_rank
from retrieval.network import open_network, read_windows
from retrieval.rerank import RERANKED, CrossEncoder, Reads, best_logits, pair_windows, probability, rank_score
from retrieval.windows import Logits, Window, open_tokenizer
from training.hard_negatives import Candidates, Text, load_candidates
from training.publish import publish
from training.reading_data import ReadingExample
from training.reading_scores import ALTERED, auroc, bootstrap, calibration, cross_fitted, fit_logistic, wilson
from training.reranker_card import reranker_card
from training.unanswerable import JUDGED, make_unanswerable

log = logging.getLogger(__name__)

NEUTRAL = {"scale": 1.0, "offset": 0.0, "fused_weight": 0.0}
WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 40.0)
MODES = ("dense", "sparse", "hybrid", "rerank")
JUDGED_SETS = ("new_wiki", "policyqa", "nq")
QUESTIONS_A_SET = 400
LATENCY_ROUNDS = 40

Pair = tuple[str, Text]
Floats = NDArray[np.float64]


class Variant:
    """A network that is not published yet, read as a published one is."""

    def __init__(self, run: Run) -> None:
        self.tokenizer = open_tokenizer()
        self._run = run

    def run(self, windows: Sequence[Window]) -> list[tuple[Logits, ...]]:
        return read_windows(self._run, windows, most_tokens=4096)


def pair_logits(network: Reads, pairs: Sequence[Pair]) -> Floats:
    """One logit a pair, before calibration."""
    windows = []
    for number, (question, text) in enumerate(pairs):
        windows += [replace(w, passage=number) for w in pair_windows(network.tokenizer, question, [text])]
    outputs = network.run(windows)
    return np.array(best_logits(windows, [float(output[-1]) for output in outputs], len(pairs)))


def variant_scores(run: Run, held: Sequence[ReadingExample], candidates: Path) -> dict[str, Any]:
    """A quick look at a network in training: answerability, and the order of some candidates without the first stage."""
    network = Variant(run)
    examples = half_set(held, most=60)
    answers = np.array([e.kind == "answerable" for e in examples])
    found = auroc(pair_logits(network, [(e.question, ("", e.passage)) for e in examples]), answers)
    scores: dict[str, Any] = {"answerability_n": len(examples), "auroc": round(found, 3)}
    for source, mine in _by_source(load_candidates(candidates)).items():
        few = mine[:30]
        scores[f"{source}_n"] = len(few)
        scores[f"{source}_ndcg@10"] = round(float(np.mean(_orders(few, _log_odds(network, few, NEUTRAL), 0.0))), 4)
        scores[f"{source}_first_stage"] = round(float(np.mean(_first_stage(few))), 4)
    return scores


def half_set(held: Sequence[ReadingExample], *, most: int = 10_000) -> list[ReadingExample]:
    """As many answerable questions as unanswerable ones, these in equal parts of every kind."""
    rng = random.Random(11)  # noqa: S311 - a seeded draw, no secret
    judged = [e for e in held if e.source in JUDGED]
    altered = make_unanswerable(judged, 8)
    each = min(most, *(len(altered[kind]) for kind in ALTERED))
    negatives = [e for kind in ALTERED for e in rng.sample(altered[kind], each)]
    return [*rng.sample(judged, min(len(judged), len(negatives))), *negatives]


def answerability(network: Reads, held: Sequence[ReadingExample]) -> tuple[dict[str, Any], dict[str, float]]:
    """Figures on the half-unanswerable set, and the `scale` and `offset` fitted on all of it.

    For the figures, each article is judged by a fit on the other half of the articles.
    """
    examples = half_set(held)
    logits = pair_logits(network, [(e.question, ("", e.passage)) for e in examples])
    answers = np.array([e.kind == "answerable" for e in examples])
    kinds = np.array([e.kind for e in examples])
    x = np.column_stack([logits, np.ones(len(logits))])
    stated = cross_fitted(x, answers, [(e.source, e.article) for e in examples])
    by_kind = {}
    for kind in ALTERED:
        mine = answers | (kinds == kind)
        area = auroc(logits[mine], answers[mine])
        by_kind[kind] = {"auroc": round(area, 3), "interval": _area_interval(area, answers[mine])}
    whole = auroc(logits, answers)
    right = float(((stated >= 0.5) == answers).mean())
    figures = {
        "n": len(examples),
        "each_kind": int((kinds == ALTERED[0]).sum()),
        "auroc": round(whole, 3),
        "interval": _area_interval(whole, answers),
        "by_kind": by_kind,
        "accuracy_at_half": round(right, 3),
        "calibration": calibration(stated, answers),
    }
    scale, offset = fit_logistic(x, answers)
    return figures, {"scale": float(scale), "offset": float(offset)}


def choose_weight(network: Reads, candidates: Sequence[Candidates], settings: Mapping[str, float]) -> dict[str, Any]:
    """The first stage's weight with the best mean nDCG@10 over the collections, on questions kept apart from training."""
    chances = {source: _log_odds(network, mine, settings) for source, mine in _by_source(candidates).items()}
    table = {
        weight: {
            source: float(np.mean(_orders(mine, chances[source], weight)))
            for source, mine in _by_source(candidates).items()
        }
        for weight in WEIGHTS
    }
    best = max(WEIGHTS, key=lambda weight: sum(table[weight].values()))
    first = {source: round(float(np.mean(_first_stage(mine))), 4) for source, mine in _by_source(candidates).items()}
    shown = {str(w): {source: round(value, 4) for source, value in row.items()} for w, row in table.items()}
    n = {source: len(mine) for source, mine in _by_source(candidates).items()}
    return {"fused_weight": best, "n": n, "ndcg@10 by weight": shown, "first stage alone": first}


def _log_odds(network: Reads, candidates: Sequence[Candidates], settings: Mapping[str, float]) -> list[Floats]:
    pairs = [(one.question, text) for one in candidates for text in one.texts[:RERANKED]]
    found = settings["scale"] * pair_logits(network, pairs) + settings["offset"]
    return np.split(found, np.cumsum([len(one.texts[:RERANKED]) for one in candidates])[:-1])


def _orders(candidates: Sequence[Candidates], log_odds: Sequence[Floats], weight: float) -> list[float]:
    """nDCG@10 of each question, its first RERANKED candidates reordered."""
    found = []
    for one, odds in zip(candidates, log_odds, strict=True):
        scores = [rank_score(probability(o), f, weight) for o, f in zip(odds, one.fused, strict=False)]
        order = sorted(range(len(scores)), key=lambda n: -scores[n])
        owners = [one.owners[n] for n in order] + list(one.owners[len(scores) :])
        found.append(ndcg(list(dict.fromkeys(owners)), one.judged, 10))
    return found


def _first_stage(candidates: Sequence[Candidates]) -> list[float]:
    return [ndcg(list(dict.fromkeys(one.owners)), one.judged, 10) for one in candidates]


def _by_source(candidates: Sequence[Candidates]) -> dict[str, list[Candidates]]:
    return {source: [c for c in candidates if c.source == source] for source in sorted({c.source for c in candidates})}


def paragraph_retrieval(
    everything: Sequence[ReadingExample], held: Sequence[ReadingExample], embedder: Embedder, reranker: CrossEncoder
) -> dict[str, Any]:
    """Each held-out question against all paragraphs of its set: hit@1 and mrr@10 by mode."""
    figures: dict[str, Any] = {}
    for source in JUDGED_SETS:
        places = {e.passage: f"p{n}" for n, e in enumerate(e for e in everything if e.source == source)}
        documents = tuple(CorpusDocument(name, "", passage) for passage, name in places.items())
        asked = [e for e in held if e.source == source]
        if not asked:
            continue
        asked = random.Random(13).sample(asked, min(len(asked), QUESTIONS_A_SET))  # noqa: S311
        collection = Collection(
            documents,
            {e.example_id: e.question for e in asked},
            {e.example_id: {places[e.passage]: 1} for e in asked},
        )
        modes = {mode: _hits(collection, found) for mode, found in rank(collection, embedder, MODES, reranker)}
        figures[source] = {"n": len(asked), "paragraphs": len(documents), **modes}
        log.info("paragraphs of %s: %s", source, figures[source])
    return figures


def _hits(collection: Collection, found: Ranked) -> dict[str, Any]:
    ranks = np.array([reciprocal_rank(found.runs[q], grades, 10) for q, grades in collection.judged.items()])
    first = float((ranks == 1).mean())
    return {
        "hit@1": round(first, 3),
        "hit@1_interval": _rounded(wilson(first, len(ranks))),
        "mrr@10": round(float(ranks.mean()), 3),
        "mrr@10_interval": _rounded(bootstrap(ranks)),
    }


def judged_collection(folder: Path, embedder: Embedder, reranker: CrossEncoder) -> dict[str, Any]:
    """NFCorpus's dev queries, which nothing was chosen on: nDCG@10 by mode, in one run."""
    collection = read_collection(folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "dev.tsv")
    figures: dict[str, Any] = {"n": len(collection.queries), "documents": len(collection.documents)}
    hybrid: Floats = np.zeros(0)
    for mode, found in rank(collection, embedder, (*MODES, "langchain"), reranker):
        values = np.array([ndcg(found.runs[q], grades, 10) for q, grades in collection.judged.items()])
        figures[mode] = {
            "ndcg@10": round(float(values.mean()), 4),
            "interval": _rounded(bootstrap(values), 4),
            "query_ms_p50": round(percentile(found.milliseconds, 0.5), 1),
        }
        if mode == "hybrid":
            hybrid = values
        if mode == "rerank":
            figures[mode]["gain_over_hybrid_interval"] = _rounded(bootstrap(values - hybrid), 4)
        log.info("nfcorpus dev, %s: %s", mode, figures[mode])
    return figures


def latency(reranker: CrossEncoder, held: Sequence[ReadingExample]) -> dict[str, Any]:
    """Milliseconds for RERANKED passages of about 200 words."""
    words = " ".join(dict.fromkeys(e.passage for e in held if e.source == "new_wiki")).split()
    passages = [("", " ".join(words[low : low + 200])) for low in range(0, max(1, len(words) - 199), 200)]
    questions = [e.question for e in held]
    spent = []
    for number in range(LATENCY_ROUNDS + 3):
        texts = [passages[(number * RERANKED + n) % len(passages)] for n in range(RERANKED)]
        began = time.perf_counter()
        reranker.score_texts(questions[number % len(questions)], texts)
        spent.append((time.perf_counter() - began) * 1000)
    spent = spent[3:]
    return {
        "passages": RERANKED,
        "words": 200,
        "n": len(spent),
        "p50_ms": round(percentile(spent, 0.5), 1),
        "p95_ms": round(percentile(spent, 0.95), 1),
    }


def publish_reranker(
    net: Any,
    recipe: Mapping[str, Any],
    folder: Path,
    examples: tuple[Sequence[ReadingExample], Sequence[ReadingExample]],
    embedder: Embedder,
    training: Mapping[str, Any],
) -> None:
    """The adapter as it is served: calibrated, its weight chosen, measured, and with its card.

    Args:
        examples: all reading examples, and those of them that are held out.
        training: `minutes`, and the scores of each variant.
    """
    adapter_id, (everything, held) = str(recipe["adapter"]), examples
    place = folder / adapter_id
    publish(net, place, adapter_id=adapter_id, kind="reranker", settings=NEUTRAL, card="Not measured yet.\n")
    network = open_network(open_adapter(place, "reranker"), load_settings())
    figures: dict[str, Any] = {"precision": network.precision}
    figures["answerability"], fitted = answerability(network, held)
    chosen = choose_weight(network, load_candidates(folder / "candidates.jsonl"), fitted)
    settings = {**fitted, "fused_weight": chosen["fused_weight"]}
    figures["weight"] = chosen
    reranker = CrossEncoder(network, settings)
    figures["latency"] = latency(reranker, held)
    _keep(folder, figures)
    figures["paragraphs"] = paragraph_retrieval(everything, held, embedder, reranker)
    if recipe["nfcorpus"]:
        figures["nfcorpus dev"] = judged_collection(Path(str(recipe["nfcorpus"])), embedder, reranker)
    _keep(folder, figures)
    card = reranker_card(recipe, training, figures)
    sha256 = publish(net, place, adapter_id=adapter_id, kind="reranker", settings=settings, card=card)
    log.info("%s written, sha256 %s", place, sha256)


def _keep(folder: Path, figures: Mapping[str, Any]) -> None:
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    log.info("figures so far: %s", json.dumps(figures))


def _area_interval(area: float, labels: NDArray[np.bool_]) -> list[float]:
    """95 % interval of an area under the ROC curve, after Hanley and McNeil (1982)."""
    ones, zeros = int(labels.sum()), int((~labels).sum())
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (ones - 1) * (q1 - area * area) + (zeros - 1) * (q2 - area * area)
    half = 1.959964 * math.sqrt(variance / (ones * zeros))
    return _rounded((area - half, min(1.0, area + half)))


def _rounded(bounds: tuple[float, float], digits: int = 3) -> list[float]:
    return [round(x, digits) for x in bounds]
