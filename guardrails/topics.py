"""The rail of refused and escalated topics, and the kind words that go with it, in English, Spanish and German.

    Topics(policy.topics).check(question)       -> allow, or refuse with the topic as the rule
    topic_refusal(rule, "en", topics, ...)      what the person reads

A text says what can be asked instead and whom to turn to. It depends on the topic alone, never on what documents there
are, so that no refusal tells that a restricted document exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.records import Passage, Verdict
from guardrails.decode import views
from guardrails.normalise import fold
from guardrails.phrases import Phrase
from guardrails.policy import Language, TopicPolicy
from guardrails.topic_rules import SHAPES, Shape, named_salary


class Topics:
    """The guard of questions that the policy refuses or hands on.

    Args:
        topics: the policy's; those whose action is `ignore` are not looked for.
    """

    name = "topics"

    def __init__(self, topics: Mapping[str, TopicPolicy]) -> None:
        watched = {name: topic for name, topic in topics.items() if topic.action != "ignore"}
        built_in = [(name, shape) for name, shape in SHAPES.items() if name in watched]
        own = [(name, _own_shape(topic)) for name, topic in watched.items() if topic.phrases]
        self._shapes: Sequence[tuple[str, Shape]] = (*built_in, *own)
        self._named_salary = "named_salary" in watched

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        """Refuse with the topic's name as the rule; what an encoding hides is looked at too, for harmful topics."""
        folded = fold(text)
        rule = next((name for name, shape in self._shapes if shape.matches(folded)), "")
        if not rule and self._named_salary and named_salary(text, folded):
            rule = "named_salary"
        return Verdict(self.name, "refuse", text, rule=rule, score=1.0) if rule else self._hidden(text)

    def _hidden(self, text: str) -> Verdict:
        harmful = [(name, shape) for name, shape in self._shapes if name == "harmful"]
        for view in views(text) if harmful else ():
            if view.via != "plain" and any(shape.matches(view.text) for _, shape in harmful):
                return Verdict(self.name, "refuse", text, rule="harmful", score=1.0)
        return Verdict(self.name, "allow", text)


def _own_shape(topic: TopicPolicy) -> Shape:
    return Shape(tuple(map(Phrase, topic.phrases)), tuple(map(Phrase, topic.unless)))


def topic_refusal(
    topic: str,
    language: Language,
    topics: Mapping[str, TopicPolicy],
    *,
    organisation: str,
    support_contact: str,
    passed_on: bool = False,
) -> str:
    """What the person reads instead of an answer.

    Args:
        topic: the rule of the rail's verdict.
        topics: the policy's: a company's own text and contact go before the packaged ones.
        support_contact: named where the topic has no contact of its own.
        passed_on: whether the question comes to the review queue, which the text then says.

    Returns:
        The text in that language, in English where a company's topic has no other.
    """
    known = topics[topic]
    texts = dict(_TEXTS.get(topic, {})) | dict(known.texts)
    spoken: Language = language if texts.get(language) else "en"
    text = texts[spoken].format(contact=known.contact or support_contact, organisation=organisation)
    return f"{text} {_PASSED_ON[spoken].format(organisation=organisation)}" if passed_on else text


