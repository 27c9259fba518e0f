"""The recognisers that Presidio's registry gets: its own where they are good, ours where its patterns over- or under-flag.

Imported only when the engine is built, because it imports Presidio. Every pattern is bounded, so that one long word costs
no more than linear time. Scores: 1.0 a checksum or an unmistakable form, 0.5 to 0.9 a form of its own, below 0.5 a form that
needs a context word nearby (+0.35) to pass its threshold (`guardrails/pii.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import phonenumbers
from presidio_analyzer import Pattern, PatternRecognizer
from presidio_analyzer.predefined_recognizers import (
    DeTaxIdRecognizer,
    EsNieRecognizer,
    EsPassportRecognizer,
    IbanRecognizer,
    IpRecognizer,
    MacAddressRecognizer,
    NhsRecognizer,
    PhoneRecognizer,
    UkNinoRecognizer,
    UkPassportRecognizer,
    UsItinRecognizer,
    UsPassportRecognizer,
    UsSsnRecognizer,
)

from guardrails.health import Health
from guardrails.language import Tagged
from guardrails.names import Named

CASED = re.DOTALL | re.MULTILINE
ANY_CASE = CASED | re.IGNORECASE
PHONE_REGIONS = ("GB", "US", "DE", "ES")

_EMAIL = r"(?<![\w.+-])[^\W_][\w.+%'-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[A-Za-z]{2,24}\b"
_EMAIL_SPELT = r"\b[a-z][\w.+-]{1,40} ?[\[(] ?at ?[\])] ?[a-z][\w-]{1,60}(?: ?[\[(] ?(?:dot|\.) ?[\])] ?[a-z]{2,20}| ?\.[a-z]{2,20}){1,3}\b"
_CARD = (
    r"(?<![\d.,-])(?:(?:3[0-9]|4\d|5[0-9]|6\d)\d{2}|2(?:131|2[2-9]\d|[3-6]\d\d|7[0-2]\d)|1800)"
    r"(?:\d{8,15}|[ -]\d{4}[ -]\d{4}[ -]\d{1,4}(?:[ -]\d{1,3})?|[ -]\d{6}[ -]\d{4,5}|(?:\.\d{4}){3})(?![\d-])"
)
_DATE = (
    r"(?:\b(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)?\d\d\b|\b(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:19|20)?\d\d\b"
    r"|\b(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b"
    r"|\b(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|\.)? (?:de |of )?(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|ene|abr|ago|dic|mayo)[a-zéä]*\.?,? (?:de |del )?(?:19|20)\d\d\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? (?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?,? (?:19|20)\d\d\b)"
)
_STREET_EN = (
    r"\b\d{1,5}[A-Za-z]?(?:-\d{1,4})?,? (?:[NSEW]\.? )?(?:[A-Z][\w'’.-]{1,24} ){1,4}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Way|Court|Ct|Place|Pl|Square|Sq|Terrace|Crescent|Gardens|Grove|Mews|Parkway|Pkwy|Boulevard|Blvd|Highway|Hwy|Row|Walk|Quay|Wharf)\b\.?"
    r"(?:,? (?:Apt|Apartment|Flat|Suite|Ste|Unit|Floor|#)\.? ?\w{1,6})?"
)
_STREET_DE = r"\b[A-ZÄÖÜ][\wäöüß.-]{2,30}(?:straße|strasse|str\.|weg|allee|platz|gasse|damm|ufer|chaussee)(?: |\s)\d{1,4} ?[a-z]?\b(?:,? \d{5} [A-ZÄÖÜ][\wäöüß-]{2,24})?"
_STREET_ES = r"\b(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Pza\.|Paseo|Carrer|Camino|Ronda) ?(?:[A-Za-zÁÉÍÓÚÑáéíóúñüç'’.-]{1,20} ){0,5}[A-Za-zÁÉÍÓÚÑáéíóúñüç'’.-]{2,20},? (?:n\.?[ºo°]? ?)?\d{1,4}\b"
_BOX = r"\bP\.?O\.? Box \d{1,7}\b|\bPostfach \d{2,8}\b|\bApartado (?:de Correos )?\d{1,6}\b"
_UK_POSTCODE = r"\b(?:GIR ?0AA|[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-HJKPSTUW]|[A-HK-Y]\d[ABEHMNPRV-Y]) ?\d[ABD-HJLNP-UW-Z]{2})\b"
_SIGNED_URL = (
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/@:]{1,80}:[^\s/@]{1,120}@[^\s\"'<>]{1,300}"
    r"|\bhttps?://[^\s\"'<>]{1,300}[?&#;](?:access_?token|refresh_?token|id_?token|token|api_?key|apikey|key|sig|signature|secret|client_secret|password|passwd|pwd|auth|session(?:_?id)?|x-amz-signature|x-amz-credential)=[^\s\"'<>&]{6,400}[^\s\"'<>]{0,300}"
    r"|\bhttps://hooks\.slack\.com/services/[\w/]{20,80}|\bhttps://[\w.-]{1,60}\.webhook\.office\.com/[\w@/-]{20,200}"
)
_API_KEY = (
    r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,255}\b|\bgithub_pat_\w{22,255}\b|\bglpat-[\w-]{20,64}\b"
    r"|\bxox[abeoprs]-[\w-]{10,200}\b|\bxapp-\d-[\w-]{10,200}|\bsk-(?:ant-|proj-|svcacct-)?[\w-]{20,200}|\b[srp]k_(?:live|test)_\w{16,120}\b|\bwhsec_\w{16,80}\b"
    r"|\bAIza[\w-]{35}|\bya29\.[\w-]{20,300}|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{50,250}|\bhf_[A-Za-z0-9]{30,60}\b|\bSG\.[\w-]{16,32}\.[\w-]{16,64}"
    r"|\bdop_v1_[a-f0-9]{64}\b|\bshp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}\b|\bAC[a-f0-9]{32}\b|\bkey-[a-f0-9]{32}\b|\bhvs\.[\w-]{20,200}|\bEAACEdEose0cBA\w{10,300}"
    r"|\bea_[A-Za-z0-9_-]{24,80}\b|\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}"
)
_ASSIGNED = (
    r"(?:\b(?:pass ?words?|pass ?codes?|passphrases?|passwort|passwörter|kennwort|contraseñas?|clave|pwd|client[_ -]secrets?|secret[_ -]?keys?|api[_ -]?keys?|api[_ -]?tokens?|access[_ -]?keys?|access[_ -]?tokens?|auth[_ -]?tokens?|secrets?|tokens?)\b"
    r"(?: (?:of|for|to|on|von|vom|für|der|des|zum|de|del|para) [^\n.:;=?!]{1,60}?)?"
    r"[\"']? ?(?:is|are|ist|lautet|es|:=|=>|:|=)[ :]{0,2}[\"'`]?)\K(?=[^\s\"'`]{0,80}\d)(?=[^\s\"'`]{0,80}[A-Za-z])[^\s\"'`<>,;]{8,200}"
)
_BEARER = r"\b(?:Bearer|Basic) (?=[A-Za-z0-9._~+/-]{0,40}\d)[A-Za-z0-9._~+/-]{20,2000}=*"
_ACCOUNT_SAID = (
    r"\b(?:(?:bank |checking |savings |giro)?(?:account|acct)(?: (?:number|no\.?|#))|a/c(?: no\.?)?|(?:konto|account-?)(?:nummer|-nr\.?)|n[uú]mero de cuenta|routing (?:number|no\.?))"
    r"(?: is| ist| es|:| #){0,2} ?\K\d[\d -]{5,20}\d(?![\d-])"
)
_WEB = r"\b(?:https?://|www\.)[^\s<>\"'`]{2,300}[^\s<>\"'`.,;:!?)\]]"
_AGE = r"\b\d{1,3}(?=[ -](?:years?|yrs?)[ -]old\b| Jahre alt\b| años\b|-jährig)|\b(?:aged|age[d:]?|turn(?:ed|s|ing)|im Alter von) \K\d{1,3}\b(?![.,%]\d| (?:in|on|off|out|days|minutes|times))"
_ZIP_SAID = r"\b(?:zip|post(?:al)?)[ -]?code(?: is|:)? \K[A-Z0-9][A-Z0-9-]{1,9}(?: \d[A-Z]{2})?\b|\b(?:plz|postleitzahl|código postal)(?: ist| es|:)? \K\d{4,5}\b"
_UNIT = r"\b(?:Apt|Apartment|Suite|Unit|Flat|Room|PSC)\.? #?\d{1,5}[A-Z]?(?:,? Box \d{1,6})?\b"
_STREET_INTERNATIONAL = (
    r"\b(?:\d{1,6} )?(?:Via|Rue|Rua|Viale|Piazza|Corso|Boulevard|Av(?:enue)?|Strada|Ulica|ul\.) (?:[^\W\d_][\w'’.-]{1,24} ){1,3}\d{1,5}\b"
    r"|\b\d{1,6} [^\W\d_a-zß-öø-ÿ][\w'’-]{2,24}(?:vej|gata|gatan|gade|vägen|vegen|veien|stien|katu|tie|laan|straat|utca|út|ulica|tér|plein|weg) \d{1,5}\b"
)
_PLACE_WORDS = r"(?:[^\W\d_a-zß-öø-ÿ][\w'’.-]{1,24}[ ]){1,4}"
_STREET_SAID = rf"\b(?:lives? (?:on|at)|living (?:on|at)|deliver(?:ed|y)? to|ship(?:ped)? to|return (?:it )?to|sen[dt] (?:it |(?:a new )?one )?to|address(?:es)?(?: is| are)?:?|enter on)\s+\K(?:\d{{1,6}}[ ,]){{0,2}}{_PLACE_WORDS}\d{{1,5}}[a-z]?\b"
_STREET_NUMBERED = rf"\b\d{{3,6}}[ ]{_PLACE_WORDS}\d{{1,4}}\b\.?(?=\s+(?:Apt|Suite|Unit|Flat)\b|\n)"
_BLOCK = rf"\b\d{{1,6}} (?:\d{{1,5}} )?{_PLACE_WORDS}?[^\n?!]{{0,40}}(?:,? ?(?:Apt|Suite|Unit|Flat)\.? \d{{1,5}},?)?(?:\s*\n\s*[^\n?!]{{2,40}}){{1,3}}?[ \n]\s*\d{{4,6}}\b"
_NIF = r"(?<![\w-])\d{8}[ -]?[A-HJ-NP-TV-Z](?![\w-])"
_DE_SOCIAL = r"(?<!\w)\d{2} ?\d{6} ?[A-Z] ?\d{3}(?!\w)"
_ACCOUNT_UK = r"(?<![\d-])\d{2}-\d{2}-\d{2}(?:,? (?:account|acct|a/c)(?: number| no\.?)?:? )?[ ,/]{0,2}\d{8}(?!\d)"

CONTEXT = {
    "DATE_OF_BIRTH": "born birth dob d.o.b birthday birthdate geboren geburtsdatum geburtstag geb nacimiento nacido nacida nací",
    "PASSPORT": "passport passports reisepass reisepassnummer passnummer pasaporte",
    "PHONE_NUMBER": "phone telephone tel cell cellphone mobile call calling fax whatsapp sms ring dial telefon handy mobil rufnummer anrufen durchwahl teléfono telefono móvil movil llamar llama",
    "CREDIT_CARD": "card cards credit visa mastercard amex maestro debit kreditkarte karte tarjeta",
    "UK_BANK_ACCOUNT": "account sort bank bacs payee sortcode acct a/c",
    "STREET_ADDRESS": "address addresses deliver delivery return send sent live lives billing shipping adresse dirección anschrift",
    "POSTCODE": "postcode address live lives home zip",
    "US_SSN": "ssn ssns social socialsecurity",
    "US_ITIN": "itin individual taxpayer",
    "UK_NINO": "insurance nino ni",
    "UK_NHS": "nhs",
    "ES_NIF": "dni nif",
    "ES_NIE": "nie",
    "DE_TAX_ID": "steuer steuernummer steuer-id steuerid idnr steueridentifikationsnummer tax tin identifikationsnummer",
    "DE_SOCIAL_SECURITY": "rentenversicherung rentenversicherungsnummer sozialversicherung sozialversicherungsnummer versicherungsnummer",
}
"""Words that make a number what it looks like, matched whole, up to five words before it or two after."""


def _near(entity: str) -> list[str]:
    return CONTEXT[entity].split()


def own(entity: str, score: float, *patterns: str, context: Sequence[str] = (), flags: int = ANY_CASE) -> Any:
    """A recogniser of one entity by patterns of one score."""
    named = [Pattern(f"{entity}_{i}", pattern, score) for i, pattern in enumerate(patterns)]
    return PatternRecognizer(
        entity, name=f"own_{entity}_{score}", patterns=named, context=list(context), global_regex_flags=flags
    )


_SEVEN_DIGITS = re.compile(r"\d(?:[^\w\n]{0,4}\d){6}")
_FIGURES = re.compile(r"\d(?:[^\w\n]{0,4}\d){99,}")
"""A hundred digits in a line without a word between them are figures, of which libphonenumber would try every few in four countries."""


class _Phone(PhoneRecognizer):
    """Presidio's, skipped where the text has too few digits (it is the slowest) and surer of numbers that look dialled."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
        if not _SEVEN_DIGITS.search(text):
            return []
        words = _FIGURES.sub(lambda match: " " * len(match[0]), text)
        results = super().analyze(words, entities, nlp_artifacts)
        for result in results:
            number = text[result.start : result.end]
            result.score = 0.75 if number.lstrip("(").startswith(("+", "00")) else 0.55 if _dialled(number) else 0.3
        return list(results)


