"""Which language a document is written in, by lingua, over the languages that an office is likely to hold."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, Final

SAMPLE_CHARS: Final = 3000
UNKNOWN: Final = "und"
"""ISO 639's code for undetermined."""

_NAMES: Final = (
    "CZECH",
    "DANISH",
    "DUTCH",
    "ENGLISH",
    "FINNISH",
    "FRENCH",
    "GERMAN",
    "ITALIAN",
    "POLISH",
    "PORTUGUESE",
    "SPANISH",
    "SWEDISH",
)
_lock = threading.Lock()


def detect_language(text: str) -> str:
    """The two-letter code of the text's language, `und` where there are no words to tell it by."""
    with _lock:  # two threads that ask first must not both load the models
        detector = _detector()
    found = detector.detect_language_of(text[:SAMPLE_CHARS])
    return UNKNOWN if found is None else str(found.iso_code_639_1.name).lower()


@cache
def _detector() -> Any:
    # A handful of languages and the small models: 75 languages at full accuracy would hold about 1 GB.
    from lingua import Language, LanguageDetectorBuilder

    languages = [getattr(Language, name) for name in _NAMES]
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()
