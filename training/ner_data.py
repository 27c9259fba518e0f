"""Sentences with marked names, places, addresses and organisations, made from our own templates and Faker's name lists (MIT).

    sentences("learnt", 20_000, seed=7)      drawn from the templates above the mark, values that are not kept back
    sentences("held out", 1_000, seed=7)     drawn from the templates below it, values that nothing was learnt from

A value is kept back by the hash of its longest word: about one of eight first names, surnames, towns, streets and
companies never occurs in what is learnt. Faker is a development package: it is imported here alone.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from core.errors import MissingExtra
from training.ner_lists import ordinary_words
from training.ner_words import (
    BRAND_ENDS,
    BRAND_STARTS,
    COUNTRIES,
    DOCUMENTS,
    JOBS,
    LATIN,
    LEGAL_FORMS,
    MONTHS,
    NATIONALITIES,
    NOUNS,
    NUMBERED,
    OTHER_SCRIPTS,
    PLACES_INSIDE,
    PRODUCTS,
    REGIONS,
    STREET_KINDS,
    TITLES,
    UNITS,
    WEEKDAYS,
)

Part = Literal["learnt", "held out"]
Piece = tuple[str, str]
"""A text and the kind of entity that it is; "" for none."""

TEMPLATES = Path(__file__).with_name("ner_templates.txt")
KEPT_BACK = 8
UNSTEADY = ("it_IT", "city")
"""Faker draws these from a set, so that one seed gives other towns in each process."""
REWORDED = 0.15
_SLOT = re.compile(r"\{(\w+)\}")
_PLAIN = re.compile(r"\b[A-Z]?[a-z]{3,}\b")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text and its entities: kind, start, end; `template` is its line in the file."""

    text: str
    spans: tuple[tuple[str, int, int], ...]
    template: int


def sentences(part: Part, count: int, seed: int) -> list[Sentence]:
    """`count` texts of a part, its templates in equal shares."""
    lines = list(templates(part))
    values = Values(random.Random(f"{seed} {part}"), part)  # noqa: S311 - seeded sampling, no secret
    return [_filled(*lines[n % len(lines)], values, part) for n in range(count)]