def _dialled(number: str) -> bool:
    """Written as people write numbers to call: with a trunk zero and no date, or in the groups that Americans use."""
    digits = sum(c.isdigit() for c in number)
    if re.fullmatch(r"\d\d[./-]\d\d[./-]\d{4}", number):
        return False
    trunk = re.match(r"\(?0[1-9]", number) is not None and 9 <= digits <= 12
    return trunk or re.fullmatch(r"(?:1[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}", number) is not None


class _Card(PatternRecognizer):
    """Card numbers by network prefix, length and Luhn; short Maestro numbers count only beside a context word."""

    def validate_result(self, pattern_text: str) -> bool | None:
        digits = [int(c) for c in pattern_text if c.isdigit()]
        if len(digits) < 12 or len(set(digits)) < 2 or not _luhn(digits):
            return False
        return True if _network(digits) else None


def _luhn(digits: list[int]) -> bool:
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _network(digits: list[int]) -> bool:
    """Whether prefix and length are those of a network whose numbers are rarely anything else."""
    head, length = "".join(map(str, digits[:4])), len(digits)
    if head[0] == "4":
        return length in (13, 16, 19)
    if head[:2] in ("34", "37") or head in ("1800", "2131"):
        return length == 15
    if head[:2] in ("36", "38", "39") or head[:3] in ("300", "301", "302", "303", "304", "305"):
        return length in (14, 16)
    if head[:2] in ("51", "52", "53", "54", "55") or 2221 <= int(head) <= 2720:
        return length == 16
    return length >= 16 and head[0] in "356"


