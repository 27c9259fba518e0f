"""The surroundings beside the judge of passages: weights of a sentence's marks and of its nearness to its text (guardrails/surroundings.py).

What it learns from: orders and everyday requests planted in texts on something else; against them the questions, orders and sentences of
texts that are about what they ask: pages of handbooks, questions with their answers, our orders to people among their own kind.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch.nn import functional

from guardrails.sieve import Sieve, sentences
from guardrails.surroundings import Encode, Surroundings, features, marks
from training.injection_data import Example, read_lines
from training.injection_passages import ALONE, GROUPS, bare_orders, orders_to_people, ordinary

SHARE = 0.75
"""What the surroundings' log-odds count beside the judge's."""
TO_PEOPLE = 2.0
"""Weight of a harmless order to people: nearest to a planted one."""
PENALTY = 3e-4
PLANTED_TIMES = 3
"""Texts that each order is planted in."""
PLANTED_ALONE = 0.15
REQUESTS = {"clinc": 1500, "nq": 1000}
"""Everyday requests and questions that are planted."""
OWN_QUESTIONS = {"medquad": 2500, "reddit": 900, "amazon": 900}
"""Questions that stand in the text they are about."""
AHEAD = 0.75
"""Share of a forum's questions that stand before their text."""
OTHER_TEXTS = 700
"""Texts of each source of such questions, in which nothing stands but what was written."""
LONGEST = 12
"""Sentences of a text."""
FORUMS = {"reddit": "reddit_v1.0.json", "amazon": "amazon_reviews_v1.0.json"}

