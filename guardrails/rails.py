"""Which guards stand where. `build_guards` is what the composition root calls; the policy says which of them run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, Protocol
from urllib.parse import urlsplit

from core.errors import SettingsError
from core.records import Passage, Role
from core.settings import Settings
from guardrails.classifier import OPERATING_POINT, InjectionClassifier, Judge, PassageClassifier
from guardrails.grounding import THRESHOLD, Grounding, Support
from guardrails.guard import Budgeted, Guard, run_guard
from guardrails.injection import Injection
from guardrails.judged import AT_ONCE, JUDGED, JudgedName, JudgedRail, require_served
from guardrails.leaks import Markup, PromptLeak
from guardrails.names_model import names_of
from guardrails.nemo import NemoRail, NemoStage
from guardrails.ner import KINDS, Names
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers, chat_thresholds
from guardrails.policy import PersonalDataSection, Policy, RailName, TopicPolicy, load_policy
from guardrails.pseudonyms import Namer
from guardrails.topics import Topics

PLAIN = "Every employee has 25 days of annual leave a year."
"""A text on which every rail must give a verdict before its policy may hold."""


class Planted(Protocol):
    """Is told of a passage that was left out of an answer, and by which rule: `core.document_tasks.DocumentTasks.planted`."""

    def __call__(self, found: Passage, rule: str, /) -> object: ...


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
    topics: Mapping[str, TopicPolicy] = field(default_factory=dict)
    """What the policy refuses by topic, with the texts that say so."""
    policy_sha256: str = ""
    planted: Planted | None = None
    """Whom the answer path tells of a dropped passage. The guards themselves tell nobody: a policy's dry run judges too."""
    _personal: PersonalGuards | None = None

    def for_roles(self, roles: Iterable[Role]) -> Guards:
        """The same guards, with answers masked as the policy says for a person with these roles."""
        if self._personal is None or not self._personal.depends_on(roles):
            return self
        policy = self._personal.policy
        (own,) = _running(policy, "output", personal_data_answer=self._personal.answer(roles)) or (None,)
        output = tuple(own if own and guard.name == own.name else guard for guard in self.output)
        return replace(self, output=output)


@dataclass(frozen=True, slots=True)
class PersonalGuards:
    """Makes the guards of personal data, which depend on who reads. `asking` are the recognisers of questions."""

    policy: Policy
    domains: frozenset[str]
    asking: Recognisers
    recognisers: Recognisers
    namer: Namer | None = None

    def depends_on(self, roles: Iterable[Role]) -> bool:
        return any(role in self.policy.personal_data.roles for role in roles)

    def question(self) -> PersonalData:
        return PersonalData("question", self._for(()), self.asking, namer=self.namer)

    def answer(self, roles: Iterable[Role] = ()) -> PersonalData:
        return PersonalData("answer", self._for(roles), self.recognisers, namer=self.namer)

    def _for(self, roles: Iterable[Role]) -> PersonalDataPolicy:
        return PersonalDataPolicy(self.policy.personal_data, self.domains, frozenset(roles))


def build_guards(
    settings: Settings,
    template_text: str,
    *,
    policy: Policy | None = None,
    judge: Judge | None = None,
    support: Support | None = None,
    planted: Planted | None = None,
    namer: Namer | None = None,
) -> Guards:
    """The rails that the policy switches on, each with its budget.

    Args:
        settings: the support contact's domain and the public address count as the organisation's own; names_model finds names.
        template_text: the prompt template, which answers must not repeat.
        policy: the packaged one where none is given.
        judge: the trained judgement of questions and passages; without it the rules stand alone. Where it can `encode` sentences too,
            a passage's are compared with each other.
        support: the cross-encoder that says whether a passage bears out a paraphrase; without it only covered words do.
        planted: hears of each passage that is dropped from an answer, for its document's owner.
        namer: gives pseudonyms where the policy says pseudonymise.

    Raises:
        SettingsError: the policy names an entity that no recogniser finds, wants pseudonyms and there is no key, or runs a rail that
            a served model judges and there is none; or the model of names cannot be read.
    """
    policy = policy or load_policy()
    _require_key(policy, namer)
    domains = frozenset(own_domains(settings))
    found = policy.personal_data
    names = names_of(settings)
    answered = Recognisers(chat_thresholds(found), found.allow, names=names)
    personal = PersonalGuards(policy, domains, _of_questions(found, names), answered, namer)
    judged = _judged(policy, settings)
    return Guards(
        input=_running(
            policy,
            "input",
            injection_question=Injection("question"),
            injection_classifier=InjectionClassifier(judge, _least(policy, "injection_classifier")) if judge else None,
            topics=Topics(policy.topics),
            personal_data_question=personal.question(),
        )
        + tuple(rail for rail in judged if rail.name != "self_check_output"),
        passage=_passage_rails(policy, judge),
        output=_running(
            policy,
            "output",
            prompt_leak=PromptLeak(template_text),
            grounding=_grounding(policy, support),
            markup=Markup(sorted(domains)),
            personal_data_answer=personal.answer(),
        )
        + tuple(rail for rail in judged if rail.name == "self_check_output"),
        topics=policy.topics,
        policy_sha256=policy.sha256,
        planted=planted,
        _personal=personal,
    )