_PASSED_ON: Mapping[Language, str] = {
    "en": "I have passed your question on to the support staff of {organisation}, without your name.",
    "es": "He pasado su pregunta, sin su nombre, al personal de apoyo de {organisation}.",
    "de": "Ihre Frage habe ich ohne Ihren Namen an den Support von {organisation} weitergegeben.",
}
_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "harmful": {
        "en": "I cannot help with something that could hurt people or break the law. If you want to report or prevent something of the kind, ask me how {organisation} handles it, for example “How do I report a security incident?”. If somebody is in danger, call the emergency services; for anything else, {contact} can help.",
        "es": "No puedo ayudar con algo que podría dañar a personas o infringir la ley. Si quiere denunciar o prevenir algo así, pregúnteme cómo lo gestiona {organisation}, por ejemplo: «¿Cómo comunico un incidente de seguridad?». Si alguien está en peligro, llame a emergencias; para lo demás, {contact} puede ayudarle.",
        "de": "Bei etwas, das Menschen schaden oder gegen Gesetze verstoßen könnte, kann ich nicht helfen. Wenn Sie so etwas melden oder verhindern wollen, fragen Sie mich, wie {organisation} damit umgeht, zum Beispiel: „Wie melde ich einen Sicherheitsvorfall?“. Ist jemand in Gefahr, rufen Sie den Notruf; sonst hilft {contact}.",
    },
    "self_harm": {
        "en": "I am sorry that things are so hard. I am only a document assistant, and you deserve a person: please call your local emergency number now if you are in danger (112 or 999), or a crisis line such as 116 123. {contact} can put you in touch with support at {organisation}, in confidence. If you like, ask me what help for employees our documents describe.",
        "es": "Siento mucho que lo esté pasando tan mal. Solo soy un asistente de documentos, y usted merece hablar con una persona: si está en peligro, llame ahora a emergencias (112) o a una línea de crisis como el 024. {contact} puede ponerle en contacto con apoyo en {organisation}, de forma confidencial. También puede preguntarme qué ayuda para el personal describen nuestros documentos.",
        "de": "Es tut mir leid, dass es Ihnen so schlecht geht. Ich bin nur ein Assistent für Dokumente, und Sie verdienen einen Menschen: Rufen Sie bei Gefahr jetzt den Notruf (112) oder die Telefonseelsorge unter 0800 1110111. {contact} vermittelt Ihnen vertraulich Hilfe bei {organisation}. Sie können mich auch fragen, welche Hilfen für Beschäftigte unsere Dokumente beschreiben.",
    },
    "legal_advice": {
        "en": "I cannot give legal advice on a personal case; that needs somebody who knows all of it. I can tell you what the policies of {organisation} say, for example “How do I raise a grievance?”. For the case itself, turn to {contact} or to a lawyer of your choice.",
        "es": "No puedo dar asesoramiento jurídico sobre un caso personal; para eso hace falta alguien que lo conozca entero. Sí puedo decirle qué dicen las normas de {organisation}, por ejemplo: «¿Cómo presento una queja formal?». Para el caso en sí, acuda a {contact} o a un abogado de su elección.",
        "de": "Rechtsberatung in einem persönlichen Fall kann ich nicht geben; dafür braucht es jemanden, der ihn ganz kennt. Ich kann sagen, was in den Richtlinien von {organisation} steht, zum Beispiel: „Wie reiche ich eine Beschwerde ein?“. Mit dem Fall selbst wenden Sie sich an {contact} oder an eine Anwältin Ihrer Wahl.",
    },
    "medical_advice": {
        "en": "I cannot give medical advice; a doctor or a pharmacist can. In an emergency, call the emergency services. I can tell you what {organisation} offers, for example “Who are the first aiders on my site?” or “How do I report sick?”. {contact} can point you to occupational health.",
        "es": "No puedo dar consejos médicos; un médico o un farmacéutico sí. En una urgencia, llame a emergencias. Puedo decirle qué ofrece {organisation}, por ejemplo: «¿Quiénes dan primeros auxilios en mi centro?» o «¿Cómo comunico una baja?». {contact} puede indicarle el servicio de salud laboral.",
        "de": "Medizinischen Rat kann ich nicht geben; eine Ärztin oder ein Apotheker kann es. Im Notfall rufen Sie den Notruf. Ich kann sagen, was {organisation} anbietet, zum Beispiel: „Wer leistet an meinem Standort Erste Hilfe?“ oder „Wie melde ich mich krank?“. {contact} nennt Ihnen den betriebsärztlichen Dienst.",
    },
    "named_salary": {
        "en": "What one person is paid is between them and {organisation}, so I do not answer that, whoever asks. I can explain how pay works here, for example “How are pay bands set?”. If you need it for your work, {contact} decides.",
        "es": "Lo que cobra una persona es asunto suyo y de {organisation}, así que no respondo a eso, pregunte quien pregunte. Puedo explicarle cómo funciona la retribución aquí, por ejemplo: «¿Cómo se fijan las bandas salariales?». Si lo necesita para su trabajo, decide {contact}.",
        "de": "Was eine einzelne Person verdient, bleibt zwischen ihr und {organisation}; darauf antworte ich niemandem. Ich kann erklären, wie die Vergütung hier funktioniert, zum Beispiel: „Wie werden Gehaltsbänder festgelegt?“. Brauchen Sie es für Ihre Arbeit, entscheidet {contact}.",
    },
    "off_topic": {
        "en": "That is outside what I do: I answer questions from the documents of {organisation}. Ask me about leave, expenses, IT or whatever our policies cover, for example “How many days of annual leave do I have?”. If you think that a document should cover this, tell {contact}.",
        "es": "Eso queda fuera de lo que hago: respondo a preguntas con los documentos de {organisation}. Pregúnteme por vacaciones, gastos, informática o lo que traten nuestras normas, por ejemplo: «¿Cuántos días de vacaciones tengo?». Si cree que un documento debería tratarlo, dígaselo a {contact}.",
        "de": "Das gehört nicht zu meinen Aufgaben: Ich beantworte Fragen aus den Dokumenten von {organisation}. Fragen Sie nach Urlaub, Spesen, IT oder was unsere Richtlinien regeln, zum Beispiel: „Wie viele Urlaubstage habe ich?“. Fehlt Ihrer Meinung nach ein Dokument dazu, sagen Sie es {contact}.",
    },
}