class _Nif(PatternRecognizer):
    def validate_result(self, pattern_text: str) -> bool:
        number = int(re.sub(r"\D", "", pattern_text))
        return pattern_text[-1].upper() == "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


class _Nhs(NhsRecognizer):
    """A tenth of all ten-digit numbers pass the checksum, phone numbers too: valid means possible, not certain."""

    def validate_result(self, pattern_text: str) -> bool | None:  # type: ignore[override]
        return None if super().validate_result(pattern_text) else False


class _TaxId(DeTaxIdRecognizer):
    """As the NHS number: an eleven-digit number that passes is certain only beside its name."""

    def validate_result(self, pattern_text: str) -> bool | None:
        return None if super().validate_result(re.sub(r"\s", "", pattern_text)) else False


def recognisers() -> list[Any]:
    """Every recogniser of the engine, under the language code `en` that the one pipeline has."""
    return [
        *_contact(),
        *_identity(),
        *_secrets(),
        *_personal(),
        IbanRecognizer(supported_language="en", regex_flags=ANY_CASE),
        _Card(
            "CREDIT_CARD",
            name="card",
            patterns=[Pattern("card", _CARD, 0.3)],
            context=_near("CREDIT_CARD"),
        ),
        own(
            "UK_BANK_ACCOUNT",
            0.4,
            _ACCOUNT_UK,
            context=_near("UK_BANK_ACCOUNT"),
        ),
    ]


