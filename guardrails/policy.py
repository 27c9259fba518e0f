"""The policy that a company may change: what is refused, who is named, what is masked, how long a rail may take.

    load_policy(None)           the packaged guardrails/policy.yaml
    load_policy(Path("p.yaml")) a company's own: what it leaves out is as packaged

Every mistake of a file is reported at once, with its line. Nothing unknown is passed over: a rail, an entity or a key
that is not known is an error, because a typo must not switch a rule off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from yaml.nodes import MappingNode, Node, SequenceNode

from core.errors import SettingsError
from core.records import Classification, Role
from guardrails.entities import ENTITIES
from guardrails.phrases import check_phrase

Handling = Literal["allow", "mask", "mask_private", "pseudonymise", "block"]
Language = Literal["en", "es", "de"]
RailName = Literal[
    "injection_question",
    "injection_classifier",
    "topics",
    "personal_data_question",
    "self_check_input",
    "self_check_topic",
    "injection_passage",
    "injection_passage_classifier",
    "prompt_leak",
    "grounding",
    "markup",
    "personal_data_answer",
    "self_check_output",
]
PACKAGED = Path(__file__).with_name("policy.yaml")
BUILT_IN_TOPICS = ("harmful", "self_harm", "legal_advice", "medical_advice", "named_salary", "off_topic")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TopicPolicy(_Strict):
    """One topic; `phrases`, `unless` and `texts` are a company's own, beside or instead of the built-in ones."""

    action: Literal["refuse", "escalate", "ignore"]
    contact: str = ""
    review: bool = False
    phrases: tuple[Annotated[str, AfterValidator(check_phrase)], ...] = ()
    unless: tuple[Annotated[str, AfterValidator(check_phrase)], ...] = ()
    texts: Mapping[Language, str] = Field(default_factory=dict)

    @field_validator("texts")
    @classmethod
    def _fills(cls, texts: Mapping[Language, str]) -> Mapping[Language, str]:
        for text in texts.values():
            try:
                text.format(contact="", organisation="")
            except (KeyError, IndexError, ValueError):
                raise ValueError("a text may name {contact} and {organisation}, and no other braces") from None
        return texts

    @model_validator(mode="after")
    def _reviewed(self) -> Self:
        if self.review and self.action != "escalate":
            raise ValueError("`review: true` goes with `action: escalate` only")
        return self


class RailPolicy(_Strict):
    run: bool = True
    budget_ms: int = Field(10_000, ge=5, le=60_000)
    threshold: float | None = Field(None, ge=0, le=1)


class NemoPolicy(_Strict):
    input: bool = False
    passage: bool = False
    output: bool = False


class JudgedPolicy(_Strict):
    """What the rails that a served model judges are told of the company."""

    scope: str = Field(min_length=10, max_length=2000)


class EntityPolicy(_Strict):
    threshold: float = Field(ge=0, le=1)
    question: Literal["allow", "mask", "pseudonymise", "block"]
    answer: Handling
    documents: Literal["count", "ignore"] = "count"


def _known(names: Mapping[str, object]) -> None:
    unknown = sorted(set(names) - set(ENTITIES))
    if unknown:
        raise ValueError(f"no recogniser finds {', '.join(unknown)}; there are: {', '.join(ENTITIES)}")


class PersonalDataSection(_Strict):
    entities: Mapping[str, EntityPolicy]
    classifications: Mapping[Classification, Mapping[str, Handling]] = Field(default_factory=dict)
    roles: Mapping[Role, Mapping[str, Handling]] = Field(default_factory=dict)
    allow: tuple[str, ...] = ()

    @field_validator("entities")
    @classmethod
    def _entities(cls, given: Mapping[str, EntityPolicy]) -> Mapping[str, EntityPolicy]:
        _known(given)
        return given

    @field_validator("classifications", "roles")
    @classmethod
    def _tables(cls, given: Mapping[Any, Mapping[str, Handling]]) -> Mapping[Any, Mapping[str, Handling]]:
        for table in given.values():
            _known(table)
        return given