def _require_key(policy: Policy, namer: Namer | None) -> None:
    if policy.pseudonymises and namer is None:
        raise SettingsError(
            "The policy says pseudonymise, and there is no key: set ASSISTANT_PSEUDONYM_KEY to a file outside the home folder; "
            "`python -m assistant pseudonyms new-key FILE` makes it."
        )


def _grounding(policy: Policy, support: Support | None) -> Grounding:
    least_covered = policy.rail("grounding").threshold
    return Grounding(THRESHOLD if least_covered is None else least_covered, support)


def _of_questions(found: PersonalDataSection, names: Names | Literal["packaged"]) -> Recognisers:
    """As those of answers, but the network of names reads questions only where the policy does something with what it finds.

    It is most of the rail's time, and what a policy allows in questions is found for nothing. Patterns look for all the same
    kinds, because the kinds decide among themselves what a number is.
    """
    handled = {name for name, entity in found.entities.items() if entity.question != "allow"}
    return Recognisers(chat_thresholds(found), found.allow, names=names if handled & set(KINDS) else None)


def _passage_rails(policy: Policy, judge: Judge | None) -> tuple[Guard, ...]:
    least = _least(policy, "injection_passage_classifier")
    classifier = PassageClassifier(judge, least, encode=getattr(judge, "encode", None)) if judge else None
    return _running(
        policy,
        "passage",
        injection_passage=Injection("passage"),
        injection_passage_classifier=classifier,
    )


def _judged(policy: Policy, settings: Settings) -> tuple[Budgeted, ...]:
    """The rails that a served model judges. They come last in their stage: they cost most, and get a text that is masked."""
    names: list[JudgedName] = [name for name in JUDGED if policy.rail(name).run]
    require_served(names, settings)
    rails = []
    for name in names:
        budget_ms = policy.rail(name).budget_ms
        rail = JudgedRail(name, settings, budget_ms=budget_ms, scope=policy.judged.scope)
        rails.append(Budgeted(rail, budget_ms, at_once=AT_ONCE))
    return tuple(rails)


def _least(policy: Policy, rail: RailName) -> float:
    threshold = policy.rail(rail).threshold
    return OPERATING_POINT if threshold is None else threshold


def failing_rails(guards: Guards, *, served: bool = True) -> list[str]:
    """The guards that give no verdict on a plain text, and so would refuse everything; a slow first call counts for nothing.

    Args:
        served: whether the rails that a served model judges are tried too, at the price of a request each.
    """
    passages = (Passage("plain", "plain", 1, 0, "Leave", "Days", None, PLAIN, "internal", "", "en", date(2026, 1, 1)),)
    checks: list[tuple[Guard, tuple[Passage, ...]]] = [(guard, ()) for guard in guards.input]
    checks += [(guard, passages) for guard in (*guards.passage, *guards.output)]
    return [
        guard.name
        for guard, given in checks
        if (served or guard.name not in JUDGED)
        and run_guard(guard, PLAIN, given).failed
        and run_guard(guard, PLAIN, given).failed
    ]


def _running(policy: Policy, stage: NemoStage, **guards: Guard | None) -> tuple[Guard, ...]:
    """The guards that the policy runs, in the order given, each stopped at its budget, and run by NeMo where it says so.

    Answers and passages pass NeMo check by check, each under its own name, because the assistant treats some apart. Of a
    question's checks, those that refuse share one call of NeMo, which is most of its cost.
    """
    kept = [(g, policy.rails[_rail(n)].budget_ms) for n, g in guards.items() if g and policy.rails[_rail(n)].run]
    if not getattr(policy.nemo, stage):
        return tuple(Budgeted(guard, ms) for guard, ms in kept)
    together = [(g, ms) for g, ms in kept if stage == "input" and not g.name.startswith("personal_data")]
    apart = [(g, ms) for g, ms in kept if (g, ms) not in together]
    joined = [([g for g, _ in together], sum(ms for _, ms in together))] if together else []
    return tuple(Budgeted(NemoRail(stage, g), ms) for g, ms in (*joined, *(([g], ms) for g, ms in apart)))


def _rail(name: str) -> RailName:
    return name  # type: ignore[return-value]


def own_domains(settings: Settings) -> Sequence[str]:
    """Domain of the support contact and host of the public address, without what is empty."""
    contact = settings.support_contact.rpartition("@")[2]
    host = urlsplit(settings.public_url).hostname or ""
    return tuple(domain.casefold() for domain in (contact, host) if domain)