def _personal() -> list[Any]:
    """What says something about a person, and their names."""
    return [
        Named(),
        Tagged(),
        own("AGE", 0.7, _AGE),
        Health(),
        own("WEB_ADDRESS", 0.7, _WEB),
        own("BANK_ACCOUNT", 0.65, _ACCOUNT_SAID),
    ]


def _contact() -> list[Any]:
    return [
        own("EMAIL_ADDRESS", 0.95, _EMAIL),
        own("EMAIL_ADDRESS", 0.7, _EMAIL_SPELT),
        _Phone(context=_near("PHONE_NUMBER"), supported_regions=PHONE_REGIONS, leniency=phonenumbers.Leniency.VALID),
        own("STREET_ADDRESS", 0.65, _STREET_EN, _STREET_DE, _STREET_ES, flags=CASED),
        own("STREET_ADDRESS", 0.6, _BOX, _UNIT, _STREET_INTERNATIONAL, _STREET_NUMBERED, flags=CASED),
        own("STREET_ADDRESS", 0.65, _STREET_SAID, flags=CASED),
        own("STREET_ADDRESS", 0.3, _BLOCK, context=_near("STREET_ADDRESS"), flags=CASED),
        own("POSTCODE", 0.65, _ZIP_SAID),
        own("POSTCODE", 0.3, _UK_POSTCODE, context=_near("POSTCODE"), flags=CASED),
        own("DATE_OF_BIRTH", 0.2, _DATE, context=_near("DATE_OF_BIRTH")),
        IpRecognizer(supported_language="en"),
        MacAddressRecognizer(supported_language="en"),
    ]


