"""Adapters are held on every model server through restarts, against scripted servers that fail as vLLM does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from assistant.fleet import Fleet, State
from assistant.prompt import build_prompt
from assistant.reconciler import Desired, Reconciler, Wanted
from assistant.scripted import Loading, ScriptedModel, ScriptedServer
from assistant.served import ServedModel
from core.errors import AdapterRefused, ModelUnavailable, StoreUnavailable
from core.settings import Settings
from tests.assistant.passages import passage

PROMPT = build_prompt("How many days?", [passage("Every employee has 25 days.")])
NOTHING = Desired(())


class Held:
    """What a test wants held, by folders that it makes; a name can be given another content, or spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wanted: dict[str, Wanted] = {}
        self.banned: set[str] = set()
        self.spoilt: set[str] = set()
        self.broken = False

    def want(self, *names: str, sha256: str = "a") -> None:
        for name in names:
            place = self.folder / name
            place.mkdir(parents=True, exist_ok=True)
            (place / "adapter_config.json").write_text("{}")
            self.wanted[name] = Wanted(name, place, sha256, lambda name=name: self._check(name))  # type: ignore[misc]

    def _check(self, name: str) -> None:
        if name in self.spoilt:
            raise AdapterRefused(f"Adapter {name}: adapter_model.safetensors was changed or cut short.")

    def __call__(self) -> Desired:
        if self.broken:
            raise StoreUnavailable("The database is locked.")
        return Desired(tuple(self.wanted.values()), frozenset(self.banned))


class Bench:
    """Scripted servers, the model that asks them, and the reconciler that keeps them."""

    def __init__(self, stack: ExitStack, folder: Path, count: int, *, api_key: str = "", **loading: Any) -> None:
        self.stack, self.api_key, self.loading = stack, api_key, loading
        self.servers = [self.start() for _ in range(count)]
        urls = ",".join(server.url for server in self.servers)
        self.settings = Settings(model_url=urls, model="scripted", model_timeout_s=5)
        self.model = ServedModel(self.settings)
        self.held = Held(folder)
        self.reconciler = self.remake()

    @property
    def fleet(self) -> Fleet:
        return self.model.fleet

    def remake(self, **options: object) -> Reconciler:
        self.reconciler = Reconciler(self.fleet, self.held, adapters=self.held.folder, **({"every_s": 0.05} | options))  # type: ignore[arg-type]
        return self.reconciler

    def start(self, port: int = 0) -> ScriptedServer:
        words = {name: ScriptedModel([f"By {name}."]) for name in ("leave-v1", "leave-v2")}
        loading = Loading(speakers=words, **self.loading)
        made = ScriptedServer(ScriptedModel(["By the base."]), api_key=self.api_key, port=port, loading=loading)
        return self.stack.enter_context(made)

    def say(self, adapter: str = "") -> str:
        return "".join(self.model.stream(PROMPT, adapter=adapter))

    def states(self, adapter: str) -> list[State | None]:
        return [self.fleet.state(replica, adapter) for replica in self.fleet.replicas]

    def detail(self, adapter: str) -> str:
        return " ".join(s.detail for s in self.fleet.standings() if s.adapter == adapter)


Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda count=1, **loading: Bench(stack, tmp_path / "adapters", count, **loading)


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_what_is_wanted_is_loaded_on_every_server_and_warmed_up_before_it_answers(make: Make) -> None:
    bench = make(2)
    bench.held.want("leave-v1", "leave-v2")
    assert not bench.model.serves("leave-v1")
    with pytest.raises(ModelUnavailable, match="reconcile --once"):
        bench.say("leave-v1")
    assert bench.reconciler.round()
    assert bench.states("leave-v1") == bench.states("leave-v2") == ["verified", "verified"]
    assert [server.asked("leave-v1") for server in bench.servers] == [1, 1]
    assert bench.model.serves("leave-v1")
    assert (bench.say("leave-v1"), bench.say("leave-v2"), bench.say()) == (
        "By leave-v1.",
        "By leave-v2.",
        "By the base.",
    )
    told = [s for s in bench.fleet.standings() if s.adapter == "leave-v1"]
    assert all(s.load_ms and s.first_answer_ms and s.first_answer_ms >= s.load_ms for s in told)


