"""Train the recogniser of names and places: python -m training ner --data DIR --out DIR [--dev FILE]

A small spaCy pipeline: words, first letters, endings, shapes and the lists that a word stands in hashed into vectors, a
convolution over neighbours, one probability a label and token. It learns from sentences made by `training/ner_data.py`, drawn
afresh for each pass, and from real text in which no name is marked (`training/ner_prose.py`). It is measured on templates and
values that it never saw, and by its false alarms in documents that it never saw. --dev adds a labelled file
(presidio-research's format) that only measures.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.records import Entity
from guardrails.check_command import read_rows
from guardrails.evaluate_command import personal_data_lines
from guardrails.name_lists import save_lists
from guardrails.ner import KINDS, LABELS, NameModel, open_names, tokens
from guardrails.pii import Recognisers, joined_addresses
from guardrails.policy import load_policy
from training.ner_data import Sentence, sentences
from training.ner_lists import word_lists
from training.ner_prose import Labelled, documents, labelled, prose, typed

log = logging.getLogger(__name__)

MODEL = """
[model]
@architectures = "spacy.Tagger.v2"
nO = null
normalize = true

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE", "LEMMA"]
rows = [3500, 400, 1500, 500, 100]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 96
window_size = 1
maxout_pieces = 3
depth = 4
"""
HELD_OUT = 1500


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result; stands in the card."""

    seed: int = 7
    each_pass: int = 18_000
    typed_each_pass: int = 2_000
    passes: int = 10
    words_in_batch: int = 1500
    learning_rate: float = 2e-3
    dropout: float = 0.2


def blank(recipe: Recipe) -> Any:
    """An untrained pipeline with the labels of `guardrails/ner.py`."""
    import spacy
    from thinc.api import Config, fix_random_seed

    fix_random_seed(recipe.seed)
    nlp = spacy.blank("xx")
    tagger: Any = nlp.add_pipe("tagger", name="names", config=Config().from_str(MODEL))
    for label in LABELS:
        tagger.add_label(label)
    return nlp


def examples(nlp: Any, made: Sequence[Sentence], rng: random.Random) -> list[Any]:
    """spaCy's training pairs: the words with the marks of their lists, and the label of each."""
    from spacy.tokens import Doc
    from spacy.training import Example

    pairs = []
    for sentence in made:
        read = tokens(sentence.text)
        if read:
            words, labels = [word for word, _ in read], labels_of(read, sentence.spans)
            marks = thinned([word_lists().marks(word) for word in words], rng)
            pairs.append(Example(Doc(nlp.vocab, words=words, lemmas=marks), Doc(nlp.vocab, words=words, tags=labels)))
    return pairs


def thinned(marks: Sequence[str], rng: random.Random) -> list[str]:
    """Marks of names taken from some words and from some whole sentences: most names of the world stand in no list of ours."""
    whole = rng.random() < 0.25
    return [re.sub("[fst]", "", m) if whole or rng.random() < 0.15 else m for m in marks]


def labels_of(read: Sequence[tuple[str, int]], spans: Sequence[tuple[str, int, int]]) -> list[str]:
    """The label of each token: the beginning or inside of the span that it lies in."""
    labels = ["O"] * len(read)
    for kind, start, end in spans:
        inside = [n for n, (word, at) in enumerate(read) if start <= at and at + len(word) <= end]
        for n in inside:
            labels[n] = f"B-{kind}" if n == inside[0] else f"I-{kind}"
    return labels


def real_examples(nlp: Any, texts: Sequence[Labelled], rng: random.Random) -> list[Any]:
    """Training pairs of real text; what has no label teaches nothing."""
    from spacy.tokens import Doc
    from spacy.training import Example

    pairs = []
    for words, labels in texts:
        if words:
            marks = thinned([word_lists().marks(word) for word in words], rng)
            pairs.append(
                Example(
                    Doc(nlp.vocab, words=list(words), lemmas=marks),
                    Doc(nlp.vocab, words=list(words), tags=list(labels)),
                )
            )
    return pairs


def train(recipe: Recipe, data: Path) -> Any:
    """A trained pipeline. Adam; the rate falls in a straight line; no made sentence is seen twice."""
    nlp = blank(recipe)
    rng = random.Random(recipe.seed)  # noqa: S311 - seeded order, no secret
    real = prose(data, "learnt")
    asked = [labelled(text) for text in typed(data, "learnt")]
    first = examples(nlp, sentences("learnt", 200, recipe.seed), rng)
    optimiser = nlp.initialize(lambda: first)
    began = time.monotonic()
    for turn in range(recipe.passes):
        pairs = examples(nlp, sentences("learnt", recipe.each_pass, recipe.seed + 1000 * turn), rng)
        pairs += real_examples(nlp, [*real, *rng.sample(asked, min(recipe.typed_each_pass, len(asked)))], rng)
        rng.shuffle(pairs)
        losses: dict[str, float] = {}
        for done, batch in batches(pairs, recipe.words_in_batch):
            optimiser.learn_rate = recipe.learning_rate * max(0.02, 1 - (turn + done / len(pairs)) / recipe.passes)
            nlp.update(batch, sgd=optimiser, drop=recipe.dropout, losses=losses)
        log.info("pass %d of %d: loss %.0f, %.0f s", turn + 1, recipe.passes, losses["names"], time.monotonic() - began)
    return nlp