def _identity() -> list[Any]:
    return [
        UsSsnRecognizer(
            context=_near("US_SSN"),
            patterns=[
                Pattern("ssn_groups", r"(?<![\w-])(?!9)\d{3}([- ])\d{2}\1\d{4}(?![\w-])", 0.55),
                Pattern("ssn_dots", r"(?<![\w.])\d{3}\.\d{2}\.\d{4}(?![\w.])", 0.3),
                Pattern("ssn_bare", r"(?<![\w-])\d{9}(?![\w-])", 0.1),
            ],
        ),
        UsItinRecognizer(context=_near("US_ITIN")),
        # QQ is never issued: forms and handbooks use it for their examples, and people copy them.
        own("UK_NINO", 0.5, r"\bQQ ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", flags=CASED),
        UkNinoRecognizer(context=_near("UK_NINO")),
        _Nhs(context=_near("UK_NHS")),
        _Nif("ES_NIF", name="nif", patterns=[Pattern("nif", _NIF, 0.5)], context=_near("ES_NIF")),
        EsNieRecognizer(supported_language="en", context=_near("ES_NIE")),
        _TaxId(
            supported_language="en",
            patterns=[Pattern("tax_id", r"(?<![\d+-])[1-9]\d(?: ?\d{3}){3}(?![\d-])", 0.3)],
            context=_near("DE_TAX_ID"),
        ),
        own(
            "DE_SOCIAL_SECURITY",
            0.3,
            _DE_SOCIAL,
            context=_near("DE_SOCIAL_SECURITY"),
        ),
        # Presidio's takes the ninth character of a German passport's number for its check digit, which is the tenth.
        own("PASSPORT", 0.1, r"\b[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{8}\d?\b", context=_near("PASSPORT"), flags=CASED),
        *(
            kind(supported_language="en", supported_entity="PASSPORT", context=_near("PASSPORT"))
            for kind in (UkPassportRecognizer, UsPassportRecognizer, EsPassportRecognizer)
        ),
    ]


def _secrets() -> list[Any]:
    return [
        own("URL_SECRET", 0.98, _SIGNED_URL),
        own("API_KEY", 0.98, _API_KEY, flags=CASED),
        own("API_KEY", 0.8, _BEARER),
        own("PASSWORD", 0.8, _ASSIGNED),
    ]
