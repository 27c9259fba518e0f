"""Rails that break and texts that are no ordinary text: it fails closed, says which rail, and costs seconds at most."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.records import Entity, Passage, Verdict
from core.settings import Settings, load_settings
from guardrails.guard import HANGING, Budgeted, Guard, run_guard
from guardrails.policy import load_policy, read_policy
from guardrails.rails import Guards, build_guards
from retrieval.judge import open_judge
from tests.guardrails.passages import passage

pytestmark = pytest.mark.slow

TEMPLATE = "You answer from the passages and you cite every one of them by number."


class Says:
    """A guard that returns whatever it is given."""

    name = "says"

    def __init__(self, verdict: object) -> None:
        self.verdict = verdict

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        return self.verdict  # type: ignore[return-value]


class Hangs:
    name = "hangs"

    def __init__(self) -> None:
        self.started = 0
        self.free = threading.Event()

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        self.started += 1
        self.free.wait(30)
        return Verdict(self.name, "allow", text)


class Raises:
    name = "raises"

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        raise RuntimeError("the text was: " + text)


NONSENSE = [
    None,
    "allow",
    True,
    Verdict("x", "perhaps", "text"),  # type: ignore[arg-type]
    Verdict("x", "allow", None),  # type: ignore[arg-type]
    Verdict("x", "allow", "another text"),
    Verdict("x", "mask", "text", score=17.0),
    Verdict("x", "mask", "text", entities=(Entity("IBAN_CODE", 2, 900, 1.0),)),
    Verdict("x", "mask", "text", entities=(Entity("IBAN_CODE", 3, 2, 1.0),)),
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_from_a_rail_refuses_and_names_the_rail(nonsense: object, caplog: pytest.LogCaptureFixture) -> None:
    verdict = run_guard(Says(nonsense), "text").verdict
    assert (verdict.action, verdict.rule, verdict.guard, verdict.text) == ("refuse", "guard_error", "says", "")
    assert caplog.messages[0].startswith("guard says failed with")


def test_rail_that_hangs_refuses_within_its_budget_and_names_itself(caplog: pytest.LogCaptureFixture) -> None:
    hangs = Hangs()
    run = run_guard(Budgeted(hangs, 50), "text")
    hangs.free.set()
    assert (run.verdict.action, run.verdict.rule, run.verdict.guard) == ("refuse", "guard_error", "hangs")
    assert 50 <= run.ms < 5000
    assert caplog.messages == ["guard hangs failed with TimeoutError"]


def test_rail_that_keeps_hanging_starts_no_more_threads() -> None:
    hangs = Hangs()
    guard = Budgeted(hangs, 20)
    assert all(run_guard(guard, "text").verdict.rule == "guard_error" for _ in range(HANGING + 4))
    assert hangs.started == HANGING
    hangs.free.set()
    deadline = time.monotonic() + 10
    while not run_guard(Budgeted(hangs, 5000), "text").verdict.allowed:
        assert time.monotonic() < deadline


def test_guard_whose_checks_all_hang_refuses_the_next_at_once() -> None:
    hangs = Hangs()
    guard = Budgeted(hangs, 100, at_once=1)
    assert run_guard(guard, "text").failed == "timeout"
    began = time.process_time()
    late = [run_guard(guard, "text") for _ in range(100)]
    hangs.free.set()
    assert {run.failed for run in late} == {"timeout"}
    assert sum(run.ms for run in late) < 100 * 100 / 2
    assert time.process_time() - began < 1


class Slow:
    """Takes its time, alone: what comes meanwhile waits in line."""

    name = "slow"

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        time.sleep(0.3)
        return Verdict(self.name, "allow", text)


def test_wait_for_earlier_checks_is_not_held_against_a_check() -> None:
    guard = Budgeted(Slow(), 500, at_once=1)
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda text: run_guard(guard, text), ["first", "second"]))
    assert [run.failed for run in runs] == ["", ""]


def test_no_packaged_budget_is_shorter_than_a_check_takes_beside_other_work() -> None:
    assert {rail.budget_ms for rail in load_policy().rails.values()} == {10_000}


def test_error_crosses_the_budgets_thread_and_is_not_logged_with_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        verdict = run_guard(Budgeted(Raises(), 5000), "my secret").verdict
    assert (verdict.rule, verdict.guard) == ("guard_error", "raises")
    assert caplog.messages == ["guard raises failed with RuntimeError"]


@pytest.fixture(scope="module")
def guards() -> Guards:
    """With the shipped judge, under a policy whose budgets are far longer than the packaged ones: a busy machine must not decide
    which rule a text meets; what a text costs is measured in processor time below."""
    patient = "\n".join(f"  {name}: {{budget_ms: 30000}}" for name in load_policy().rails)
    judge = open_judge(load_settings(guard_model="injection-2"))
    made = build_guards(Settings(), TEMPLATE, policy=read_policy(f"rails:\n{patient}\n"), judge=judge)
    assert {"injection_classifier", "injection_passage_classifier"} <= {g.name for g in everyone(made)}
    return made


def everyone(guards: Guards) -> list[Guard]:
    return [*guards.input, *guards.passage, *guards.output]


ODD = {
    "100 kB": "The policy on leave says that 27 days are given. " * 2100,
    "one word of 10,000 letters": "a" * 10_000,
    "one word of 10,000 digits": "1" * 10_000,
    "only emoji": "😀" * 25_000,
    "joined emoji": "😀👩‍👩‍👧🏳️‍🌈" * 2500,
    "words between emoji": "😀 one " * 4000,
    "words between underscores": "_a" * 10_000,
    "99 kB of figures": "12 " * 33_000,
    "figures and words": ("12 " * 30 + "or ") * 200,
    "105 kB of addresses": "12 High Street Leeds " * 5000,
    "private addresses": "home address 12 High Street, Leeds, born 12 May 1985. " * 400,
    "only marks": "\u0301" * 3000,
    "brackets": "([{<" * 2500,
    "new lines": "\n" * 10_000,
    "surrogates": "a\ud800b" * 100,
}
SECONDS = 2.0
"""Of processor time, which other work on the machine hardly changes: a fifth of the packaged budget, so that a fifth of a core is enough."""
PASSAGE_SECONDS = 4.0


@pytest.mark.parametrize("name", ODD)
def test_odd_text_gets_a_verdict_from_every_rail_well_within_its_packaged_budget(guards: Guards, name: str) -> None:
    text = ODD[name]
    for guard in everyone(guards):
        began = time.process_time()
        run = run_guard(guard, text, [passage("Employees have 27 days of leave.")])
        assert run.verdict.rule != "guard_error", guard.name
        allowed = PASSAGE_SECONDS if guard in guards.passage else SECONDS
        assert time.process_time() - began < allowed, guard.name


LANGUAGES = """
How many days of leave do I have?|Wie viele Urlaubstage habe ich?|¿Cuántos días de vacaciones tengo?|Combien de jours de congé ai-je ?|Quanti giorni di ferie ho?|Quantos dias de férias tenho?
Hoeveel vakantiedagen heb ik?|Hur många semesterdagar har jag?|Hvor mange feriedager har jeg?|Hvor mange feriedage har jeg?|Kuinka monta lomapäivää minulla on?|Mitu puhkusepäeva mul on?
Cik atvaļinājuma dienu man ir?|Kiek atostogų dienų turiu?|Ile mam dni urlopu?|Kolik mám dní dovolené?|Koľko dní dovolenky mám?|Hány nap szabadságom van?|Câte zile de concediu am?|Колко дни отпуск имам?
Сколько у меня дней отпуска?|Скільки в мене днів відпустки?|Koliko dana godišnjeg odmora imam?|Πόσες ημέρες άδειας έχω;|Kaç gün iznim var?|כמה ימי חופשה יש לי?|كم يوم إجازة لدي؟|چند روز مرخصی دارم؟
मेरे पास कितने दिन की छुट्टी है?|我有多少天假期？|休暇は何日ありますか？|휴가가 며칠 있나요?|ฉันมีวันลากี่วัน|Tôi có bao nhiêu ngày nghỉ?|Berapa hari cuti saya?|எனக்கு எத்தனை நாட்கள் விடுப்பு உள்ளது?
"""


def test_question_in_36_languages_passes_every_input_rail_unchanged(guards: Guards) -> None:
    questions = [q.strip() for line in LANGUAGES.strip().splitlines() for q in line.split("|")]
    assert len(questions) == 36
    stopped = [q for q in questions for g in guards.input if run_guard(g, q).verdict.action != "allow"]
    assert stopped == []
