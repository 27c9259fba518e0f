"""What a text says of a person's health: illnesses, disabilities, pregnancy, addictions, treatments and medicines, in English, Spanish and German.

A word for an illness is no datum by itself: policies are full of them. It counts where it is said of somebody: "my colleague's
depression", "I was diagnosed with cancer", "ist an Krebs erkrankt", "su embarazo". It does not where the sentence speaks of
anybody ("employees who have cancer"), or where the word belongs to something else ("cancer screening", "pregnancy leave").
Imported only when the engine is built, because it imports Presidio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult

SCORE = 0.75

TERMS = Path(__file__).with_name("health_terms.txt")
_LINES = TERMS.read_text(encoding="utf-8").splitlines()
_WORDS = "|".join(line for line in _LINES if line and not line.startswith("#"))
_TERM = re.compile(rf"(?<![\w-])(?:{_WORDS})(?!\w|['’]s\b)", re.IGNORECASE)
_FIRST_WORD = frozenset(word[:4].casefold() for word in re.findall(r"[^\W\d_]{3,}", _WORDS))
"""How the words of a term begin: only where a word of the text does is a term looked for."""
_TOKEN = re.compile(r"[^\W\d_]{3,}")

_CAP = r"(?-i:[A-ZÁÉÍÓÚÑÄÖÜ][\wáéíóúñäöüß'’-]+)"
_KIN = (
    r"(?:colleague|co-?worker|manager|boss|wife|husband|partner|son|daughter|child|baby|mother|father|mum|mom|dad|brother|sister|friend|team ?mate|team lead(?:er)?|deskmate|neighbour|assistant|intern|apprentice|supervisor|girlfriend|boyfriend|parents?|director|doctor|"
    r"kolleg(?:e|in|en)|chef(?:in)?|vorgesetzte[rn]?|frau|mann|partner(?:in)?|sohn|tochter|kind|mutter|vater|bruder|schwester|freund(?:in)?|mitarbeiter(?:in)?|teamleiter(?:in)?|nachbar(?:in)?|"
    r"compañer[oa]|jef[ea]|mujer|esposa|marido|pareja|hij[oa]|madre|padre|herman[oa]|amig[oa]|colega|novi[oa]|director[a]?|supervisor[a]?)"
)
_FILL = (
    r"(?:(?:an?|the|some|very|quite|now|still|again|been|had|got|with|on|to|really|so|just|also|taking|being|pretty|two|three|no longer|a bit|in|of|for|his|her|my|positive for|under|recent|own|first|last|left|right|bad|late|rare|long-term|high-risk|"
    r"eine[nmrs]?|die|der|das|dem|den|sehr|seit \w+|gerade|wieder|schwere?[nrs]?|leichte?[nrs]?|chronische?[nrs]?|an|unter|wegen|im|immer|noch|viele?|oft|"
    r"una?|el|la|los|las|de|con|por|muy|mucha?|desde hace \w+|otra vez|ya|grave|leve|crónic[oa]|actualmente|en|tratamiento|"
    r"[a-z-]+(?:ly|al|ic|ive|ous|ed|ing|ent|ant|ary|ful)) ){0,5}"
)
_SAID = re.compile(
    r"\b(?:diagnosed (?:\w+ )?(?:with|as having|as)|diagnosis(?: of|:| is| was)|suffer(?:s|ed|ing)? from|(?:live|lives|lived|living) with|(?:treated|tested positive|operated on) for|recover(?:s|ed|ing) from|in remission from|"
    r"(?:signed off|off|off sick|off work|on sick leave|hospitali[sz]ed|in hospital)(?: work| sick)? (?:with|for|after|due to|because of)|(?:struggl|battl)(?:es|ed|ing|e) (?:with )?|died of|dying of|undergo(?:es|ing|ne)?|underwent|because of (?:my|his|her)|"
    r"diagnostiziert(?: mit|e[nr]?)?|diagnose:?|leide[nt]?(?: \w+){0,2} (?:an|unter)|litt(?: \w+){0,2} (?:an|unter)|krank(?:geschrieben)? wegen|wegen|in behandlung wegen|lebt mit|lebe mit|"
    r"diagnostic(?:ad[oa]|aron|ó|ado) (?:de |con |un |una )?|diagnóstico de|padezco|padece|sufr[oe](?: de)?|enferm[oa] de|operad[oa] de|operaron de|ingresad[oa] (?:por|con)|de baja por|(?:en )?tratamiento (?:por|contra)|convive con|viv[oe] con)"
    rf" ?{_FILL}$",
    re.IGNORECASE,
)
_OF_NAME = re.compile(
    rf"(?:\b(?:my|his|her|mein\w*|sein\w*|ihr(?:e[nmrs]?)?|mi|su) |\b{_KIN}['’]s |{_CAP}['’]s |\b(?:an?|the) {_KIN}['’]s ){_FILL}$",
    re.IGNORECASE,
)
_SUBJECT = rf"(?:\b(?:i|he|she|ich|er|sie|yo|él|ella)\b|\b(?:my|his|her|our|mein\w*|sein\w*|unser\w*|mi|nuestr[oa]) (?:\w+ )?{_KIN}\b(?: \w+)?|\b(?:herr|frau|dr|mr|mrs|ms|sr|sra|señora?)\.? {_CAP}|(?:^|[,;:]\W*|\b(?:that|says|dass|que) )(?!{{generic}}){_CAP}(?: {_CAP})?)"
_VERB = (
    r"(?:['’](?:m|s|ve|d)| (?:to )?(?:am|is|was|have|has|had|been|got|gets|get|became|take|takes|took|use|uses|used|need|needs|caught|developed|started|feel|feels|felt|"
    r"bin|ist|war|habe|hat|hatte|nehme|nimmt|bekam|bekomme|bekommt|brauche|braucht|mache|macht|wurde|werde|leide|leidet|"
    r"tiene|tuvo|está|estaba|es|toma|necesita|sufre|sufrió|padece|ha tenido|he tenido))"
)
_GENERIC_WORDS = (
    r"(?:employees?|workers?|staff|people|persons?|anyone|anybody|everyone|everybody|whoever|individuals?|patients?|someone|somebody|colleagues|team members|applicants?|candidates?|managers|he or she|they|children|women|men|mothers|those|if you|an? (?:manager|colleague|person|member)|"
    r"beschäftigte\w*|mitarbeitende\w*|mitarbeiter(?:innen|n)?|arbeitnehmer\w*|personen|wer|jemand|jede[rn]?|alle|betroffene\w*|man|kolleginnen|"
    r"emplead[oa]s?|trabajador(?:as|es|a)?|personas?|personal|quien(?:es)?|plantilla|alguien|cualquier\w*|todos|todas)"
)
_GENERIC = re.compile(rf"\b{_GENERIC_WORDS}\b", re.IGNORECASE)
_STATED = re.compile(
    _SUBJECT.replace(
        "{generic}",
        rf"{_GENERIC_WORDS}\b|(?:the|this|our|der|die|das|unser\w*|el|la|los|las|is|does|can|what|how|when|where|who|why|ist|hat|gibt|wie|was|wann|cómo|qué)\b",
    )
    + rf"(?: also| then| still| now| just| auch| jetzt| ya| no)?{_VERB}{{1,2}} {_FILL}$|\b(?:tengo|tuve|soy|estoy|tomo|sufro|padezco|necesito|he tenido) {_FILL}$",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:i|me|my|ich|mir|mich|mein\w*|yo|mi|me|tengo|soy|estoy)\b", re.IGNORECASE)
_SOMEBODY = re.compile(
    rf"\b(?:i|me|my|he|she|him|ich|mir|mich|mein\w*|er|ihm|ihr|yo|mi|él|ella|le|tengo|soy|estoy|padezco|sufro|tomo)\b|\b(?:herrn?|frau|dr|mr|mrs|ms|sr|sra)\.? {_CAP}|^\W*(?!{_GENERIC_WORDS}\b){_CAP}(?: {_CAP})? (?:is|has|was|ist|hat|war|wurde|tiene|está|es|estuvo)\b",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    rf"^\W{{0,2}}(?:(?:\w+ )?(?:erkrankt|gestorben|verstorben|leidet|leide|litt|diagnostiziert|festgestellt|gehabt)\b| (?:of|von|de) (?:my|his|her|meine[rsm]?|seine[rsm]?|mi|su|{_CAP})\b)",
    re.IGNORECASE,
)
_OF_THINGS = re.compile(
    r"^[ -](?:leave|polic(?:y|ies)|cover(?:age)?|benefits?|insurance|awareness|support|days?|weeks?|funds?|screenings?|checks?|tests?|vaccin\w+|care|centre|charit(?:y|ies)|research|risks?|prevention|programmes?|guidelines?|helpline|clinic|nurse|allowance|pay|"
    r"protection|discrimination|training|courses?|first aid\w*|assessment|parking|toilets?|access|badge|room|monitor|sensor|kit|drill|spot|carbon|workshops?|seminars?|talks?|sessions?|ramps?|lifts?|copy|review|trial|study|data|"
    r"tag|woche|vorsorge|versicherung|untersuchung|laboral|semanal)\b",
    re.IGNORECASE,
)
_BEFORE_THINGS = re.compile(
    r"\b(?:economic|great|world|against|anti|colou?r|double|polic(?:y|ies) (?:on|for|about)|question about|leave for|permiso por|licencia por|seguro de|prevención de(?:l)?|contra (?:el|la)|fund for|charity for) ?$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?\n;¿]")
_LOOK = 140
"""Characters of its sentence that are looked at before a word."""


class Health(EntityRecognizer):
    """Finds words for illness, disability, pregnancy, addiction, treatment and medicine where they are said of a person."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["HEALTH"], name="health", supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:  # noqa: ARG002
        return [RecognizerResult("HEALTH", start, end, SCORE) for start, end in health_terms(text)]


