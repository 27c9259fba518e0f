"""Yes or no, where a question asks for it and the sentence that answers says it plainly.

A wrong "yes" is worse than none: the lead is given only where the sentence speaks of what was asked, and its verb of
permission, duty or fact is clear and not hedged. `scripts/yes_no.py` measures it on judged questions (docs/LOG.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assistant.units import Unit
from assistant.words import Language, content_words, language_of, numbers, stem

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
    r"\b(?:not (?:required|needed|necessary|mandatory|obliged)|no need|needs? no|requires? no|need not|(?:do|does) not (?:usually |normally )?(?:need|have)|(?:don|doesn)['’]t (?:need|have)|optional|voluntary|"
    r"(?:nobody|no one|none of .{1,30}) (?:has to|needs? to|must|is required)|niemand (?:muss|ist)|nadie (?:tiene|está)|"
    r"nicht (?:nötig|erforderlich|verpflichtet)|kein\w* \w+ (?:nötig|erforderlich)|no (?:es|son) (?:necesari|obligatori)\w+|no hace falta)\b",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"\b(?:may not|can ?not|must not|not (?:allowed|permitted|possible|reimbursed|covered|paid|eligible|entitled|accepted|refunded|available)|never|prohibited|forbidden|blocked|banned|barred|"
    r"impossible|excluded|no longer|nobody (?:may|can)|no one (?:may|can)|(?:pays?|receives?|gets?|has|have|there (?:is|are)|is|are) no|"
    r"(?<!who )(?<!that )(?<!which )(?:is|are|do|does|will) not|(?:can|won|don|doesn|isn|aren)['’]t|nicht|kein\w*|niemals|niemand (?:darf|kann)|verboten|untersagt|gesperrt|"
    r"no (?:se )?(?:puede|pueden|está|están|es|son)|nadie puede|bloquead[oa]s?|prohibid[oa]s?|nunca|tampoco)\b",
    re.IGNORECASE,
)
_ALLOWED = re.compile(
    r"\b(?:may|can|could|is|are|was|were|has|have|will|entitled|allowed|permitted|includes?|receives?|gets?|pays?|kann|können|darf|dürfen|ist|sind|hat|haben|wird|werden|puede|pueden|es|son|está|están|tiene|tienen)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:no|not|nobody|none|neither|nor|except|other than|apart from|instead of|lost|refused|rejected|denied|weder|niemand|ausgenommen|ni|nadie|excepto|ningun\w*)\b",
    re.IGNORECASE,
)
"""What turns a sentence, or a part of it, into its opposite: with it, no plain yes."""
_LIMIT = re.compile(
    r"\b(?:(?:may|can|must|shall|should|will) ?not (?:exceed|be (?:more|longer|later|higher|older|earlier|less|above|below|larger|heavier))|(?:not|no) (?:more|longer|later|higher|older|earlier|less|fewer|only) than|"
    r"not only|nicht (?:überschreiten|übersteigen|(?:mehr|länger|später|höher|weniger) als|nur)|no (?:puede|pueden|podrá) (?:superar|exceder)|no más (?:de|tarde))\b",
    re.IGNORECASE,
)
"""A bound on what is allowed, which is no "no"."""
_CONDITION = re.compile(
    r"\b(?:only|unless|provided that|as long as|subject to|with (?:the )?(?:written |prior )?(?:approval|permission|agreement|consent)|(?:needs?|requires?) (?:the |a |an )?(?:written |prior |previous )?(?:approval|permission|agreement|consent|authori[sz]ation)|"
    r"nur|sofern|außer|mit Zustimmung|Zustimmung (?:der|des|von)|solo|sólo|siempre que|salvo|necesitan? (?:la )?(?:autorización|aprobación))\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:if|when|where|usually|normally|in some cases|some|might|may (?:need|have|be able)|depend\w*|should|wenn|falls|manche|cuando|si|algun\w+)\b",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"; |,? \b(?:but|aber|sondern|pero|sino)\b ")
_REASON = re.compile(r",? \b(?:because|since|weil|denn|porque)\b.*")
_ASK_WHETHER = (
    "allow allowed permit permitted possible need needed require required mandatory ok okay "
    "erlaubt möglich nötig erforderlich permitido permitida posible obligatorio necesario"
)
"""Words of a question that ask whether, and not what."""
_PERMISSION = frozenset(map(stem, _ASK_WHETHER.split()))
_FOR_ALL = (
    "employee employees person people staff everybody everyone anybody nobody company "
    "beschäftigte mitarbeiter mitarbeitende personen niemand persona personas plantilla empleados empresa nadie"
)
"""Of whom a rule speaks that is for all."""
_ANYBODY = frozenset(map(stem, _FOR_ALL.split()))
_NAME = re.compile(r"(?<=[^\W_] )(?!I\b)[A-ZÁÉÍÓÚÑ][\w-]+")
_CELL = re.compile(r"(?:yes|no|ja|nein|sí)(?=$|[,.;:])", re.IGNORECASE)
"""A table's cell that says yes or no, maybe with its exceptions."""
_ALIKE = 5
"""Letters that a word and its derived one share: "extended", "extension"."""
LONGEST_CELL = 12
LEADS: Mapping[Language, tuple[str, str, str]] = {
    "en": ("Yes.", "No.", "Under conditions."),
    "es": ("Sí.", "No.", "Con condiciones."),
    "de": ("Ja.", "Nein.", "Unter Bedingungen."),
}
"""`guardrails/grounding.py` knows them too: they stand in no passage."""