def templates(part: Part) -> Iterator[tuple[int, str]]:
    """The templates of a part with their line numbers."""
    current: Part = "learnt"
    for number, line in enumerate(TEMPLATES.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("== "):
            current = "held out" if line == "== held out" else "learnt"
        elif line and current == part and number > 3:
            yield number, line.replace("\\n", "\n")


def is_kept_back(value: str) -> bool:
    """Whether a value occurs only where the recogniser is measured."""
    longest = max(re.findall(r"[^\W\d_]+", value), key=len, default=value)
    return zlib.crc32(longest.casefold().encode()) % KEPT_BACK == 0


def _filled(number: int, template: str, values: Values, part: Part) -> Sentence:
    values.next_text()
    parts: list[Piece] = []
    at = 0
    for slot in _SLOT.finditer(template):
        parts += [(template[at : slot.start()], ""), *values.draw(slot.group(1))]
        at = slot.end()
    parts.append((template[at:], ""))
    change = _casing(values.rng, template)
    text, spans = "", []
    for piece, kind in parts:
        piece = change(piece if kind or part == "held out" else _reworded(piece, values.rng), kind)
        if kind:
            spans.append((kind, len(text), len(text) + len(piece)))
        text += piece
    return Sentence(text, tuple(spans), number)


def _reworded(piece: str, rng: random.Random) -> str:
    """Some words replaced by other ordinary ones: a word is no name because it is new."""

    def other(found: re.Match[str]) -> str:
        if rng.random() > REWORDED:
            return found.group()
        word = rng.choice(ordinary_words())
        return word.capitalize() if found.group()[0].isupper() else word

    return _PLAIN.sub(other, piece)


def _casing(rng: random.Random, template: str) -> Callable[[str, str], str]:
    """Now and then a text is all lower or all upper case, or has its values so."""
    drawn = rng.random()
    if drawn < 0.03:
        return lambda piece, _: piece.lower()
    if drawn < 0.07:
        return lambda piece, _: piece.upper()
    if drawn < 0.11:
        return lambda piece, kind: piece.upper() if kind in ("LOCATION", "PERSON") else piece
    if drawn < 0.13 and "{" in template:
        return lambda piece, kind: piece.lower() if kind else piece
    return lambda piece, _: piece


@cache
def faker(locale: str) -> Any:
    try:
        from faker import Faker
    except ModuleNotFoundError:
        raise MissingExtra("Making sentences needs Faker: pip install 'enterprise-assistant[dev]'") from None
    return Faker(locale)


class Values:
    """Draws the value of a slot. A text keeps to one country's names for most of its values."""

    def __init__(self, rng: random.Random, part: Part) -> None:
        self.rng = rng
        self._held = part == "held out"
        self._locale = "en_US"
        self._slots: Mapping[str, Callable[[], Sequence[Piece]]] = _slots(self)

    def next_text(self) -> None:
        drawn = self.rng.random()
        common = ("en_US", "en_GB", "de_DE", "es_ES")
        self._locale = self.rng.choice(common if drawn < 0.25 else OTHER_SCRIPTS if drawn > 0.97 else LATIN)

    def draw(self, slot: str) -> Sequence[Piece]:
        return self._slots[slot]()

    def fake(self, method: str) -> str:
        """A value of Faker's that belongs to the part that is made."""
        value = ""
        for attempt in range(60):
            locale = self._locale if attempt < 20 and self.rng.random() < 0.8 else self.rng.choice(LATIN)
            if (locale, method) == UNSTEADY:
                continue
            source = faker(locale)
            source.seed_instance(self.rng.getrandbits(48))
            value = str(getattr(source, method)()).replace("\n", " ") if hasattr(source, method) else ""
            if value and is_kept_back(value) == self._held and len(value) < 60:
                return value
        return value

    def pick(self, words: Sequence[str], *, split: bool = False) -> str:
        """One of the words; with `split`, one that belongs to the part that is made."""
        kept = [w for w in words if is_kept_back(w) == self._held] if split else words
        return self.rng.choice(kept or words)

    def digits(self, low: int, high: int) -> str:
        return "".join(self.rng.choice("0123456789") for _ in range(self.rng.randint(low, high)))

    def mixed(self) -> str:
        """A number as tickets, parts and identity cards have them."""
        shapes = (
            "#########",
            "###-##-####",
            "##########",
            "@@#######",
            "@@-#####",
            "########@",
            "@#######@",
            "## ### ### ###",
            "#.##.#",
            "@#",
            "### ### ####",
            "@@@ ####",
            "##-##-##",
            "############",
        )
        drawn = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTVWXYZ"}
        return "".join(self.rng.choice(drawn.get(sign, sign)) for sign in self.rng.choice(shapes))

    def uk_postcode(self) -> str:
        """As "BS1 4DJ"."""
        area = "".join(self.rng.choice("ABCDEGHKLMNPRSTWY") for _ in range(self.rng.choice((1, 2, 2))))
        unit = "".join(self.rng.choice("ABDEFGHJLNPQRSTUWXYZ") for _ in range(2))
        return f"{area}{self.rng.randint(1, 29)} {self.rng.randint(1, 9)}{unit}"

    # people

    def first(self) -> str:
        name = self.fake("first_name")
        return f"{name}-{self.fake('first_name')}" if self.rng.random() < 0.03 else name

    def last(self) -> str:
        name = self.fake("last_name")
        return f"{name}-{self.fake('last_name')}" if self.rng.random() < 0.05 else name

    def person(self) -> str:
        drawn = self.rng.random()
        first, last, initial = self.first(), self.last(), self.rng.choice("ABCDEFGHIJKLMNOPRSTVW")
        forms = (
            (0.68, f"{first} {last}"),
            (0.76, f"{first} {initial} {last}"),
            (0.82, f"{first} {initial}. {last}"),
            (0.86, f"{initial}. {last}"),
            (0.90, f"{first} {self.first()} {last}"),
            (0.93, f"{first} {last} {self.last()}"),
            (0.95, f"{last} {first}"),
            (0.97, f"{first} {self.pick(('van', 'von', 'de', 'de la', 'di', 'bin', 'al', 'van der', 'dos'))} {last}"),
            (1.01, first),
        )
        return next(form for top, form in forms if drawn < top)

    # places

    def city(self) -> str:
        return self.fake("city") if self.rng.random() < 0.85 else self.pick(REGIONS, split=True)

    def country(self) -> str:
        return self.pick(COUNTRIES, split=True)

    def region(self) -> str:
        method = self.pick(("state", "administrative_unit", "region", "county"))
        found = self.fake(method) if self.rng.random() < 0.5 else ""
        return found or self.pick(REGIONS, split=True)

    def street_name(self) -> str:
        if self.rng.random() < 0.55:
            return re.sub(r"\d+[a-z]?|,.*", "", self.fake("street_name")).strip() or "High Street"
        core = self.last() if self.rng.random() < 0.6 else f"{self.first()} {self.last()}"
        kind = self.pick(STREET_KINDS)
        return f"{kind} {core}" if kind[-1] in "aeo" or kind in ("Rue", "Carrer", "Avenue") else f"{core} {kind}"

    def street(self) -> str:
        name, house = self.street_name(), self.digits(1, 3).lstrip("0") or "7"
        drawn = self.rng.random()
        if drawn < 0.3:
            return self.fake("street_address")
        house += self.rng.choice(("", "", "", "a", "B", "-12", "/3"))
        text = f"{house} {name}" if drawn < 0.6 else f"{name} {house}" if drawn < 0.85 else f"{house}, {name}"
        if drawn > 0.93:
            text = f"{name}, {house}"
        return f"{self.digits(2, 5)} {text}" if self.rng.random() < 0.2 else text

    def unit(self) -> str:
        return f"{self.pick(UNITS)} {self.digits(1, 4)}{self.rng.choice(('', '', '', 'A', 'b'))}"

    def zip(self) -> str:
        return self.fake("postcode") if self.rng.random() < 0.75 else self.digits(4, 6)

    def org(self) -> str:
        drawn = self.rng.random()
        if drawn < 0.35:
            return self.fake("company")
        last, brand = self.last(), self.pick(BRAND_STARTS, split=True) + self.pick(BRAND_ENDS)
        forms: tuple[tuple[float, Callable[[], str]], ...] = (
            (0.50, lambda: brand),
            (0.60, lambda: f"{brand} {self.pick(LEGAL_FORMS)}"),
            (0.66, lambda: f"{last}-{self.last()}"),
            (0.72, lambda: f"{last}, {self.last()} and {self.last()}"),
            (0.77, lambda: f"{last} {self.pick(('and', '&', 'y', 'und'))} {self.pick(('Sons', 'Partners', 'Co', self.last()))}"),
            (0.82, lambda: f"{last} {self.pick(LEGAL_FORMS)}"),
            (0.88, lambda: f"{self.pick(('University', 'Bank', 'Museum', 'Port', 'Chamber of Commerce'))} of {self.city()}"),
            (0.93, lambda: f"{self.city()} {self.pick(('Times', 'Post', 'United', 'University', 'Airlines', 'Hospital', 'FC', 'Weekly'))}"),
            (0.97, lambda: "".join(self.rng.choice("ABCDEFGHIKLMNOPRSTUVX") for _ in range(self.rng.randint(3, 4)))),
            (1.01, lambda: f"{brand} {self.pick(('Software', 'Insurance', 'Foods', 'Motors', 'Energy', 'Health', 'Records', 'Logistics', 'Studios'))}"),
        )  # fmt: skip
        return next(form for top, form in forms if drawn < top)()

    def birth(self) -> str:
        day, month, year = self.rng.randint(1, 28), self.rng.randint(1, 12), self.rng.randint(1930, 2010)
        name = MONTHS[month - 1]
        return self.pick(
            (
                f"{day:02}.{month:02}.{year}",
                f"{day}/{month}/{year}",
                f"{month}/{day}/{year}",
                f"{year}-{month:02}-{day:02}",
                f"{day} {name} {year}",
                f"{name} {day}, {year}",
                f"{day}. {name} {year}",
                f"{day:02}/{month:02}/{year % 100:02}",
                f"{name[:3]} {day} {year}",
            )
        )

    def address(self) -> Sequence[Piece]:
        """Street, town, region, postcode and country in one of the layouts that people use."""
        layout = self.pick(
            (
                "{street}, {city}", "{street}, {city} {zip}", "{street}, {zip} {city}", "{street}\n{zip} {city}", "{street} {unit}, {city}, {region} {zip}",
                "{street}\n {unit}\n {city}\n {country} {zip}", "{street}\n{city}, {region} {zip}\n{country}", "{street}, {unit}\n{city}\n{zip}",
                "{street} {unit}\n{city}\n{country}\n{zip}", "{street} {unit} {city} {zip}", "{street}, {city}, {country}", "{zip} {city}, {street}",
                "{street} {unit}, {city}, {country} {zip}", "{unit}, {street}, {city}, {zip}", "{street}\n{city} {code} {zip}", "{street}\n{unit}\n{city} {zip}\n{country}",
                "{street}\n   {city}\n   {code}\n   {zip}", "{unit} {street}\n{city} {code} {zip}", "{box}, {zip} {city}", "{street}, {zip} {city}, {country}",
                "{street}\n{city}\n, {code}\n {zip}",
            )
        )  # fmt: skip
        found: list[Piece] = []
        at = 0
        for slot in _SLOT.finditer(layout):
            found += [(layout[at : slot.start()], ""), *self.draw(slot.group(1))]
            at = slot.end()
        return [*found, (layout[at:], "")]

    def military(self) -> Sequence[Piece]:
        post = f"{self.pick(('Unit', 'PSC', 'CMR'))} {self.digits(3, 4)}, Box {self.digits(3, 4)}".replace(
            ",", self.pick((",", ""))
        )
        state = self.pick(("AA", "AE", "AP"))
        return [
            (post, "STREET_ADDRESS"), (self.pick(("\n", ", ")), ""), (self.pick(("APO", "FPO", "DPO")), "LOCATION"), (" ", ""),
            (state, "LOCATION"), (" ", ""), (self.digits(5, 5), "POSTCODE"),
        ]  # fmt: skip


def _slots(v: Values) -> Mapping[str, Callable[[], Sequence[Piece]]]:
    """Slot to what draws its pieces."""

    def entity(kind: str, draw: Callable[[], str]) -> Callable[[], Sequence[Piece]]:
        return lambda: [(draw(), kind)]

    def plain(draw: Callable[[], str]) -> Callable[[], Sequence[Piece]]:
        return lambda: [(draw(), "")]

    def number(low: int, high: int) -> Callable[[], Sequence[Piece]]:
        return plain(lambda: str(v.rng.randint(low, high)))

    def cards() -> str:
        digits = v.digits(12, 16)
        return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4)) if v.rng.random() < 0.3 else digits

    return {
        "person": entity("PERSON", v.person),
        "first": entity("PERSON", v.first),
        "last": entity("PERSON", v.last),
        "lastfirst": entity("PERSON", lambda: f"{v.last()}, {v.first()}"),
        "titled": lambda: [(v.pick(TITLES), ""), (" ", ""), (v.last() if v.rng.random() < 0.6 else v.person(), "PERSON")],
        "city": entity("LOCATION", v.city),
        "country": entity("LOCATION", v.country),
        "region": entity("LOCATION", v.region),
        "code": entity("LOCATION", lambda: "".join(v.rng.choice("ABCDEFGHIKLMNOPRSTUVZ") for _ in range(2))),
        "nationality": entity("NATIONALITY", lambda: v.pick(NATIONALITIES, split=True)),
        "org": entity("ORGANIZATION", v.org),
        "street": entity("STREET_ADDRESS", v.street),
        "streetname": entity("STREET_ADDRESS", v.street_name),
        "unit": entity("STREET_ADDRESS", v.unit),
        "box": entity("STREET_ADDRESS", lambda: f"{v.pick(('P.O. Box', 'PO Box', 'Postbox', 'Postfach', 'Apartado'))} {v.digits(2, 5)}"),
        "zip": entity("POSTCODE", v.zip),
        "dob": entity("DATE_OF_BIRTH", v.birth),
        "birthyear": entity("DATE_OF_BIRTH", lambda: str(v.rng.randint(1930, 2010))),
        "address": v.address,
        "military": v.military,
        "job": plain(lambda: v.pick(JOBS)),
        "jobcap": plain(lambda: v.pick(JOBS).title()),
        "noun": plain(lambda: v.pick(NOUNS)),
        "product": plain(lambda: f"{v.pick(PRODUCTS)}{v.pick(('', '', ' ' + v.digits(1, 2), ' Pro', '-' + v.digits(3, 3)))}"),
        "doc": plain(lambda: v.pick(DOCUMENTS)),
        "acronym": plain(lambda: "".join(v.rng.choice("ABCDEFGHIKLMNOPRSTUV") for _ in range(3))),
        "month": plain(lambda: v.pick(MONTHS)),
        "weekday": plain(lambda: v.pick(WEEKDAYS)),
        "date": plain(v.birth),
        "numbered": plain(lambda: f"{v.pick(NUMBERED)} {v.mixed()}"),
        "inside": plain(lambda: f"{v.pick(PLACES_INSIDE)} {v.pick((v.digits(1, 2), v.digits(1, 1) + '.' + v.digits(2, 2), v.digits(1, 1) + v.rng.choice('ABCD')))}"),
        "ukzip": entity("POSTCODE", v.uk_postcode),
        "time": plain(lambda: f"{v.rng.randint(0, 23)}:{v.rng.randint(0, 59):02}"),
        "year": number(1950, 2026), "age": number(18, 95), "n": number(1, 30),
        "num": plain(lambda: v.digits(2, 7)),
        "money": plain(lambda: f"{v.pick(('€', '$', '£', 'EUR ', 'USD '))}{v.digits(2, 5)}"),
        "card": plain(cards),
        "iban": plain(lambda: v.pick(("DE", "GB", "ES")) + v.digits(18, 20)),
        "phone": plain(lambda: v.fake("phone_number")),
        "email": plain(lambda: v.fake("email")),
        "url": plain(lambda: f"{v.pick(('https://', 'www.', 'http://www.'))}{(v.pick(BRAND_STARTS) + v.pick(BRAND_ENDS)).lower()}.com/{v.pick(NOUNS)}"),
        "ip": plain(lambda: ".".join(str(v.rng.randint(1, 254)) for _ in range(4))),
    }  # fmt: skip
