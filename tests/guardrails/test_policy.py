"""The policy file: the packaged one, a company's own over it, and every mistake named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.records import Classification, Role
from core.settings import Settings
from guardrails.entities import ENTITIES
from guardrails.guard import run_guard
from guardrails.judged import JUDGED
from guardrails.pii import Recognisers
from guardrails.policy import BUILT_IN_TOPICS, Policy, load_policy, read_policy
from guardrails.rails import build_guards
from tests.guardrails.passages import passage

TEMPLATE = "You answer from the passages and you cite every one of them by number."


def test_packaged_policy_handles_every_entity_and_topic_that_there_is() -> None:
    policy = load_policy()
    assert set(policy.personal_data.entities) == set(ENTITIES)
    assert set(policy.topics) == set(BUILT_IN_TOPICS)
    assert {name for name, rail in policy.rails.items() if not rail.run} == set(JUDGED)  # they need a served model


def test_company_file_changes_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    own = tmp_path / "policy.yaml"
    own.write_text("topics:\n  named_salary: {contact: hr@acme.example}\nrails:\n  grounding: {threshold: 0.9}\n")
    policy = load_policy(own)
    assert policy.topics["named_salary"].contact == "hr@acme.example"
    assert policy.topics["named_salary"].action == "escalate"
    assert policy.rail("grounding").threshold == 0.9
    assert policy.personal_data == load_policy().personal_data


WRONG = [
    ("topics:\n  harmful: {action: refuze}", "line 2: topics.harmful.action: Input should be"),
    ("topics:\n  harmfull: {action: refuse}", "line 2: topics.harmfull: not built in, so give it `phrases`"),
    ("topics:\n  unions: {action: refuse, phrases: [x]}", "line 2: topics.unions: give it `texts`"),
    ("topics:\n  unions: {action: refuse, phrases: ['(x'], texts: {en: no}}", "is no regular expression"),
    ("topics:\n  harmful:\n    texts: {en: 'see {boss}'}", "line 3: topics.harmful.texts: a text may name {contact}"),
    ("rails:\n  groundin: {run: true}", "line 2: rails.groundin: no such rail; there are"),
    ("rails:\n  grounding:\n    budget: 3", "line 3: rails.grounding.budget: unknown key"),
    ("rails:\n  grounding: {budget_ms: 1}", "line 2: rails.grounding.budget_ms: Input should be greater"),
    ("rails:\n  grounding: {threshold: 70}", "line 2: rails.grounding.threshold: Input should be less"),
    ("personal_data:\n  entities:\n    CARD: {threshold: 1, question: mask, answer: mask}", "no recogniser finds CARD"),
    ("personal_data:\n  roles: {boss: {IP_ADDRESS: allow}}", "line 2: personal_data.roles.boss"),
    ("personal_data:\n  classifications: {secret: {IP_ADDRESS: allow}}", "line 2: personal_data.classifications"),
    ("personal_data:\n  roles: {admin: {IP: allow}}", "line 2: personal_data.roles: no recogniser finds IP"),
    ("nemo: {input: true}\nnemo: {output: true}", "line 2: nemo: given before, in line 1"),
    ("nemmo: {input: true}", "line 1: nemmo: unknown key"),
    ("topics: [harmful", "line 1: this is no YAML"),
    ("- topics", "line 1: a policy is a mapping"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_mistake_is_named_with_its_line_and_field(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_policy(text, "own.yaml")
    assert said in str(raised.value)
    assert str(raised.value).startswith("own.yaml: ")


def test_all_mistakes_are_named_at_once() -> None:
    text = "topics:\n  harmful: {action: refuze}\nrails:\n  groundin: {run: true}\nnem: 1\n"
    with pytest.raises(SettingsError) as raised:
        read_policy(text, "own.yaml")
    assert str(raised.value).startswith("own.yaml: 3 mistakes:")
    assert [f"line {n}:" in str(raised.value) for n in (2, 4, 5)] == [True] * 3


def test_missing_file_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ASSISTANT_POLICY=.*none\.yaml: cannot be read"):
        load_policy(tmp_path / "none.yaml")


def test_entity_that_no_recogniser_finds_is_a_clear_error() -> None:
    with pytest.raises(SettingsError, match="looks for FAVOURITE_COLOUR, which no recogniser finds"):
        Recognisers({"FAVOURITE_COLOUR": 0.5})


def own_policy(text: str) -> Policy:
    return read_policy(text, "own.yaml")


def test_blocked_entity_refuses_the_question_and_withholds_the_sentence() -> None:
    policy = own_policy(
        "personal_data:\n  entities:\n    IBAN_CODE: {threshold: 0.5, question: block, answer: block}\n"
    )
    guards = build_guards(Settings(), TEMPLATE, policy=policy)
    text = "The IBAN is GB82 WEST 1234 5698 7654 32."
    asked = guards.input[-1].check(text)
    told = guards.output[-1].check(text, [passage(text)])
    assert [(v.action, v.text) for v in (asked, told)] == [(a, "The IBAN is <IBAN>.") for a in ("refuse", "drop")]


@pytest.mark.parametrize(("roles", "shown"), [({"employee"}, False), ({"admin"}, True), ({"employee", "admin"}, True)])
def test_mildest_role_of_the_reader_decides(roles: set[Role], shown: bool) -> None:
    policy = own_policy("personal_data:\n  roles: {admin: {IBAN_CODE: allow}}\n")
    guards = build_guards(Settings(), TEMPLATE, policy=policy).for_roles(roles)
    text = "The IBAN is GB82 WEST 1234 5698 7654 32."
    assert ("GB82" in guards.output[-1].check(text, [passage(text)]).text) is shown


@pytest.mark.parametrize(("label", "shown"), [("internal", False), ("confidential", False), ("restricted", True)])
def test_label_of_the_cited_passage_decides(label: Classification, shown: bool) -> None:
    policy = own_policy("personal_data:\n  classifications: {restricted: {IBAN_CODE: allow}}\n")
    guards = build_guards(Settings(), TEMPLATE, policy=policy)
    text = "The IBAN is GB82 WEST 1234 5698 7654 32."
    assert ("GB82" in guards.output[-1].check(text, [passage(text, classification=label)]).text) is shown


def test_allowed_text_of_the_policy_is_never_masked() -> None:
    policy = own_policy("personal_data:\n  allow: [GB82 WEST 1234 5698 7654 32]\n")
    guards = build_guards(Settings(), TEMPLATE, policy=policy)
    assert guards.input[-1].check("Pay to GB82 WEST 1234 5698 7654 32?").action == "allow"


def test_rail_that_the_policy_does_not_run_is_not_there() -> None:
    guards = build_guards(Settings(), TEMPLATE, policy=own_policy("rails:\n  markup: {run: false}\n"))
    assert "markup" not in [guard.name for guard in guards.output]
    assert run_guard(guards.output[0], "Hello.").verdict.allowed


def test_review_goes_with_escalation_only() -> None:
    with pytest.raises(SettingsError, match="goes with `action: escalate` only"):
        read_policy("topics: {off_topic: {action: refuse, review: true}}\n")
    assert read_policy("topics: {legal_advice: {review: true}}\n").topics["legal_advice"].review