def batches(pairs: Sequence[Any], words: int) -> Iterator[tuple[int, list[Any]]]:
    """The pairs in batches of about so many words, each with the number of pairs before it."""
    batch: list[Any] = []
    size = begun = 0
    for n, pair in enumerate(pairs):
        batch.append(pair)
        size += len(pair.x)
        if size >= words:
            yield begun, batch
            batch, size, begun = [], 0, n + 1
    if batch:
        yield begun, batch


def save(nlp: Any, folder: Path) -> None:
    """Write the pipeline without its vocabulary: the words are hashed, and a word list would only say what it learnt from.

    Weights are rounded to half precision, which costs nothing and packs to half the size.
    """
    for node in nlp.get_pipe("names").model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, node.get_param(name).astype(np.float16).astype(np.float32))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nlp.to_disk(folder, exclude=["vocab", "tokenizer"])
    save_lists(word_lists(), folder)


def as_rows(made: Sequence[Sentence]) -> list[dict[str, Any]]:
    """Sentences in presidio-research's format, an address in running text as one span, as the product finds it."""
    rows = []
    for sentence in made:
        spans = joined_addresses(sentence.text, [Entity(kind, start, end, 1.0) for kind, start, end in sentence.spans])
        marked = [{"entity_type": e.type, "start_position": e.start, "end_position": e.end} for e in spans]
        rows.append({"full_text": sentence.text, "spans": marked})
    return rows


def scores_of(model: NameModel, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """F2 by entity of the rules alone and of rules and network together, with the texts a second of both, in turns."""
    policy = load_policy()
    systems = {
        "rules": Recognisers(policy.thresholds(), policy.personal_data.allow, names=None),
        "rules and network": Recognisers(policy.thresholds(), policy.personal_data.allow, names=model),
    }
    found: dict[str, Any] = {}
    for name, recognisers in systems.items():
        lines = list(personal_data_lines(rows, recognisers))
        found[name] = {line["entity"]: {k: line[k] for k in ("words", "precision", "recall", "f2")} for line in lines}
        found[name]["texts_per_second"] = lines[0]["texts_per_second"]
        log.info(
            "%s: all %s, any %s, %s texts/s", name, found[name]["all"], found[name]["any"], lines[0]["texts_per_second"]
        )
    return found


def false_alarms(model: NameModel, texts: Sequence[str]) -> dict[str, float]:
    """What rules and network find in documents, by kind and 1,000 words: nearly all of it is none."""
    policy = load_policy()
    recognisers = Recognisers(policy.thresholds(), policy.personal_data.allow, names=model)
    found = Counter(e.type for text in texts for e in recognisers.find(text) if e.type in KINDS)
    thousands = sum(len(text.split()) for text in texts) / 1000
    return {kind: round(found[kind] / max(thousands, 0.001), 3) for kind in KINDS}


def run(arguments: argparse.Namespace) -> int:
    recipe = Recipe(seed=arguments.seed, passes=arguments.passes, each_pass=arguments.each_pass)
    folder: Path = arguments.out
    began = time.monotonic()
    nlp = train(recipe, arguments.data)
    save(nlp, folder / "ner")
    spent = time.monotonic() - began
    model = open_names(folder / "ner")
    sets = {"held-out templates and names": as_rows(sentences("held out", HELD_OUT, recipe.seed))}
    if arguments.dev:
        sets["development file"] = list(read_rows(str(arguments.dev), {"full_text": str, "spans": list}))
    scores = {name: {"texts": len(rows), **scores_of(model, rows)} for name, rows in sets.items()}
    alarms = false_alarms(model, documents(arguments.data, "held out"))
    log.info("found in 1,000 words of held-out documents: %s", alarms)
    report = {
        "recipe": asdict(recipe),
        "seconds": round(spent),
        "numpy": np.__version__,
        "scores": scores,
        "found in 1,000 words of documents": alarms,
    }
    (folder / "scores.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("ner", help="train the recogniser of names and places", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with documents/ and reading/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pipeline (ner/) and the scores")
    parser.add_argument("--dev", type=Path, metavar="FILE", help="a labelled file that only measures")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--passes", type=int, default=Recipe.passes)
    parser.add_argument("--each-pass", type=int, default=Recipe.each_pass, help="sentences in a pass")
