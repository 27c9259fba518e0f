"""Questions that a passage looks as if it answered and does not, made from questions that it does answer.

Six kinds: another passage of the same article that shares words with the question (`neighbour`), the passage without the
sentences that hold the answer (`removed`), and the question itself altered so that the passage no longer answers it: a name
(`entity`), a figure or year (`number`), a negation (`negation`), or a word turned to its opposite (`antonym`).

The alterations must not give themselves away. Half of the new names and figures come from the same passage, negations are
also removed where there is one, and every word of an antonym pair replaces the other.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from training.reading_data import Kind, ReadingExample, by_article
from training.written import written

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_NAME = re.compile(r"\b(?:[A-Z][\w'’-]+)(?:\s+(?:of|the|de|von|and)?\s*[A-Z][\w'’-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_OPENERS = (
    "What Who Whom Whose When Where Which Why How Is Are Was Were Do Does Did Can Could In On At For By From To The A An If "
    "After Before During According Under With Has Have Had Name Of"
)
_QUESTION_WORDS = frozenset(_OPENERS.split())
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|may|must)\b", re.IGNORECASE
)
_NEGATION = re.compile(r"\b(?:not|never)\s+|(?<=\w)n't\b", re.IGNORECASE)

_ANTONYM_PAIRS = """first last; largest smallest; biggest smallest; highest lowest; most least; more fewer; more less; before after;
increase decrease; increased decreased; increases decreases; rise fall; rose fell; gain lose; gained lost; north south; northern southern;
east west; eastern western; northeast southwest; northwest southeast; start end; started ended; begin finish; began finished; starts ends; oldest youngest; older younger; early late;
earliest latest; longest shortest; longer shorter; long short; best worst; better worse; positive negative; good bad; strong weak; strongest weakest; accept reject;
accepted rejected; allow forbid; allowed forbidden; permitted prohibited; support oppose; supported opposed; win lose; won lost; major minor; majority minority; maximum minimum;
old new; modern ancient; open closed; opened closed; opening closing; male female; men women; man woman; boy girl; father mother; husband wife; son daughter; brother sister; public private; internal external;
inside outside; indoor outdoor; include exclude; included excluded; includes excludes; easy difficult; easier harder; cheap expensive; fast slow; faster slower; hot cold; hard soft; heavy light;
large small; big small; larger smaller; high low; higher lower; common rare; popular unpopular; rich poor; upper lower; left right; top bottom; front back; buy sell; bought sold; send receive; sent received; give take; gave took;
enter leave; entered left; join quit; joined quit; built destroyed; build destroy; created abolished; founded dissolved; born died; arrive depart; arrived departed; push pull; load unload; love hate; loved hated; like dislike; liked disliked;
many few; always never; similar different; same different; above below; over under; with without; voluntary mandatory; required optional; temporary permanent; domestic foreign; national international; direct indirect; legal illegal;
successful unsuccessful; able unable; complete incomplete; agree disagree; agreed disagreed; appear disappear; appeared disappeared; attack defend; attacked defended; enemy ally; enemies allies; victory defeat; ancestor descendant; import export; imports exports; input output;
full empty; full partial; wet dry; day night; winter summer; rural urban; primary secondary; success failure; advantage disadvantage; advantages disadvantages; benefit drawback; benefits drawbacks; cause prevent; caused prevented; causes prevents; share withhold; collect discard; enable disable; encourage discourage"""
ANTONYMS: dict[str, list[str]] = {}
for _pair in _ANTONYM_PAIRS.replace("\n", " ").split(";"):
    _one, _other = _pair.split()
    ANTONYMS.setdefault(_one, []).append(_other)
    ANTONYMS.setdefault(_other, []).append(_one)

JUDGED = ("new_wiki", "policyqa")
"""The sets whose held-out questions are asked unanswerable, too."""

Alteration = Callable[[ReadingExample, random.Random, Sequence[str]], str | None]


def make_unanswerable(examples: Sequence[ReadingExample], seed: int) -> dict[Kind, list[ReadingExample]]:
    """Every unanswerable example that can be made from the answerable ones, by kind. Deterministic in the seed."""
    rng = random.Random(seed)  # noqa: S311 - a seeded shuffle, no secret
    made: dict[Kind, list[ReadingExample]] = {kind: [] for kind in ("neighbour", "removed", *_ALTERATIONS)}
    for group in by_article(examples).values():
        passages = sorted({e.passage for e in group})
        names = sorted({name for p in passages for name in _names(p)})
        words = {p: _content(p) for p in passages}
        for example in group:
            _keep(made, "neighbour", example, passage=_neighbour(example, words, rng))
            _keep(made, "removed", example, passage=_without_answer(example))
            for kind, alter in _ALTERATIONS.items():
                _keep(made, kind, example, question=alter(example, rng, names))
    return made


def judged(held_out: Sequence[ReadingExample], seed: int) -> list[ReadingExample]:
    """The held-out questions, those of the sets that are judged made unanswerable in every way, and those written on their passages."""
    altered = make_unanswerable([e for e in held_out if e.source in JUDGED], seed + 1)
    return [*held_out, *(e for found in altered.values() for e in found), *written(held_out)]


def _keep(made: dict[Kind, list[ReadingExample]], kind: Kind, example: ReadingExample, **changed: str | None) -> None:
    text = next(iter(changed.values()))
    if text is not None:
        new = replace(example, example_id=f"{example.example_id}#{kind}", answers=(), kind=kind)
        made[kind].append(replace(new, passage=text) if "passage" in changed else replace(new, question=text))


def _neighbour(example: ReadingExample, words: dict[str, frozenset[str]], rng: random.Random) -> str | None:
    """Of forty other passages of the article, one of the three closest to the question that do not hold the answer."""
    answers = [text.lower() for text in example.answer_texts]
    asked = _content(example.question)
    drawn = rng.sample(list(words), min(len(words), 40))
    others = [p for p in drawn if p != example.passage and not any(a in p.lower() for a in answers)]
    closest = sorted(others, key=lambda p: (-len(asked & words[p]), p))[:3]
    return rng.choice(closest) if closest else None


def _without_answer(example: ReadingExample) -> str | None:
    """The passage without the sentences that say the answer; at least 25 words must be left."""
    starts = [0, *(m.end() for m in _SENTENCE_END.finditer(example.passage)), len(example.passage)]
    answers = [text.lower() for text in example.answer_texts]
    bounds = list(pairwise(starts))
    sentences = [example.passage[a:b] for a, b in bounds]
    kept = [
        text
        for text, (a, b) in zip(sentences, bounds, strict=True)
        if not any(s < b and a < e for s, e in example.answers)
        and not any(answer in text.lower() for answer in answers)
    ]
    text = "".join(kept).strip()
    return text if len(kept) < len(sentences) and len(text.split()) >= 25 else None


def _other_entity(example: ReadingExample, rng: random.Random, names: Sequence[str]) -> str | None:
    asked = [n for n in _names(example.question) if n in example.passage]
    if not asked:
        return None
    old = rng.choice(asked)
    taken = " ".join([example.question, *example.answer_texts]).lower()
    drawn = rng.sample(names, min(len(names), 80)) + _names(example.passage)
    fits = [n for n in drawn if n.lower() not in taken and old.lower() not in n.lower() and len(n.split()) <= 3]
    here = [n for n in fits if n in example.passage]
    pool = here if here and rng.random() < 0.5 else fits
    return example.question.replace(old, rng.choice(pool), 1) if pool else None


def _other_number(example: ReadingExample, rng: random.Random, names: Sequence[str]) -> str | None:  # noqa: ARG001
    found = list(_NUMBER.finditer(example.question))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group()
    taken = {m.group() for m in _NUMBER.finditer(example.question)}
    here = [
        m.group() for m in _NUMBER.finditer(example.passage) if m.group() not in taken and len(m.group()) == len(old)
    ]
    new = rng.choice(here) if here and rng.random() < 0.5 else _nearby(old, rng)
    return None if new in taken else example.question[: match.start()] + new + example.question[match.end() :]


def _nearby(number: str, rng: random.Random) -> str:
    digits = [i for i, c in enumerate(number) if c.isdigit()]
    place = digits[rng.choice(range(max(0, len(digits) - 2), len(digits)))]
    other = rng.choice([d for d in "123456789" if d != number[place]])
    return number[:place] + other + number[place + 1 :]


def _negated(example: ReadingExample, rng: random.Random, names: Sequence[str]) -> str | None:  # noqa: ARG001
    if _NEGATION.search(example.question):
        return _NEGATION.sub("", example.question, count=1)
    match = _AUXILIARY.search(example.question)
    if match is None:
        return None
    rest = example.question[match.end() :]
    verb = match.group().lower()
    if verb in ("do", "does", "did", "could", "would", "should") and rng.random() < 0.5:
        return example.question[: match.end()] + "n't" + rest
    subject = re.match(r"\s+(?:the |a |an |this |that |their |his |her |its )?[\w'’-]+", rest)
    place = match.end() + (
        subject.end()
        if subject and verb in ("do", "does", "did", "can", "could", "will", "would", "should", "may", "must")
        else 0
    )
    return f"{example.question[:place]} {rng.choice(['not', 'not', 'never'])}{example.question[place:]}"


def _opposite(example: ReadingExample, rng: random.Random, names: Sequence[str]) -> str | None:  # noqa: ARG001
    found = [m for m in re.finditer(r"[A-Za-z]+", example.question) if m.group().lower() in ANTONYMS]
    if not found:
        return None
    match = rng.choice(found)
    new = rng.choice(ANTONYMS[match.group().lower()])
    new = new.capitalize() if match.group()[0].isupper() else new
    return example.question[: match.start()] + new + example.question[match.end() :]


_ALTERATIONS: dict[Kind, Alteration] = {
    "entity": _other_entity,
    "number": _other_number,
    "negation": _negated,
    "antonym": _opposite,
}


def _names(text: str) -> list[str]:
    """Capitalised runs that are not just the first word of a sentence."""
    found = []
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and words[0] in _QUESTION_WORDS:
            words = words[1:]
        first = match.start() == 0 or text[max(0, match.start() - 2) : match.start()].strip() in (".", "?", "!")
        if words and not (first and len(words) == len(match.group().split()) == 1) and len(" ".join(words)) > 2:
            found.append(" ".join(words))
    return found


def _content(text: str) -> frozenset[str]:
    return frozenset(w for w in re.findall(r"[a-z0-9]+", text.lower()) if len(w) > 3)
