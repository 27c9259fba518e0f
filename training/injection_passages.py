"""Texts for the judgement of retrieved passages: orders hidden in ordinary text, and ordinary text.

An order stands alone, or before, behind or among sentences of handbooks, mails and tables. The harmless side is the same
text without an order, and sentences of ours that give people orders (`training/passage_harmless_lines.txt`).
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from guardrails.sieve import sentences
from training.injection_data import (
    PASSAGE_LINES,
    Example,
    families,
    filled,
    own_attacks,
    read_lines,
    there,
)

HARMLESS_LINES = Path(__file__).with_name("passage_harmless_lines.txt")
MORE_LINES = Path(__file__).with_name("passage_lines_more.txt")
MORE_HARMLESS_LINES = Path(__file__).with_name("passage_harmless_lines_more.txt")
GROUPS = 8
"""Families that the documents are split into, each held out whole."""
CONTEXTS = 2
"""Texts that each order is put into."""
AS_QUESTIONS = ("override", "exfiltrate", "persona", "delimiter", "reveal")
ALONE = 0.4
"""Share of orders with no other text around them."""
LONGEST = 700
"""Characters of ordinary text around an order."""
MOST_SENTENCES = 1500
_SPEAKS = re.compile(
    r"\b(?:you|your|please|must|should|never|do not|don't|if|when|note|ask|tell|write|send|use|add|make|include)\b|\?",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def passage_attacks(data: Path, seed: int, each: int) -> list[Example]:
    """The orders, most of them within other text."""
    rng = random.Random(seed + 3)  # noqa: S311 - seeded sampling, no secret
    around = ordinary(data, seed)
    return [_within(order, around, rng) for order in bare_orders(data, seed, each) for _ in range(CONTEXTS)]


def bare_orders(data: Path, seed: int, each: int) -> list[Example]:
    """Orders of our families, some of those that questions make, and BIPIA's training part (MIT)."""
    orders = [Example(t, "attack", f, "passage templates") for f, t in filled(families(PASSAGE_LINES), seed + 2, each)]
    steering = [e for e in own_attacks(seed, 12) if e.family in AS_QUESTIONS]
    orders += [Example(e.text, "attack", f"as a question: {e.family}", "passage templates") for e in steering]
    bipia = there(data / "attacks" / "bipia")
    for name in ("text_attack_train.json", "code_attack_train.json"):
        kinds = json.loads((bipia / name).read_text(encoding="utf-8"))
        orders += [Example(t, "attack", kind, "bipia") for kind, texts in kinds.items() for t in texts]
    more = filled(families(MORE_LINES), seed + 2, each)
    return orders + [Example(t, "attack", f, "passage templates") for f, t in more]


def passage_benign(data: Path, seed: int) -> list[Example]:
    """Pieces of documents, mails and tables, and our harmless sentences alone and among them."""
    rng = random.Random(seed + 4)  # noqa: S311 - seeded sampling, no secret
    around, own = ordinary(data, seed), orders_to_people(seed)
    return [*around, *own, *(_within(e, around, rng) for e in own)]


def single_sentences(data: Path, seed: int, each: int) -> list[Example]:
    """What the chat's judge reads of a passage, one sentence at a time: every order alone, and sentences of ordinary texts that speak to
    somebody, ask or demand, which is what the sieve lets through."""
    rng = random.Random(seed + 7)  # noqa: S311 - seeded sampling, no secret
    plain = [Example(s, "benign", e.family, e.source) for e in ordinary(data, seed) for s in sentences(e.text)]
    hard = [e for e in plain if _SPEAKS.search(e.text)]
    return bare_orders(data, seed, each) + rng.sample(hard, min(len(hard), MOST_SENTENCES))


def orders_to_people(seed: int) -> list[Example]:
    """Our harmless sentences that tell people what to do, and what machines may do."""
    found = filled({**families(HARMLESS_LINES), **families(MORE_HARMLESS_LINES)}, seed, 40)
    return [Example(t, "benign", f"orders to people: {f}", "passage templates") for f, t in found]


def ordinary(data: Path, seed: int, most: int = 2000) -> list[Example]:
    """Pieces of one to four sentences from documents (CC0), BIPIA's mails and tables (MIT), and passages of Wikipedia (CC BY-SA)."""
    rng = random.Random(seed + 5)  # noqa: S311 - seeded sampling, no secret
    found: list[Example] = []
    for file in sorted(there(data / "documents").rglob("*.md")):
        family = f"documents {zlib.crc32(file.name.encode()) % GROUPS}"
        found += [Example(t, "benign", family, "documents") for t in _pieces(file.read_text(encoding="utf-8"), rng)]
    found = rng.sample(found, min(len(found), most // 2))
    mails = [json.loads(line)["context"] for line in read_lines(data / "attacks" / "bipia" / "email" / "train.jsonl")]
    tables = [json.loads(line)["context"] for line in read_lines(data / "attacks" / "bipia" / "table" / "train.jsonl")]
    wiki = [
        row["ctxs"][0]["text"]
        for row in read_lines(data / "reading" / "nq" / "nq-open-oracle.jsonl.gz")
        for row in [json.loads(row)]
    ]
    for name, texts in (("bipia mails", mails), ("bipia tables", tables), ("wikipedia", wiki)):
        parts = [piece for text in texts for piece in _pieces(text, rng)]
        found += [Example(t, "benign", name, name) for t in rng.sample(parts, min(len(parts), most // 6))]
    return found


def notices(data: Path, seed: int, most: int = 3000) -> list[str]:
    """Short plain sentences: of companies' privacy policies (PolicyQA, MIT) and of people's accounts of their case (ConditionalQA, BSD-2)."""
    rng = random.Random(seed + 6)  # noqa: S311 - seeded sampling, no secret
    articles = json.loads((data / "reading" / "policyqa" / "train.json").read_text(encoding="utf-8"))["data"]
    told = json.loads((data / "reading" / "conditionalqa" / "train.json").read_text(encoding="utf-8"))
    texts = [p["context"] for a in articles for p in a["paragraphs"]] + [row["scenario"] for row in told]
    found = sorted({s for text in texts for s in sentences(text)})
    return rng.sample(found, min(len(found), most))


def _pieces(text: str, rng: random.Random) -> list[str]:
    sentences = [s.strip() for s in _SENTENCE.split(text) if len(s.strip()) > 15]
    found, at = [], 0
    while at < len(sentences):
        count = rng.randint(1, 4)
        found.append(" ".join(sentences[at : at + count])[:LONGEST])
        at += count
    return found


def _within(order: Example, around: Sequence[Example], rng: random.Random) -> Example:
    """The order alone, or before, behind or between the sentences of a piece of ordinary text."""
    if rng.random() < ALONE:
        return order
    sentences = _SENTENCE.split(rng.choice(around).text[:LONGEST])
    place = rng.choice((0, len(sentences), rng.randint(0, len(sentences))))
    joint = rng.choice((" ", "\n", "\n\n"))
    text = joint.join(filter(None, (" ".join(sentences[:place]), order.text, " ".join(sentences[place:]))))
    return Example(text, order.label, order.family, order.source)
