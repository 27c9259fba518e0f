"""What cases use is measured: each gets its share of the processors' time, and together all of it."""

from __future__ import annotations

import threading
import time

import pytest

from eval.metering import Meter, Spent, spent
from tests.eval.conftest import make_result


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_cases_at_once_add_up_to_what_the_process_used() -> None:
    meter, both, each = Meter(), threading.Barrier(2), []

    def ask() -> None:
        with meter.case(requests=1) as used:
            both.wait()
            burn(0.05)
            both.wait()
        each.append(used["cpu_s"])

    began = time.process_time()
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each) == pytest.approx(time.process_time() - began, abs=0.02)
    assert min(each) >= 0.04


def test_what_is_used_between_cases_is_no_cases() -> None:
    meter = Meter()
    with meter.case(requests=1) as before:
        pass
    burn(0.05)
    with meter.case(requests=1) as after:
        pass
    assert before["cpu_s"] + after["cpu_s"] < 0.03


def test_means_are_of_a_request_and_tokens_of_those_that_were_counted() -> None:
    served = {"requests": 1, "cpu_s": 0.1, "prompt_tokens": 900, "completion_tokens": 60}
    refused = {"requests": 2, "cpu_s": 0.2}
    found = spent([make_result("a", used=served), make_result("b", used=refused)])
    assert found == Spent(3, 0.1, 300.0, 20.0)
    assert found.token_cost((1.0, 10.0)) == pytest.approx(0.0005)
    alone = spent([make_result("b", used=refused)])
    assert alone == Spent(2, 0.1, None, None) and alone.token_cost((1.0, 10.0)) is None
    assert spent([make_result("a")]) is None
