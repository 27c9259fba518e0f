"""The kinds of personal and secret data that the recognisers know, with the label that a mask carries."""

from __future__ import annotations

from collections.abc import Mapping

ENTITIES: Mapping[str, str] = {
    "API_KEY": "SECRET",
    "PASSWORD": "SECRET",
    "PRIVATE_KEY": "SECRET",
    "URL_SECRET": "SECRET",
    "BANK_ACCOUNT": "ACCOUNT",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "UK_BANK_ACCOUNT": "ACCOUNT",
    "DE_SOCIAL_SECURITY": "ID",
    "DE_TAX_ID": "ID",
    "ES_NIE": "ID",
    "ES_NIF": "ID",
    "PASSPORT": "PASSPORT",
    "UK_NHS": "ID",
    "UK_NINO": "ID",
    "US_ITIN": "ID",
    "US_SSN": "ID",
    "DATE_OF_BIRTH": "DATE OF BIRTH",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "POSTCODE": "ADDRESS",
    "STREET_ADDRESS": "ADDRESS",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "HEALTH": "HEALTH",
    "PERSON": "PERSON",
    "AGE": "AGE",
    "LOCATION": "PLACE",
    "NATIONALITY": "NATIONALITY",
    "ORGANIZATION": "ORGANISATION",
    "TITLE": "TITLE",
    "WEB_ADDRESS": "LINK",
}
"""Entity to what stands between the angle brackets of its mask."""

SECRETS = frozenset({"API_KEY", "PASSWORD", "PRIVATE_KEY", "URL_SECRET"})
NAMES = frozenset({"PERSON", "LOCATION", "NATIONALITY", "ORGANIZATION", "TITLE", "AGE", "WEB_ADDRESS"})