Held = Callable[[Example], bool]


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences in their order; `planted` are those that an attempt put there."""

    sentences: list[str]
    planted: frozenset[str] = frozenset()
    to_people: bool = False


def fit_surroundings(is_held: Held, data: Path, seed: int, *, each: int, sieve: Sieve, encode: Encode) -> Surroundings:
    """What texts teach of which none is held out; not yet shifted to an operating point.

    Args:
        sieve: only what it lets through is learnt from, as only that is judged.
        encode: remembers what it encoded, since a sentence stands in many texts (`remembering`).
    """
    rng = random.Random(seed + 11)  # noqa: S311 - seeded sampling, no secret
    return learn_from(list(_texts(is_held, data, seed, each=each, rng=rng)), sieve, encode)


def learn_from(texts: Sequence[Text], sieve: Sieve, encode: Encode) -> Surroundings:
    """Logistic regression on the sentences of some texts that the sieve lets through."""
    encode([s for text in texts for s in text.sentences])
    rows, labels, weights = [], [], []
    for text in texts:
        vectors = encode(text.sentences)
        for at, sentence in enumerate(text.sentences):
            if sieve.score(sentence) >= sieve.threshold:
                rows.append(features(sentence, vectors, at))
                labels.append(sentence in text.planted)
                weights.append(TO_PEOPLE if text.to_people else 1.0)
    return _regression(np.array(rows), np.array(labels), np.array(weights, np.float32))


def save_surroundings(found: Surroundings, folder: Path) -> None:
    """Write `surroundings.safetensors`."""
    tensors: dict[str, NDArray[Any]] = {
        "weights": found.weights,
        "bias_and_shift": np.array([found.bias, found.shift], np.float32),
    }
    save_file(tensors, folder / "surroundings.safetensors")


def remembering(encode: Encode) -> Encode:
    """What encodes each text once, however often it is asked for."""
    known: dict[str, NDArray[np.float32]] = {}

    def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
        new = sorted({text for text in texts if text not in known})
        known.update(zip(new, encode(new), strict=True) if new else ())
        return np.array([known[text] for text in texts])

    return vectors


def _texts(is_held: Held, data: Path, seed: int, *, each: int, rng: random.Random) -> Iterator[Text]:
    """Texts as they were written, with an order or a request planted in them, and our orders to people."""
    asked, answered = _questions_and_texts(is_held, data, rng)
    bodies = [*_documents(is_held, data, rng), *answered]
    bodies += [[*sentences(e.text)] for e in ordinary(data, seed) if e.source != "documents" and not is_held(e)]
    yield from map(Text, [*bodies, *asked])
    orders = [e for e in bare_orders(data, seed, each) if not is_held(e) for _ in range(PLANTED_TIMES)]
    for planted in [*(e.text for e in orders), *_requests(is_held, data, rng)]:
        lines = [*sentences(planted)]
        body = [] if rng.random() < PLANTED_ALONE else rng.choice(bodies)
        yield Text(_inserted(lines, body, rng), planted=frozenset(lines))
    people: dict[str, list[list[str]]] = {}
    for example in orders_to_people(seed):
        if not is_held(example):
            people.setdefault(example.family, []).append([*sentences(example.text)])
    for kin in people.values():
        for lines in kin:
            for _ in range(2):
                body = [] if rng.random() < ALONE else rng.choice(bodies)[:4]
                yield Text(_inserted(lines, body, rng), to_people=True)
            among = [lines, *rng.sample(kin, min(len(kin), rng.randint(2, 6)))]
            rng.shuffle(among)
            yield Text([s for of in among for s in of], to_people=True)


def _inserted(lines: Sequence[str], body: Sequence[str], rng: random.Random) -> list[str]:
    """The lines before, behind or between the sentences of a text."""
    place = rng.choice((0, len(body), rng.randint(0, len(body))))
    return [*body[:place], *lines, *body[place:]]


def _documents(is_held: Held, data: Path, rng: random.Random) -> Iterator[list[str]]:
    """Pieces of the documents, longer than those that the judge learns from."""
    for file in sorted((data / "documents").rglob("*.md")):
        family = f"documents {zlib.crc32(file.name.encode()) % GROUPS}"
        if not is_held(Example("", "benign", family, "documents")):
            found, at = [*sentences(file.read_text(encoding="utf-8"))], 0
            while at < len(found):
                count = rng.choice((1, 2, 3, 4, 5, 6, 8, 10, LONGEST))
                yield found[at : at + count]
                at += count


def _questions_and_texts(is_held: Held, data: Path, rng: random.Random) -> tuple[list[list[str]], list[list[str]]]:
    """Questions before their answer (MedQuAD, CC BY 4.0) or in the text that answers them (SQuAD-shifts, CC BY 4.0), and such texts alone."""
    reading = data / "reading"
    rows = [json.loads(line) for line in read_lines(reading / "medquad" / "medquad.jsonl.gz")]
    pairs = {"medquad": [(str(row["question"]), str(row["answer"])) for row in rows]}
    for name, file in FORUMS.items():
        articles = json.loads((reading / "squadshifts" / file).read_text(encoding="utf-8"))["data"]
        pairs[name] = [(q["question"], p["context"]) for a in articles for p in a["paragraphs"] for q in p["qas"]]
    asked: list[list[str]] = []
    alone: list[list[str]] = []
    for name, found in pairs.items():
        if is_held(Example("", "benign", "ordinary", name)):
            continue
        for question, text in rng.sample(found, min(len(found), OWN_QUESTIONS[name])):
            body = [*sentences(text)][: rng.randint(3, 10)]
            ahead = name == "medquad" or rng.random() < AHEAD
            asked.append([*sentences(question), *body] if ahead else [*body, *sentences(question)])
        for _, text in rng.sample(found, min(len(found), OTHER_TEXTS)):
            lines = [*sentences(text)]
            at = rng.randrange(max(1, len(lines) - 3))
            alone += [lines[at : at + rng.randint(1, 8)]] if lines else []
    return asked, alone


def _requests(is_held: Held, data: Path, rng: random.Random) -> list[str]:
    """What people ask an assistant or a search engine: CLINC (CC BY 3.0) and Natural Questions."""
    reading = data / "reading"
    intents = json.loads((reading / "clinc_train.json").read_text(encoding="utf-8"))["train"]
    asked = {
        "clinc": [text for text, _ in intents],
        "nq": [json.loads(line)["question"] for line in read_lines(reading / "nq" / "nq-open-oracle.jsonl.gz")],
    }
    chosen = [
        text
        for name, texts in asked.items()
        if not is_held(Example("", "benign", "ordinary", name))
        for text in rng.sample(texts, min(len(texts), REQUESTS[name]))
    ]
    return [_as_written(text, rng) for text in chosen if len(text.split()) > 1]


def _as_written(text: str, rng: random.Random) -> str:
    """With a capital letter and a mark at its end, as mostly in documents."""
    end = "?" if marks(text)[1] else "."
    text = text[0].upper() + text[1:] if rng.random() < 0.85 else text
    return text + end if text[-1] not in ".?!" and rng.random() < 0.85 else text


def _regression(rows: NDArray[np.float32], planted: NDArray[np.bool_], weights: NDArray[np.float32]) -> Surroundings:
    """Logistic regression on scaled features, both classes alike; the scale goes into the weights."""
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 0.05)
    scaled, labels = torch.from_numpy((rows - mean) / scale), torch.from_numpy(planted).float()
    balance = torch.from_numpy(weights)
    for label in (0.0, 1.0):
        of = labels == label
        balance[of] *= 0.5 * len(labels) / balance[of].sum()
    learnt, bias = torch.zeros(rows.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([learnt, bias], max_iter=60, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(scaled @ learnt + bias, labels, weight=balance)
        loss = loss + PENALTY * learnt.pow(2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(step)  # type: ignore[no-untyped-call]
    kept = SHARE * learnt.detach().numpy() / scale
    return Surroundings(kept.astype(np.float32), SHARE * float(bias.detach()) - float(kept @ mean))