def asks_yes_or_no(question: str) -> bool:
    """Whether yes or no would answer the question; "X or Y?" asks which, and a German "was" asks what."""
    asks = _ASKS.match(question)
    what = asks and asks["verb"].lower() == "was" and language_of(question) == "de"
    return bool(asks and not what) and not _ALTERNATIVE.search(question)


def lead_of(question: str, unit: Unit, language: Language, *, about: str = "") -> str:
    """`Yes.`, `No.`, `Under conditions.` in the question's language, or "" where the unit does not say it plainly.

    Args:
        about: title and section of the unit's passage: a place or product that they name need not stand in the sentence.
    """
    if not asks_yes_or_no(question) or _FORBIDDEN.search(question) or _NEGATED.search(question):
        return ""  # "Is it not allowed?", "Is it blocked?": a "no" could be taken for either
    if unit.kind == "row":
        return _cell_that_says(question, unit)
    if unit.head or not unit.text.rstrip("*_ ").endswith("."):
        return ""
    asked = set(content_words(question)) - _PERMISSION
    said = _REASON.sub("", unit.said) if _speaks_of(asked, _REASON.sub("", unit.said)) else unit.said
    if not _speaks_of(asked, said) or not _names_all(question, unit.said, about, language):
        return ""
    clause = _clause_of(asked, said)
    if not clause or _of_others(asked, clause):
        return ""
    yes, no, maybe = LEADS[language]
    if _DUTY.search(question):
        plain = _DUTY.search(clause) and not any(p.search(said) for p in (_CONDITION, _HEDGED, _NEGATED))
        return no if _NO_DUTY.search(clause) else yes if plain else ""
    if _CONDITION.search(said):
        return maybe
    if _HEDGED.search(said) or _LIMIT.search(said):
        return ""
    if _FORBIDDEN.search(clause):
        return no
    return yes if _ALLOWED.search(clause) and not _NEGATED.search(clause) else ""


def _speaks_of(asked: set[str], said: str) -> bool:
    return bool(asked) and len(asked & set(content_words(said))) >= LEAST_SHARED * len(asked)


def _names_all(question: str, said: str, about: str, language: Language) -> bool:
    """Whether each name and figure that is asked about is one that the sentence is about; in German every noun is in capitals."""
    held = set(content_words(f"{said} {about}"))
    names = {word for name in _NAME.findall(question) for word in content_words(name)}
    figures, others = numbers(question), numbers(said)
    return (language == "de" or names <= held) and (not figures or figures == others)


def _clause_of(asked: set[str], said: str) -> str:
    """The clause that speaks of what was asked; "" where several do, each of another part."""
    parts = _CLAUSES.split(said)
    clauses = [(asked & set(content_words(clause)), clause) for clause in parts]
    shared, clause = max(reversed(clauses), key=lambda found: len(found[0]))
    known = shared | set(content_words(_subject(parts[0])))  # "The team can ..., but cannot ...": of the team, too
    return clause if all(others <= known for others, _ in clauses) else ""


def _subject(said: str) -> str:
    """What stands before the first verb that is known."""
    verbs = [found.start() for found in (_ALLOWED.search(said), _FORBIDDEN.search(said), _DUTY.search(said)) if found]
    return said[: min(verbs, default=0)]


def _of_others(asked: set[str], clause: str) -> bool:
    """Whether the clause is about certain people or cases of which the question says nothing: "Members of the committee cannot"."""
    subject = set(content_words(_subject(clause))) - _ANYBODY
    known = {word[:_ALIKE] for word in asked}
    return bool(subject) and not any(word[:_ALIKE] in known for word in subject)


def _cell_that_says(question: str, unit: Unit) -> str:
    """The one cell of a row that begins with yes or no, in a column that the question names, as it stands there."""
    asked = set(content_words(question))
    found = [(name, value.strip()) for name, value in unit.pairs()[1:] if _CELL.match(value.strip())]
    if len(found) != 1 or not asked & set(content_words(found[0][0])) or not asked & set(content_words(unit.subject)):
        return ""
    words = found[0][1].rstrip(".")
    return f"{words}." if len(words.split()) <= LONGEST_CELL else ""
