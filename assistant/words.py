"""The words of a text that carry meaning, and which of the assistant's languages a question is in. Three languages, no model."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "es", "de"]

_EN = (
    "a about after all also am an and any are as at be been before being but by can could did do does doing for from get "
    "gets getting had has have having he her here him his how i if in into is it its just many may me might more most much "
    "must my need no nor not of off on once only or other our out over own please same shall she should so some such tell "
    "than that the their them then there these they this those to too under until up us very was we were what when where "
    "which while who whom whose why will with would you your yours i'm it's don't what's there's i've"
)
_ES = (
    "a al algo ante antes como con cual cuál cuales cuáles cuando cuándo cuánta cuántas cuanto cuánto cuantos cuántos de "
    "debe debo del desde donde dónde dos durante el él ella ellos en entre era es esa ese eso esta está están este esto "
    "estos fue ha hace hacer hacia han hasta hay la las le les lo los más me mi mis mucho muy nada ni no nos nuestra "
    "nuestro o otra otro para pero por porque puede puedo que qué quien quién se sea ser si sí sin sobre son su sus también "
    "tan tanto te tengo tiene tienen toda todo tu tus un una uno unos usted y ya yo"
)
_DE = (
    "ab aber als am an auch auf aus bei beim bin bis da dann das dass dem den denn der des die dies diese dieser dieses "
    "doch dort du durch ein eine einem einen einer eines er es für gegen gibt hab habe haben hat hatte hier ich ihr ihre im "
    "in ist ja kann können kein keine man mehr mein meine mich mir mit muss müssen nach nicht noch nur ob oder ohne sehr "
    "sein seine sich sie sind so soll sollen über um und uns unser unter viel viele vom von vor wann war warum was welche "
    "welchem welchen welcher welches wenn wer werde werden wie wieviel wird wo wir wurde zu zum zur"
)
_BY_LANGUAGE: dict[Language, frozenset[str]] = {
    "en": frozenset(_EN.split()),
    "es": frozenset(_ES.split()),
    "de": frozenset(_DE.split()),
}
STOPWORDS = frozenset().union(*_BY_LANGUAGE.values())
_NEITHER_WORDS = (
    "et est les une dans avec pour sans tes toutes tous je vous votre ne pas qui quel quelle combien maintenant puis mot "
    "il gli della dei di non tutte tutti soltanto essere miei quanto perché sono "
    "não nem mais uma com você tuas suas seu sua só isso nenhuma "
    "het een niet voor alleen ik mijn jouw hebt heb naar met zijn"
)
_NEITHER = frozenset(_NEITHER_WORDS.split())
"""Small words of French, Italian, Portuguese and Dutch that Spanish and German have not: such a person is spoken to in English."""
_NEITHERS_LETTERS = re.compile("[ãõçàèùòêâîôœ]")
_WORD = re.compile(r"[^\W_]+(?:['’\-.,:/][^\W_]+)*", re.UNICODE)
COUNTED = {
    word: str(value)
    for language in (
        "two three four five six seven eight nine ten eleven twelve",
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "dos tres cuatro cinco seis siete ocho nueve diez once doce",
    )
    for value, word in enumerate(language.split(), 2)
}
"""Numbers written as words. One is left out: in German and Spanish its word is an article."""
_LOOKED_AT = 2000
"""Characters of a text that tell its language."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def words(text: str) -> list[str]:
    """The lower-case words of a text in order; a number keeps its separators (1,000 or 3.5 or 09:00)."""
    return [w.lower().replace("’", "'") for w in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The words that carry meaning, cut to their stem."""
    parts = [part for word in words(text) for part in _parts(word)]
    return [stem(word) for word in parts if word not in STOPWORDS and (len(word) > 1 or word.isdigit())]


def numbers(text: str) -> set[str]:
    """The numbers of a text as written."""
    return set(_NUMBER.findall(text))


def amounts(text: str) -> set[str]:
    """The numbers of a text, written in digits or as a word up to twelve, in digits."""
    said = words(text)
    spelt = {COUNTED[word] for word in said if word in COUNTED}
    return numbers(text) | spelt | ({"1"} if "one" in said else set())


def stem(word: str) -> str:
    """The word without a common English ending; other languages mostly keep theirs. Good enough to compare two texts."""
    if word.isdigit() or len(word) < 4:
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def language_of(text: str, beside: str = "") -> Language:
    """The language whose small words the text uses most; where nothing in it tells, that of the text `beside` it, else English.

    A dozen small words of each language decide it: a trained detector mistakes the language of short questions. A text in another
    Romance or Germanic language shares some of them, and is English for us.
    """
    said = words(_beginning(text))
    counts: dict[Language, float] = {
        name: sum(w in small for w in said) + 0.5 * bool(name == "es" and re.search("[¿¡ñ]", text))
        for name, small in _BY_LANGUAGE.items()
    }
    if beside and not any(counts.values()):
        return language_of(beside)
    best = max(counts, key=lambda name: (counts[name], name == "en"))
    neither = sum(w in _NEITHER or bool(_NEITHERS_LETTERS.search(w)) for w in said)
    return best if counts[best] > max(counts["en"], neither) else "en"


def _beginning(text: str) -> str:
    """What tells the language of a long text, without the word that the cut goes through: `le` of `leave` is Spanish."""
    if len(text) <= _LOOKED_AT:
        return text
    return re.sub(r"[^\W_]+\Z", "", text[:_LOOKED_AT]) or text[:_LOOKED_AT]


def _parts(word: str) -> list[str]:
    """`follow-up` counts as its parts, `09:00` and `3.5` as one."""
    return [word] if word[0].isdigit() else [part for part in re.split(r"[-./:,]", word.removesuffix("'s")) if part]