def test_a_second_round_asks_for_nothing_that_is_there(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1")
    assert bench.reconciler.round()
    asked = len(bench.servers[0].requests)
    assert bench.reconciler.round()
    assert len(bench.servers[0].requests) == asked


def test_a_load_that_says_yes_for_a_missing_folder_gets_no_traffic(make: Make) -> None:
    bench = make(trusting=True)
    bench.held.want("leave-v1")
    (bench.held.folder / "leave-v1" / "adapter_config.json").unlink()
    assert not bench.reconciler.round()
    assert bench.states("leave-v1") == ["failed"]
    assert "status 404" in bench.detail("leave-v1")
    assert not bench.model.serves("leave-v1")
    assert bench.servers[0].adapters == {}, "what does not answer is not left there"


def test_a_folder_that_the_server_does_not_see_is_said_with_advice(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1")
    bench.remake(mounted="/somewhere/else")
    assert not bench.reconciler.round()
    assert "MODEL_ADAPTERS" in bench.detail("leave-v1")


def test_a_server_that_mounts_the_adapters_elsewhere_is_given_its_own_path(make: Make, tmp_path: Path) -> None:
    bench = make()
    bench.held.want("leave-v1")
    (tmp_path / "mounted").symlink_to(bench.held.folder)
    bench.remake(mounted=str(tmp_path / "mounted"))
    assert bench.reconciler.round()
    assert bench.servers[0].adapters == {"leave-v1": str(tmp_path / "mounted" / "leave-v1")}


def test_a_server_that_cannot_load_at_run_time_is_said_with_advice(make: Make) -> None:
    bench = make(loads=False)
    bench.held.want("leave-v1")
    assert not bench.reconciler.round()
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1" in bench.detail("leave-v1")
    assert bench.say() == "By the base."


def test_files_that_are_not_those_registered_never_reach_the_server(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1", "leave-v2")
    bench.held.spoilt.add("leave-v1")
    assert not bench.reconciler.round()
    assert list(bench.servers[0].adapters) == ["leave-v2"]
    assert "cut short" in bench.detail("leave-v1")
    assert bench.say("leave-v2") == "By leave-v2."


def test_of_two_servers_the_restarted_one_is_passed_over_and_brought_back(make: Make) -> None:
    bench = make(2)
    bench.held.want("leave-v1")
    bench.reconciler.round()
    bench.servers[0].forget()
    for _ in range(4):  # whichever is asked first, the other one answers
        assert bench.say("leave-v1") == "By leave-v1."
    assert bench.states("leave-v1") == ["missing", "verified"]
    assert bench.fleet.changed.is_set(), "somebody is told to look again"
    assert bench.reconciler.round()
    assert bench.states("leave-v1") == ["verified", "verified"]
    assert "leave-v1" in bench.servers[0].adapters


def test_a_server_that_lost_its_adapters_is_seen_without_a_request(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1")
    bench.reconciler.round()
    bench.servers[0].forget()
    assert bench.reconciler.round()
    assert "leave-v1" in bench.servers[0].adapters
    assert bench.say("leave-v1") == "By leave-v1."


def test_a_killed_server_is_passed_over_and_taken_back_when_it_comes_again(tmp_path: Path) -> None:
    with ExitStack() as stack:
        bench = Bench(stack, tmp_path / "adapters", 1)
        with ScriptedServer(ScriptedModel(["By the other base."])) as other:
            port = other.port
            urls = f"{bench.servers[0].url},{other.url}"
            bench.model = ServedModel(Settings(model_url=urls, model="scripted", model_timeout_s=5))
            bench.remake()
            bench.held.want("leave-v1")
            assert bench.reconciler.round()
        for _ in range(4):
            assert bench.say("leave-v1") == "By leave-v1."
        assert bench.states("leave-v1") == ["verified", "down"]
        assert not bench.reconciler.round()
        assert "cannot be reached" in bench.detail("leave-v1")
        bench.servers.append(bench.start(port))
        assert bench.reconciler.round()
        assert bench.states("leave-v1") == ["verified", "verified"]


def test_every_server_down_is_an_error_with_advice_and_the_base_is_still_tried(tmp_path: Path) -> None:
    with ExitStack() as stack:
        bench = Bench(stack, tmp_path / "adapters", 1)
        bench.held.want("leave-v1")
        bench.reconciler.round()
        stack.close()
        assert not bench.reconciler.round()
        assert not bench.model.serves("leave-v1")
        with pytest.raises(ModelUnavailable, match="reconcile"):
            bench.say("leave-v1")
        with pytest.raises(ModelUnavailable, match="start it"):
            bench.say()
        bench.start(bench.servers[0].port)
        assert bench.say() == "By the base.", "a person does not wait for the next round"


@pytest.mark.timed
def test_a_slow_first_answer_is_waited_for_by_the_warm_up_and_by_nobody_else(make: Make) -> None:
    bench = make(2, warm_up_s=0.4)
    bench.servers[1].loading.warm_up_s = 0.0
    bench.held.want("leave-v1")
    going = threading.Thread(target=bench.reconciler.round)
    going.start()
    until(lambda: bench.states("leave-v1")[1] == "verified")
    began = time.monotonic()
    assert bench.say("leave-v1") == "By leave-v1."
    assert time.monotonic() - began < 0.35
    assert bench.servers[0].asked("leave-v1") == 0
    going.join()
    assert bench.states("leave-v1") == ["verified", "verified"]


def test_a_warm_up_that_never_ends_is_a_failure_that_is_said(tmp_path: Path) -> None:
    with ExitStack() as stack:
        bench = Bench(stack, tmp_path / "adapters", 1, warm_up_s=2.0)
        bench.servers[0].warm.add("scripted")
        bench.model = ServedModel(Settings(model_url=bench.servers[0].url, model="scripted", model_timeout_s=0.3))
        bench.remake()
        bench.held.want("leave-v1")
        assert not bench.reconciler.round()
        assert "took more than 0.3 s" in bench.detail("leave-v1")


def test_what_is_no_longer_wanted_gets_no_request_and_is_unloaded_a_round_later(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1", "leave-v2")
    bench.reconciler.round()
    del bench.held.wanted["leave-v1"]
    bench.reconciler.round()
    assert not bench.model.serves("leave-v1")
    assert set(bench.servers[0].adapters) == {"leave-v1", "leave-v2"}, "a request may be under way"
    bench.reconciler.round()
    assert set(bench.servers[0].adapters) == {"leave-v2"}


def test_what_others_loaded_stays_but_what_may_not_serve_goes_at_once(make: Make) -> None:
    bench = make()
    bench.servers[0].adapters |= {"theirs": "/x", "erased-v1": "/y"}
    bench.held.banned.add("erased-v1")
    bench.reconciler.round()
    bench.reconciler.round()
    assert set(bench.servers[0].adapters) == {"theirs"}


def test_a_name_is_never_used_for_another_content(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1")
    bench.reconciler.round()
    bench.held.want("leave-v1", sha256="b")
    assert not bench.reconciler.round()
    assert not bench.model.serves("leave-v1")
    assert "another content" in bench.detail("leave-v1")


def test_a_load_that_fails_is_tried_again_later_and_not_in_every_round(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1")
    bench.held.spoilt.add("leave-v1")
    bench.remake(every_s=0.2)
    bench.reconciler.round()
    bench.held.spoilt.clear()
    assert not bench.reconciler.round()
    time.sleep(0.25)
    assert bench.reconciler.round()


def test_a_server_without_the_base_is_said(make: Make) -> None:
    bench = make()
    bench.model = ServedModel(bench.settings.model_copy(update={"model": "other"}))
    bench.remake()
    assert not bench.reconciler.round()
    assert "no model other" in bench.detail("other")


def test_in_the_background_a_restart_is_repaired_and_a_locked_store_changes_nothing(make: Make) -> None:
    bench = make()
    bench.held.want("leave-v1")
    bench.reconciler.start()
    try:
        until(lambda: bench.model.serves("leave-v1"))
        bench.held.broken = True
        bench.servers[0].forget()
        with pytest.raises(ModelUnavailable):
            bench.say("leave-v1")
        time.sleep(0.2)
        bench.held.broken = False
        until(lambda: bench.model.serves("leave-v1"))
        assert bench.say("leave-v1") == "By leave-v1."
    finally:
        bench.reconciler.close()
    assert not any(thread.name == "reconciler" for thread in threading.enumerate())


def test_requests_are_spread_over_the_servers(make: Make) -> None:
    bench = make(2)
    bench.held.want("leave-v1")
    bench.reconciler.round()
    first = bench.model.stream(PROMPT, adapter="leave-v1")
    next(first)
    assert bench.say("leave-v1") == "By leave-v1."
    first.close()
    assert [server.asked("leave-v1") for server in bench.servers] == [2, 2]


def test_the_key_is_asked_for_on_the_load_endpoints_too(make: Make) -> None:
    bench = make(api_key="right")
    bench.held.want("leave-v1")
    bench.reconciler.round()
    assert bench.servers[0].adapters == {}
    bench.model = ServedModel(bench.settings.model_copy(update={"model_api_key": "right"}))
    bench.remake()
    assert bench.reconciler.round()
    assert list(bench.servers[0].adapters) == ["leave-v1"]


def test_a_servers_name_in_metrics_carries_no_password() -> None:
    fleet = Fleet(Settings(model_url="http://me:secret@gpu1:8000/v1,https://gpu2/vllm/v1", model="m"))
    assert [replica.name for replica in fleet.replicas] == ["gpu1:8000", "gpu2/vllm"]
