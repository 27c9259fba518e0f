"""A follow-up question is made standalone before search: "And for contractors?" gets the subject that it leaves out.

Rules, no model: a question that opens with a connecting word, points back with a pronoun, or is a fragment takes up the
question before it. Where both name the same kind of thing ("in Bristol" / "in Hamburg"), the new one takes its place,
otherwise the subject is added. Cases and their score: tests/assistant/followup_cases.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.words import STOPWORDS, content_words, words
from core.records import Message

_OPENING = re.compile(
    r"^[\s¿¡]*(?:"
    r"(?:and|but|or|so|then|also|ok(?:ay)?|right|what about|how about|same (?:question )?for|is it the same (?:for|in)|what if it'?s)\b"
    r"|(?:y|e|pero|o|entonces|tambien|también|vale|qué pasa con|que pasa con|qué hay de|lo mismo para)\b"
    r"|(?:und|aber|oder|dann|also|was ist mit|wie sieht es (?:mit|bei|in)|wie ist es (?:mit|bei|in)|gilt das auch|auch)\b"
    r")[\s,:]*",
    re.IGNORECASE,
)
_OPENING_VERB = re.compile(
    r"^(?:what about|how about|was ist mit|qué pasa con|que pasa con|qué hay de)\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|itself|they|them|theirs|those|these|one of them|the same|the other one|instead|that one)\b"
    r"|\b(?:is|does|for|about|of|with|to|by|on|do|mean|than|get|use|need|after|before|without|can|will|would|claim|cancel|change) (?:that|this)\b(?!\s+[a-z]{3,})"
    r"|\b(?:is|does|do|can|will|did|was|has) (?:that|this) (?=(?:also|apply|include|cover|count|mean|cost|take|expire|work|change|need|affect|still|valid|mandatory|paid|taxable|per|the same|allowed|true)\b)"
    r"|\b(?:eso|ello|aquello|ellos|ellas|los mismos|lo mismo|esos|esas)\b"
    r"|\b(?:dafür|davon|damit|darüber|dabei|dazu|dagegen|danach|dieselben?|dasselbe|ihn|ihnen|welche davon)\b"
    r"|\b(?:gilt|ist|kostet|dauert|muss|kann|bekomme ich|mache ich) (?:das|es|sie|er|dies)\b",
    re.IGNORECASE,
)
_NOT_BACK = re.compile(
    r"\b(?:is|does|would|was|will|can) it (?:be )?(?:ok|okay|possible|allowed|permitted|necessary|required|mandatory|take|cost|matter|legal|safe|true|fine|best|better|worth)\b.{0,20}\b(?:to|that|if|when|for me to)\b"
    r"|\b(?:do|does|can) it take (?:to|for)\b|\bhow long does it take (?:to|for|until|before)\b|\bhow much does it cost to\b"
    r"|\bist es (?:erlaubt|möglich|nötig|verboten|in ordnung)\b|\bgibt es\b"
    r"|\b(?:those|these) (?:who|that|which|of us)\b",
    re.IGNORECASE,
)
_FRAGMENT_START = re.compile(
    r"^[\s¿¡]*(?:in|at|for|from|with|without|after|before|during|on|per|if|when|since|until|why|how (?:much|many|long|often|soon|far)|who|whom|where|which|what|"
    r"en|para|por|con|sin|desde|hasta|cuándo|cuánto|cuánta|cuántos|cuántas|quién|dónde|por qué|"
    r"für|bei|mit|ohne|nach|vor|seit|bis|wann|wie (?:viel|viele|lange|oft)|wieviel|wer|wo|warum|wohin)\b",
    re.IGNORECASE,
)
_SLOT = re.compile(
    r"\b(in|for|at|from|to|with|on|per|as an?|en|para|por|con|bei|für|im|mit)\s+"
    r"((?:(?:the|a|an|our|my|el|la|los|las|der|die|das|den|dem)\s+)?[\wÀ-ÿ'-]+(?:\s+(?!in\b|for\b|at\b|from\b|to\b|with\b|on\b|en\b|para\b)[\wÀ-ÿ'-]+){0,2})[\s?.!]*$",
    re.IGNORECASE,
)
_QUESTION_START = re.compile(
    r"^[\s¿¡]*(?:(?:what(?:['’]s)?|who['’]s|where['’]s|which|how (?:much|many|long|often|far)|who|where|when|why|how|is|are|do|does|did|can|could|may|must|should|will|have|has|"
    r"qué|cuál(?:es)?|cuántos|cuántas|cuánto|cuándo|quién|dónde|cómo|hay|puedo|tengo|wie (?:viele?|lange|oft|hoch)|was|welche[rsnm]?|wer|wo|wann|wie|gibt es|kann|darf|muss|habe)\s+)+",
    re.IGNORECASE,
)
_MEASURES = frozenset(
    [
        "day",
        "days",
        "week",
        "weeks",
        "month",
        "months",
        "year",
        "years",
        "hour",
        "hours",
        "time",
        "times",
        "long",
        "often",
        "día",
        "días",
        "semana",
        "semanas",
        "mes",
        "meses",
        "año",
        "años",
        "hora",
        "horas",
        "veces",
        "tag",
        "tage",
        "tagen",
        "woche",
        "wochen",
        "monat",
        "monate",
        "jahr",
        "jahre",
        "stunde",
        "stunden",
        "mal",
        "lange",
        "oft",
    ]
)
"""Words that a fragment may hold beside its one word of substance."""
_CLAUSE = re.compile(
    r"\b(?:do|does|did|can|may|must|should|is|are|am|will) (?:i|we|you|the|my|our|an?|people)\b", re.IGNORECASE
)
"""A verb with its subject: with any word of substance beside them, a question of its own."""
_SHORT = 3
"""Content words up to which a question counts as a fragment."""


def standalone(question: str, history: Sequence[Message]) -> str:
    """The question as it can be asked without what was said before; unchanged where it stands by itself.

    Args:
        question: masked by the guards.
        history: earlier messages, oldest first; only the person's own are looked at.
    """
    before = ""
    for message in history:
        if message.role == "user" and message.content.strip():
            before = resolve(message.content, before)
    return resolve(question, before)


def resolve(question: str, before: str) -> str:
    """The question with what it takes up from the standalone question before it."""
    if not before or not is_follow_up(question):
        return question
    rest = _OPENING.sub("", question).strip() or question
    if filled := _same_slot(rest, before):
        return filled
    subject = _subject(before)
    if not content_words(rest) or _is_fragment(rest):
        return f"{rest.rstrip('?!. ')} — {subject}?" if _asks(rest) else f"{before.rstrip('?!. ')}, {_lowered(rest)}?"
    # A case by itself leaves out whether it asks how many or who.
    asked = subject if _asks(rest) else before.strip(" ?!.¿¡")
    return f"{rest.rstrip('?!. ')}? ({asked})"


def is_follow_up(question: str) -> bool:
    """Whether the question leaves out what it is about."""
    text = re.sub(r"\bIT\b", "information technology", question)
    if _OPENING.match(text) and not _opens_new(text):
        return True
    pointing = _NOT_BACK.sub(" ", text)
    if _POINTS_BACK.search(pointing) and not _antecedent(pointing):
        return True
    return bool(_FRAGMENT_START.match(text)) and _is_fragment(text)


def _opens_new(text: str) -> bool:
    """A whole question after "so", "ok" or "also", with enough words of its own, is a new one."""
    rest = _OPENING.sub("", text)
    if _OPENING_VERB.match(text.strip(" ¿¡")):
        return False
    return len(content_words(rest)) > _SHORT and not _POINTS_BACK.search(rest)


def _antecedent(text: str) -> bool:
    """Whether the pronoun can mean something said earlier in the same question: two clauses, and a pronoun in the second."""
    match = _POINTS_BACK.search(text)
    said = text[: match.start()] if match else text
    return bool(
        re.search(r"[,.;:]|\b(?:if|when|and|but|because|wenn|und|aber|si|cuando|y|that|which|who)\b", said)
    ) and (len(content_words(said)) >= 2)


def _is_fragment(text: str) -> bool:
    said = [w for w in words(text) if w not in STOPWORDS and w not in _MEASURES]
    return len(said) <= (0 if _CLAUSE.search(text) else 1) and len(words(text)) <= 6


def _lowered(rest: str) -> str:
    """The fragment as the end of a sentence; a first word in capitals, or a German noun, keeps its first letter."""
    rest = rest.rstrip("?!. ")
    first = words(rest)[0] if words(rest) else ""
    return rest[:1].lower() + rest[1:] if first in STOPWORDS else rest


def _asks(text: str) -> bool:
    """Whether the fragment is itself a question ("why", "who approves"), and not the name of a case ("for contractors")."""
    return bool(_QUESTION_START.match(f"{text.rstrip('?!. ')} "))


def _same_slot(rest: str, before: str) -> str:
    """The question before with its last "in X" or "for X" replaced, where the new one is only that."""
    new, old = _SLOT.search(rest), _SLOT.search(before)
    if new and old and new.start() == 0 and new[1].lower() == old[1].lower() and content_words(new[2]):
        return f"{before[: old.start(2)]}{new[2]}?"
    name = rest.strip(" ?!.")
    if old and re.fullmatch(r"[A-ZÄÖÜÁÉÍÓÚÑ][\wÀ-ÿ]+", name) and old[2][:1].isupper():
        return f"{before[: old.start(2)]}{name}?"
    return ""


def _subject(before: str) -> str:
    """What a question was about: itself without its question words."""
    subject = _QUESTION_START.sub("", before).strip(" ?!.¿¡")
    return re.sub(
        r"^(?:the|a|an|i|we|you|there|any|el|la|los|las|der|die|das|ich|wir)\s+", "", subject, flags=re.IGNORECASE
    )
