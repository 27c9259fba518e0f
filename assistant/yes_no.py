"""Yes or no, where a question asks for it and the sentence that answers says it plainly.

A wrong "yes" is worse than none: the lead is given only where the sentence speaks of what was asked, and its verb of
permission, duty or fact is clear and not hedged. `scripts/yes_no.py` measures it on judged questions (docs/LOG.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assistant.units import Unit
from assistant.words import Language, content_words

LEAST_SHARED = 0.6
"""Share of the question's content words that the sentence must hold."""

_ASKS = re.compile(
    r"^[¿\s]*(?:(?:and|so|but|ok|hi|hello|please|also),?\s+)?(?P<verb>can|could|may|might|am|is|are|was|were|do|does|did|must|should|shall|will|would|has|have|"
    r"kann|können|darf|dürfen|muss|müssen|ist|sind|gibt|hat|haben|soll|wird|puedo|puede|pueden|podemos|debo|debe|hay|es|son|está|están|tengo|tiene|se puede)\b",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(r"\b(?:or|oder|o)\b", re.IGNORECASE)
_DUTY = re.compile(
    r"\b(?:have to|has to|needs?(?: to)?|must|required|mandatory|obliged|necessary|compulsory|muss|müssen|pflicht|nötig|erforderlich|tengo que|debo|obligatori[oa]|necesari[oa])\b",
    re.IGNORECASE,
)
_NO_DUTY = re.compile(
    r"\b(?:not (?:required|needed|necessary|mandatory|obliged)|no need|need not|(?:do|does) not (?:usually |normally )?(?:need|have)|(?:don|doesn)['’]t (?:need|have)|optional|voluntary|"
    r"nicht (?:nötig|erforderlich|verpflichtet)|kein\w* \w+ (?:nötig|erforderlich)|no (?:es|son) (?:necesari|obligatori)\w+|no hace falta)\b",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"\b(?:may not|can ?not|must not|not (?:allowed|permitted|possible|reimbursed|covered|paid|eligible|entitled|accepted|refunded|available)|never|prohibited|forbidden|no longer|"
    r"(?:is|are|do|does|will) not|(?:can|won|don|doesn|isn|aren)['’]t|nicht|kein\w*|niemals|verboten|untersagt|no (?:se )?(?:puede|pueden|está|están|es|son)|prohibid[oa]s?|nunca|tampoco)\b",
    re.IGNORECASE,
)
_ALLOWED = re.compile(
    r"\b(?:may|can|could|is|are|was|were|has|have|will|entitled|allowed|permitted|includes?|receives?|gets?|pays?|kann|können|darf|dürfen|ist|sind|hat|haben|wird|werden|puede|pueden|es|son|está|están|tiene|tienen)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:only|unless|provided that|as long as|subject to|with (?:the )?(?:written |prior )?(?:approval|permission|agreement|consent)|nur|sofern|außer|solo|sólo|siempre que|salvo)\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:if|when|where|usually|normally|in some cases|some|might|may (?:need|have|be able)|depend\w*|should|wenn|falls|manche|cuando|si|algun\w+)\b",
    re.IGNORECASE,
)
LEADS: Mapping[Language, tuple[str, str, str]] = {
    "en": ("Yes.", "No.", "Under conditions."),
    "es": ("Sí.", "No.", "Con condiciones."),
    "de": ("Ja.", "Nein.", "Unter Bedingungen."),
}
"""`guardrails/grounding.py` knows them too: they stand in no passage."""


def asks_yes_or_no(question: str) -> bool:
    """Whether yes or no would answer the question; "X or Y?" asks which."""
    return bool(_ASKS.match(question)) and not _ALTERNATIVE.search(question)


def lead_of(question: str, unit: Unit, language: Language) -> str:
    """`Yes.`, `No.`, `Under conditions.` in the question's language, or "" where the sentence does not say it plainly."""
    if not asks_yes_or_no(question) or unit.kind != "sentence" or not unit.text.rstrip("*_ ").endswith("."):
        return ""
    asked, said = set(content_words(question)), set(content_words(unit.said))
    if not asked or len(asked & said) < LEAST_SHARED * len(asked):
        return ""
    yes, no, maybe = LEADS[language]
    if _DUTY.search(question):
        plain = _DUTY.search(unit.said) and not _CONDITION.search(unit.said) and not _HEDGED.search(unit.said)
        return no if _NO_DUTY.search(unit.said) else yes if plain else ""
    if _CONDITION.search(unit.said):
        return maybe
    if _HEDGED.search(unit.said):
        return ""
    if _FORBIDDEN.search(unit.said):
        return no
    return yes if _ALLOWED.search(unit.said) else ""