class Policy(_Strict):
    """A checked policy. Its fields are those of guardrails/policy.yaml, where each is explained."""

    topics: Mapping[str, TopicPolicy]
    rails: Mapping[RailName, RailPolicy]
    nemo: NemoPolicy = NemoPolicy()
    judged: JudgedPolicy
    personal_data: PersonalDataSection

    @property
    def sha256(self) -> str:
        """Hash of what the policy says: equal for two files that mean the same."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def rail(self, name: RailName) -> RailPolicy:
        return self.rails[name]

    @property
    def pseudonymises(self) -> bool:
        """Whether any entity is anywhere replaced by a pseudonym."""
        section = self.personal_data
        tables = [*section.classifications.values(), *section.roles.values()]
        handled = [h for e in section.entities.values() for h in (e.question, e.answer)]
        return "pseudonymise" in [*handled, *(h for table in tables for h in table.values())]

    def thresholds(self, *, documents: bool = False) -> dict[str, float]:
        """Entity to the lowest score that counts; with `documents`, only those that ingestion counts."""
        entities = self.personal_data.entities.items()
        return {name: e.threshold for name, e in entities if not documents or e.documents == "count"}


def load_policy(path: Path | None = None) -> Policy:
    """Read and check a policy file over the packaged one.

    Args:
        path: a company's own file; None for the packaged policy.

    Raises:
        SettingsError: the file is missing or wrong; the message lists every mistake with line and field.
    """
    return _packaged() if path is None else read_policy(_text(path), str(path))


def read_policy(text: str, name: str = "policy") -> Policy:
    """As `load_policy`, from the file's text (an editor's draft); `name` stands before the mistakes."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        given = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise SettingsError(f"{name}: {where}this is no YAML: {getattr(error, 'problem', '')}") from None
    lines, problems = _lines(node)
    if not isinstance(given, dict):
        raise SettingsError(f"{name}: line 1: a policy is a mapping with topics, rails, nemo, judged and personal_data")
    problems += _own_topics(given.get("topics"), lines)
    try:
        policy = Policy.model_validate(_over(_packaged_data(), given))
    except ValidationError as error:
        problems += [_problem(e["loc"], e["msg"], lines) for e in error.errors()]
    if problems:
        count = f"{len(problems)} mistakes" if len(problems) > 1 else "1 mistake"
        raise SettingsError("\n  - ".join([f"{name}: {count}:", *problems]))
    return policy


@lru_cache(maxsize=1)
def _packaged() -> Policy:
    return Policy.model_validate(_packaged_data())


def _packaged_data() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(PACKAGED.read_text(encoding="utf-8"))
    return data


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SettingsError(f"ASSISTANT_POLICY={path}: cannot be read ({reason}); name a policy file") from None


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The packaged values with a company's own over them; tables join key by key, lists and values replace."""
    merged = dict(base)
    for key, value in own.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _own_topics(topics: object, lines: Mapping[tuple[str, ...], int]) -> list[str]:
    """What a company's own topics lack: without phrases nothing would ever match, without a text nobody would know why."""
    problems = []
    for name, topic in topics.items() if isinstance(topics, dict) else ():
        if name in BUILT_IN_TOPICS or not isinstance(topic, dict):
            continue
        where = f"line {lines[('topics', str(name))]}: topics.{name}"
        if not topic.get("phrases"):
            problems.append(f"{where}: not built in, so give it `phrases`; built in are {', '.join(BUILT_IN_TOPICS)}")
        elif "en" not in (topic.get("texts") or {}):
            problems.append(f"{where}: give it `texts` with at least `en`, which people will read")
    return problems


def _problem(loc: tuple[int | str, ...], message: str, lines: Mapping[tuple[str, ...], int]) -> str:
    path = tuple(str(part) for part in loc if part != "[key]")
    line = next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)
    said = message.removeprefix("Value error, ").replace(
        "Extra inputs are not permitted", "unknown key; see the packaged policy.yaml for those that there are"
    )
    if path[:1] == ("rails",) and "[key]" in loc:
        said = f"no such rail; there are {', '.join(get_args(RailName))}"
    return f"{f'line {line}: ' if line else ''}{'.'.join(path)}{': ' if path else ''}{said}"


def _lines(root: Node | None) -> tuple[dict[tuple[str, ...], int], list[str]]:
    """The line of each field, and the keys that stand twice (YAML keeps the last, silently)."""
    lines: dict[tuple[str, ...], int] = {}
    doubled = []
    for path, line in _fields(root, ()):
        if path in lines:
            doubled.append(f"line {line}: {'.'.join(path)}: given before, in line {lines[path]}")
        lines[path] = line
    return lines, doubled


def _fields(node: Node | None, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _fields(value, here)
    elif isinstance(node, SequenceNode):
        for place, value in enumerate(node.value):
            yield (*path, str(place)), value.start_mark.line + 1
            yield from _fields(value, (*path, str(place)))