def health_terms(text: str) -> Iterator[tuple[int, int]]:
    """The places of the words that say something about a person's health."""
    end = 0
    for word in _TOKEN.finditer(text):
        if word.start() < end or word.group()[:4].casefold() not in _FIRST_WORD:
            continue
        if match := _TERM.match(text, word.start()):
            end = match.end()
            before, after = _around(text, match)
            if _is_said_of_somebody(before, match.group(), after):
                yield match.span()


def _around(text: str, match: re.Match[str]) -> tuple[str, str]:
    """What stands in the sentence before and behind a word."""
    before = text[max(0, match.start() - _LOOK) : match.start()]
    begins = [m.end() for m in _ENDS.finditer(before)]
    after = text[match.end() : match.end() + _LOOK]
    ends = _ENDS.search(after)
    return before[begins[-1] if begins else 0 :], after[: ends.start() if ends else len(after)]


def _is_said_of_somebody(before: str, term: str, after: str) -> bool:
    if _OF_THINGS.search(after) or _BEFORE_THINGS.search(before):
        return False
    sentence = f"{before}{term}{after}"
    general = _GENERIC.search(sentence) is not None and not _FIRST.search(before)
    if _STATED.search(before):
        return True
    if general:
        return False
    if _OF_NAME.search(before):
        return True
    if _SAID.search(before):
        return True
    return bool(_BEHIND.search(after)) and bool(_SOMEBODY.search(sentence) or " de " in after)
