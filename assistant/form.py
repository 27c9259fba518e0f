"""What a question says about the answer's form, and what is left to look up without it.

"Give me numbered steps for a stolen laptop" is looked up as "a stolen laptop" and answered in numbered steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Literal

Form = Literal["", "bullets", "numbered"]

_NUMBERED = re.compile(
    r"\bnumbered\b|\bstep[- ]by[- ]step\b|\bnummeriert\w*|\bschritt für schritt\b|\bnumerad[oa]s?\b|\bpaso a paso\b",
    re.I,
)
_BULLETS = re.compile(
    r"\bbullet(?:ed|s)?\b|\bone per line\b|\bline by line\b|\b(?:stich|aufzählungs)punkte\w*|\bviñetas\b|\buno por línea\b",
    re.I,
)
_FEW = r"(?:one|two|three|four|five|a single|\d{1,3}|einem?|zwei|drei|una?|dos|tres)"
_INSTRUCTIONS = (
    r"^(?:please |bitte |por favor,? )?(?:answer|reply|respond|antworten?|responde|contesta|conteste)\b(?: sie)? [^,:?.]{1,60}[,:] +",
    rf"^(?:in|with|mit|en|con) (?:at most |no more than |just |only |höchstens |como máximo )?{_FEW} (?:short |kurzen )?(?:sentences?|words?|lines?|sätzen?|satz|worten?|wort|wörtern|frases?|palabras?)(?: at most)?[,:] +",
    r"^(?:just|only|nur|bitte nur|solo) (?:the|a|die|das|den|el|la) (?:number|figure|date|amount|name|zahl|datum|betrag|número|fecha|nombre)(?: please| bitte| por favor)?[,:] +",
    r"^(?:please |bitte )?(?:give|show|list|write|gib|zeig|nenne|dame|muéstrame)(?: me| us| mir| uns)? (?:the |a |die |los |las )?(?:numbered |bulleted |nummerierte? )?(?:steps|bullet points|list|stichpunkte|schritte|pasos|lista) (?:for|of|on|about|für|zu|de|para) (?:when |wenn |cuando )?",
    r",? (?:as|in|als|en|como) (?:an? |eine[rn]? |una? )?(?:(?:short )?(?:bullet(?:ed)?|numbered) (?:points|list|steps)|bullets|stichpunkten?|aufzählung|nummerierte liste|tabelle|table|list|lista|tabla|viñetas)(?: please)?(?=[.?!]*$)",
    r", (?:one per line|line by line|step by step|schritt für schritt|paso a paso|uno por línea)(?=[.?!]*$)",
)
_INSTRUCTION = re.compile("|".join(_INSTRUCTIONS), re.IGNORECASE)


def asked_form(question: str) -> Form:
    return "numbered" if _NUMBERED.search(question) else "bullets" if _BULLETS.search(question) else ""


def matter(question: str) -> str:
    """The question without what it says about the form; the question itself where nothing else is left."""
    left = _INSTRUCTION.sub("", question).strip()
    return left if len(left.split()) > 1 else question


def in_form(pieces: Iterable[str], form: Form) -> Iterator[str]:
    """An answer whose lists are numbered through, where that is wanted."""
    number = count(1)
    for piece in pieces:
        yield re.sub(r"(?m)^- ", lambda _: f"{next(number)}. ", piece) if form == "numbered" else piece
