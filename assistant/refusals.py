"""What the person reads where there is no answer: what happened, what can be asked instead, whom to ask. In three languages.

Nothing here may tell that a document exists which the person cannot read: the texts name only passages that were
retrieved for this very person, and "nothing found" reads the same whether there is nothing or nothing readable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.words import Language
from core.records import Passage

_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "empty_question": {
        "en": "I see no question in this. Type it in your own words, for example “How many days of annual leave do I have?”. If something does not work, write to {contact}.",
        "es": "No veo ninguna pregunta. Escríbala con sus propias palabras, por ejemplo: «¿Cuántos días de vacaciones tengo?». Si algo no funciona, escriba a {contact}.",
        "de": "Ich sehe darin keine Frage. Schreiben Sie sie in eigenen Worten, zum Beispiel: „Wie viele Urlaubstage habe ich?“. Wenn etwas nicht funktioniert, schreiben Sie an {contact}.",
    },
    "not_text": {
        "en": "This holds binary data, and I read text only. Type your question, or paste it as plain text. If something does not work, write to {contact}.",
        "es": "Esto contiene datos binarios, y yo solo leo texto. Escriba su pregunta o péguela como texto sin formato. Si algo no funciona, escriba a {contact}.",
        "de": "Das enthält Binärdaten, und ich lese nur Text. Tippen Sie Ihre Frage oder fügen Sie sie als reinen Text ein. Wenn etwas nicht funktioniert, schreiben Sie an {contact}.",
    },
    "too_long": {
        "en": "This question is too long for me: at most {limit} characters. Ask one thing at a time, and leave out what I need not know. For a long case, write to {contact}.",
        "es": "Esta pregunta es demasiado larga: admito como máximo {limit} caracteres. Pregunte una cosa cada vez y omita lo que no haga falta. Para un caso largo, escriba a {contact}.",
        "de": "Diese Frage ist zu lang: höchstens {limit} Zeichen. Fragen Sie eines nach dem anderen und lassen Sie weg, was ich nicht brauche. Bei einem langen Fall schreiben Sie an {contact}.",
    },
    "injection": {
        "en": "Part of this reads as an instruction that would change how I work, and I do not follow those. Ask me directly for what you want to know from the documents of {organisation}, without quoted or encoded instructions. If you meant an ordinary question, {contact} can help.",
        "es": "Una parte de este texto parece una instrucción para cambiar mi funcionamiento, y no sigo esas instrucciones. Pregúnteme directamente lo que quiera saber de los documentos de {organisation}, sin instrucciones citadas ni codificadas. Si era una pregunta normal, {contact} puede ayudarle.",
        "de": "Ein Teil davon liest sich wie eine Anweisung, die meine Arbeitsweise ändern soll, und solchen folge ich nicht. Fragen Sie direkt, was Sie aus den Dokumenten von {organisation} wissen möchten, ohne zitierte oder kodierte Anweisungen. Wenn es eine normale Frage war, hilft {contact}.",
    },
    "self_check": {
        "en": "The model that checks questions took this for something that I must not help with, such as harm, abuse or an attempt to change how I work. If it is an ordinary question, ask it in other words, for example “How do I report harassment?”; if that does not help, {contact} can.",
        "es": "El modelo que revisa las preguntas ha tomado esta por algo en lo que no debo ayudar, como un daño, un insulto o un intento de cambiar mi funcionamiento. Si es una pregunta normal, hágala con otras palabras, por ejemplo: «¿Cómo denuncio un caso de acoso?»; si no funciona, {contact} puede ayudarle.",
        "de": "Das Modell, das Fragen prüft, hielt dies für etwas, wobei ich nicht helfen darf, etwa einen Schaden, eine Beleidigung oder den Versuch, meine Arbeitsweise zu ändern. Wenn es eine normale Frage ist, stellen Sie sie mit anderen Worten, zum Beispiel: „Wie melde ich eine Belästigung?“; sonst hilft {contact}.",
    },
    "personal_data": {
        "en": "This holds personal or secret data that I must not process, such as an account number or a password. Remove them and ask again; the rule itself I can explain without them. For a personal case, write to {contact}.",
        "es": "Esto contiene datos personales o secretos que no debo procesar, como un número de cuenta o una contraseña. Quítelos y pregunte de nuevo; la norma se la puedo explicar sin ellos. Para un caso personal, escriba a {contact}.",
        "de": "Dies enthält persönliche oder geheime Daten, die ich nicht verarbeiten darf, etwa eine Kontonummer oder ein Passwort. Entfernen Sie sie und fragen Sie erneut; die Regel kann ich auch ohne sie erklären. Bei einem persönlichen Fall schreiben Sie an {contact}.",
    },
    "no_passage": {
        "en": "I found nothing about this in the documents that you can read at {organisation}, and I do not answer from memory. Try the words that the policy itself would use, or ask about one topic at a time. Otherwise ask {contact}.",
        "es": "No he encontrado nada sobre esto en los documentos que usted puede leer en {organisation}, y no respondo de memoria. Pruebe con las palabras que usaría la propia norma, o pregunte por un solo tema. Si no, pregunte a {contact}.",
        "de": "Dazu habe ich in den Dokumenten von {organisation}, die Sie lesen dürfen, nichts gefunden, und aus dem Gedächtnis antworte ich nicht. Versuchen Sie die Wörter der Richtlinie selbst, oder fragen Sie nach einem Thema auf einmal. Sonst fragen Sie {contact}.",
    },
    "low_evidence": {
        "en": "The documents that you can read do not answer this clearly enough, so I will not guess.{nearest} You can ask me about those, or ask {contact}.",
        "es": "Los documentos que usted puede leer no responden a esto con suficiente claridad, y no voy a adivinar.{nearest} Puede preguntarme por ellos, o preguntar a {contact}.",
        "de": "Die Dokumente, die Sie lesen dürfen, beantworten das nicht klar genug, und ich möchte nicht raten.{nearest} Danach können Sie mich fragen, oder Sie fragen {contact}.",
    },
    "guard_error": {
        "en": "A safety check did not work just now, and without it I do not answer. Nothing is wrong with your question: try again in a minute. If it stays so, tell {contact}.",
        "es": "Una comprobación de seguridad no ha funcionado, y sin ella no respondo. Su pregunta está bien: inténtelo de nuevo dentro de un minuto. Si sigue igual, avise a {contact}.",
        "de": "Eine Sicherheitsprüfung hat gerade nicht funktioniert, und ohne sie antworte ich nicht. An Ihrer Frage liegt es nicht: Versuchen Sie es in einer Minute wieder. Wenn es so bleibt, melden Sie es an {contact}.",
    },
    "retriever_error": {
        "en": "I cannot search the documents just now, and I do not answer without them. Try again in a minute; if it is urgent, ask {contact}.",
        "es": "Ahora mismo no puedo buscar en los documentos, y sin ellos no respondo. Inténtelo dentro de un minuto; si es urgente, pregunte a {contact}.",
        "de": "Ich kann die Dokumente gerade nicht durchsuchen, und ohne sie antworte ich nicht. Versuchen Sie es in einer Minute wieder; wenn es eilt, fragen Sie {contact}.",
    },
    "model_error": {
        "en": "The model that writes the answers does not respond just now.{nearest} Try again in a minute; if it is urgent, read those or ask {contact}.",
        "es": "El modelo que escribe las respuestas no responde en este momento.{nearest} Inténtelo dentro de un minuto; si es urgente, léalos o pregunte a {contact}.",
        "de": "Das Modell, das die Antworten schreibt, antwortet gerade nicht.{nearest} Versuchen Sie es in einer Minute wieder; wenn es eilt, lesen Sie dort nach oder fragen Sie {contact}.",
    },
    "ungrounded": {
        "en": "I could not write an answer that the documents bear out, so I give none.{nearest} Ask for one fact at a time, or ask {contact}.",
        "es": "No he podido escribir una respuesta que los documentos respalden, así que no doy ninguna.{nearest} Pregunte por un solo dato, o pregunte a {contact}.",
        "de": "Ich konnte keine Antwort schreiben, die durch die Dokumente belegt ist, also gebe ich keine.{nearest} Fragen Sie nach einer einzelnen Angabe, oder fragen Sie {contact}.",
    },
    "unsafe_answer": {
        "en": "The answer that was written did not pass the safety checks, so I do not show it.{nearest} Ask in other words, or ask {contact}.",
        "es": "La respuesta escrita no ha superado las comprobaciones de seguridad y no la muestro.{nearest} Pregunte con otras palabras, o pregunte a {contact}.",
        "de": "Die geschriebene Antwort hat die Sicherheitsprüfungen nicht bestanden, deshalb zeige ich sie nicht.{nearest} Fragen Sie mit anderen Worten, oder fragen Sie {contact}.",
    },
}
_NEAREST: Mapping[Language, str] = {
    "en": " The nearest that I found: {titles}.",
    "es": " Lo más cercano que he encontrado: {titles}.",
    "de": " Am nächsten kommt: {titles}.",
}
_CUT_SHORT: Mapping[Language, str] = {
    "en": "*The answer stops here.* ",
    "es": "*La respuesta se interrumpe aquí.* ",
    "de": "*Die Antwort bricht hier ab.* ",
}
_TITLES = 3
_SAME_AS: Mapping[str, str] = {"not_in_passages": "low_evidence"}
"""The model's own "they do not answer" reads as the retriever's does."""


def refusal(
    reason: str,
    language: Language,
    *,
    organisation: str,
    support_contact: str,
    nearest: Sequence[Passage] = (),
    limit: int = 0,
    cut_short: bool = False,
) -> str:
    """The text for a reason.

    Args:
        nearest: passages that this person may read, best first: their titles are named, and the first one's owner.
        limit: longest question, in characters.
        cut_short: whether part of an answer stands before it.
    """
    contact = nearest[0].owner if nearest and nearest[0].owner else support_contact
    titles = list(dict.fromkeys(passage.title for passage in nearest))[:_TITLES]
    named = _NEAREST[language].format(titles=", ".join(f"**{_plain(t)}**" for t in titles)) if titles else ""
    reason = _SAME_AS.get(reason, reason)
    if reason == "low_evidence" and not titles:
        reason = "no_passage"
    text = _TEXTS[reason][language].format(
        contact=contact, organisation=organisation, limit=_number(limit, language), nearest=named
    )
    return f"{_CUT_SHORT[language]}{text}" if cut_short else text


def _number(value: int, language: Language) -> str:
    """4,000 in English, 4.000 in German and Spanish."""
    return f"{value:,}" if language == "en" else f"{value:,}".replace(",", ".")


def _plain(title: str) -> str:
    """A title that cannot end its own bold or open a link."""
    return "".join(c for c in " ".join(title.split()) if c not in "*[]<>`")
