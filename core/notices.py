"""The line below an answer of which a part was withheld. It says nothing of the documents, so it needs no source.

    said = f"{answer}\\n\\n{LEFT_OUT['en']}"
    without_notice(said) == answer

A Turn keeps the answer as the person read it; whoever learns from answers, scores them or hands them to a model takes the line off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

LEFT_OUT: Final[Mapping[Literal["en", "es", "de"], str]] = {
    "en": "*I left out part of this answer, because none of the documents found bears it out. If you miss something, please ask for it on its own.*",
    "es": "*He omitido una parte de esta respuesta, porque ninguno de los documentos encontrados la respalda. Si echa algo en falta, pregunte por ello aparte, por favor.*",
    "de": "*Einen Teil dieser Antwort habe ich weggelassen, weil ihn keines der gefundenen Dokumente belegt. Wenn Ihnen etwas fehlt, fragen Sie bitte einzeln danach.*",
}


def without_notice(answer: str) -> str:
    """The answer itself, as a model wrote it and the guards passed it."""
    for notice in LEFT_OUT.values():
        answer = answer.removesuffix(f"\n\n{notice}")
    return answer
