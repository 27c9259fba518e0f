"""Which guards stand where. `build_guards` is what the composition root calls; NeMo's configuration joins here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.settings import Settings
from guardrails.grounding import Grounding
from guardrails.guard import Guard
from guardrails.injection import Injection
from guardrails.leaks import Markup, PromptLeak
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of each stage, in the order in which they run; each gets the text that the one before left.

    `input` sees the question, `passage` one retrieved passage, `output` one sentence of the answer with the passages that it cites.
    Grounding comes before the masks, which are words that no passage holds, and the personal data come last, because
    their masks look like HTML.
    """

    input: tuple[Guard, ...]
    passage: tuple[Guard, ...]
    output: tuple[Guard, ...]


def build_guards(settings: Settings, template_text: str) -> Guards:
    """The first set: rules and patterns only, so that no model and no network is needed.

    Args:
        settings: the support contact's domain and the public address count as the organisation's own.
        template_text: the prompt template, which answers must not repeat.
    """
    domains = own_domains(settings)
    recognisers = Recognisers()
    policy = PersonalDataPolicy(own_domains=frozenset(domains))
    return Guards(
        input=(Injection("question"), PersonalData("question", policy, recognisers)),
        passage=(Injection("passage"),),
        output=(PromptLeak(template_text), Grounding(), Markup(domains), PersonalData("answer", policy, recognisers)),
    )


def own_domains(settings: Settings) -> Sequence[str]:
    """Domain of the support contact and host of the public address, without what is empty."""
    contact = settings.support_contact.rpartition("@")[2]
    host = urlsplit(settings.public_url).hostname or ""
    return tuple(domain.casefold() for domain in (contact, host) if domain)
