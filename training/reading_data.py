"""Reading sets as one form: a question, a passage, and the character spans that answer it.

Reads the folder that `python -m training reader --data DIR` names: squadshifts/*.json, policyqa/train.json, covidqa/covidqa.json
(SQuAD form), nq/*.jsonl.gz, qed/qed.jsonl and conditionalqa/train.json. A set that is not there is skipped and said so.

Whole articles or sites are held out by a hash of their title, so that no held-out passage was ever trained on.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from core.errors import BadInput

Kind = Literal["answerable", "neighbour", "removed", "entity", "number", "negation", "antonym", "written"]
Span = tuple[int, int]

log = logging.getLogger(__name__)

MAX_PASSAGE_WORDS = 220
HELD_OUT_SHARE = {"new_wiki": 0.14, "policyqa": 0.15, "nq": 0.05}
"""Share of the articles (or sites) of each set that is never trained on; the other sets are trained on whole."""


@dataclass(frozen=True, slots=True)
class ReadingExample:
    """`answers` are character spans of the passage, one per annotator; none where `kind` is not answerable."""

    example_id: str
    question: str
    passage: str
    answers: tuple[Span, ...]
    source: str
    article: str
    kind: Kind = "answerable"

    @property
    def answer_texts(self) -> list[str]:
        return [self.passage[start:end] for start, end in self.answers]


def load(folder: Path) -> list[ReadingExample]:
    """Every answerable example of the sets in the folder.

    Raises:
        BadInput: none of the known sets is there, or one of them cannot be read.
    """
    examples: list[ReadingExample] = []
    for name, path, reader in _SETS:
        if not (folder / path).exists():
            log.warning("reading set %s is not in the data folder: skipped", name)
            continue
        try:
            found = list(reader(folder / path, name))
        except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
            problem = f"{type(error).__name__}: {str(error)[:80]}"
            raise BadInput(f"{folder / path} is not whole, or no reading set of its form ({problem}).") from None
        log.info("reading set %s: %d questions", name, len(found))
        examples += found
    if not examples:
        raise BadInput(f"{folder} holds no reading set. Wanted at least one of: {', '.join(p for _, p, _ in _SETS)}")
    return examples


def split(examples: Sequence[ReadingExample]) -> tuple[list[ReadingExample], list[ReadingExample]]:
    """Training and held-out examples: of each set, the articles that come first by the hash of their title are held out."""
    articles: dict[str, set[str]] = {}
    for example in examples:
        articles.setdefault(example.source, set()).add(example.article)
    held: set[tuple[str, str]] = set()
    for source, titles in articles.items():
        ranked = sorted(titles, key=lambda title: hashlib.sha256(f"{source}/{title}".encode()).digest())
        held |= {(source, title) for title in ranked[: round(len(ranked) * HELD_OUT_SHARE.get(source, 0.0))]}
    out = [e for e in examples if (e.source, e.article) in held]
    return [e for e in examples if (e.source, e.article) not in held], out


def _squad(path: Path, name: str) -> Iterator[ReadingExample]:
    for number, article in enumerate(json.loads(path.read_text(encoding="utf-8"))["data"]):
        title = str(article.get("title") or number)
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                spans = [(a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"]]
                yield from _example(str(qa["id"]), qa["question"], paragraph["context"], spans, (name, title))


def _nq(path: Path, name: str) -> Iterator[ReadingExample]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            record = json.loads(line)
            passage = next((c for c in record["ctxs"] if c.get("isgold")), None)
            if passage is None:
                continue
            spans = [s for answer in record["answers"] for s in islice(find_words(answer, passage["text"]), 1)]
            question = record["question"].rstrip("?") + "?"
            yield from _example(f"nq-{number}", question, passage["text"], spans, (name, passage["title"]))


def _qed(path: Path, name: str) -> Iterator[ReadingExample]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record: dict[str, Any] = json.loads(line)
            spans = [(a["start"], a["end"]) for group in record.get("original_nq_answers") or [] for a in group[:1]]
            question = record["question_text"].rstrip("?") + "?"
            identity = f"qed-{record['example_id']}"
            yield from _example(identity, question, record["paragraph_text"], spans, (name, record["title_text"]))


def _conditionalqa(path: Path, name: str) -> Iterator[ReadingExample]:
    """Only the extractive answers: yes and no are not spans of the page."""
    for record in json.loads(path.read_text(encoding="utf-8")):
        passage = " ".join(re.sub(r"<[^>]+>", "", piece) for piece in record["evidences"])
        texts = [re.sub(r"<[^>]+>", "", a[0]) for a in record["answers"] if a[0].lower() not in ("yes", "no")]
        spans = [s for text in texts for s in islice(find_words(text, passage), 1)]
        question = f"{record['scenario']} {record['question']}"
        if len(question.split()) <= 60:
            yield from _example(record["id"], question, passage, spans, (name, record["url"]))


_SETS = (
    ("new_wiki", "squadshifts/new_wiki_v1.0.json", _squad),
    ("reddit", "squadshifts/reddit_v1.0.json", _squad),
    ("amazon", "squadshifts/amazon_reviews_v1.0.json", _squad),
    ("policyqa", "policyqa/train.json", _squad),
    ("covidqa", "covidqa/covidqa.json", _squad),
    ("nq", "nq/nq-open-oracle.jsonl.gz", _nq),
    ("qed", "qed/qed.jsonl", _qed),
    ("conditionalqa", "conditionalqa/train.json", _conditionalqa),
)


def _example(
    identity: str, question: str, passage: str, spans: list[Span], origin: tuple[str, str]
) -> Iterator[ReadingExample]:
    """The example with its spans trimmed, and a long passage cut to the sentences around the first answer."""
    trimmed = sorted({_trim(passage, span) for span in spans if 0 <= span[0] < span[1] <= len(passage)})
    trimmed = [span for span in trimmed if span[0] < span[1]]
    if not trimmed or not question.strip():
        return
    passage, trimmed = _cut(passage, trimmed)
    yield ReadingExample(f"{origin[0]}/{identity}", question.strip(), passage, tuple(trimmed), *origin)


def _trim(passage: str, span: Span) -> Span:
    """Without the blanks and the closing punctuation that annotators caught along."""
    text = passage[span[0] : span[1]]
    start = span[0] + len(text) - len(text.lstrip())
    return start, start + len(text.strip().rstrip(".,;: "))


def _cut(passage: str, spans: list[Span]) -> tuple[str, list[Span]]:
    words = [m.span() for m in re.finditer(r"\S+", passage)]
    if len(words) <= MAX_PASSAGE_WORDS:
        return passage, spans
    first = next(i for i, (_, end) in enumerate(words) if end > spans[0][0])
    # The offset is drawn from the place itself, so that the answer does not always lie in the middle.
    low = max(0, first - 20 - (spans[0][0] * 7919) % (MAX_PASSAGE_WORDS - 40))
    low = min(low, len(words) - MAX_PASSAGE_WORDS)
    start, end = words[low][0], words[low + MAX_PASSAGE_WORDS - 1][1]
    inside = [(a - start, b - start) for a, b in spans if start <= a and b <= end]
    return (passage[start:end], inside) if inside else (passage[spans[0][0] : end], [(0, spans[0][1] - spans[0][0])])


def find_words(answer: str, text: str, flags: re.RegexFlag = re.IGNORECASE) -> Iterator[Span]:
    """Every place of a text where these words stand whole, with any blanks between them."""
    words = [re.escape(word) for word in answer.split()]
    if words:
        for match in re.finditer(r"(?<!\w)" + r"\s+".join(words) + r"(?!\w)", text, flags):
            yield match.span()


def by_article(examples: Iterable[ReadingExample]) -> dict[tuple[str, str], list[ReadingExample]]:
    groups: dict[tuple[str, str], list[ReadingExample]] = {}
    for example in examples:
        groups.setdefault((example.source, example.article), []).append(example)
    return groups
