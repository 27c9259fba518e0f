"""The model servers behind MODEL_URL, and what each of them was seen to hold: in memory, for routing, metrics and status.

Nothing here decides what they should hold: that is `assistant/reconciler.py`. A request goes to a server that was seen to
answer by the adapter that it wants (`Fleet.route`); one that turns out not to is noted (`Fleet.note`) and looked at at once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from core.errors import ModelUnavailable
from core.settings import Settings
from core.turns import now

READY_S = 3.0
"""A listing is cheap: a server that takes longer is not well."""
State = Literal["verified", "loading", "missing", "failed", "down"]
"""verified: it answered by that adapter. missing: it has lost it. failed: it could not be loaded. down: the server is silent."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one server was last seen to do about one adapter.

    Attributes:
        detail: why it is not verified, and what to do.
        load_ms: how long the load took; None where it was there already.
        first_answer_ms: from the start of the load, or of the check, to the end of the warm-up request.
    """

    replica: str
    adapter: str
    state: State
    detail: str = ""
    since: str = ""
    load_ms: float | None = None
    first_answer_ms: float | None = None

    def row(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that a server lists: where it was loaded from, and whether it is an adapter."""

    root: str
    is_adapter: bool


class Replica:
    """One OpenAI-compatible server. Each call is its own connection: a server that was restarted is met afresh."""

    def __init__(self, url: str, api_key: str, timeout_s: float) -> None:
        self.url = url
        self.name = _shown(url)
        self._headers = {"authorization": f"Bearer {api_key or 'none'}"}
        self._timeout_s = timeout_s

    def listed(self) -> Mapping[str, Listed]:
        """The models and adapters that it lists. Raises ModelUnavailable."""
        answer = self._ask("GET", "models", None, READY_S)
        data = answer.get("data")
        if not isinstance(data, list):
            raise ModelUnavailable(f"{self.name} lists no models: MODEL_URL usually ends in /v1.")
        return {str(card.get("id")): Listed(str(card.get("root") or ""), bool(card.get("parent"))) for card in data}

    def load(self, adapter: str, folder: str) -> None:
        """Ask it to load an adapter. That it says yes proves nothing: `warm_up` does. Raises ModelUnavailable."""
        self._ask("POST", "load_lora_adapter", {"lora_name": adapter, "lora_path": folder}, self._timeout_s)

    def unload(self, adapter: str) -> None:
        """Raises ModelUnavailable."""
        self._ask("POST", "unload_lora_adapter", {"lora_name": adapter}, self._timeout_s)

    def warm_up(self, adapter: str) -> None:
        """One token by that adapter: the first answer is slow, and shows that it is there. Raises ModelUnavailable."""
        body = {"model": adapter, "messages": [{"role": "user", "content": "Ready?"}], "max_tokens": 1}
        answer = self._ask("POST", "chat/completions", body, self._timeout_s)
        if answer.get("model") != adapter or not answer.get("choices"):
            raise ModelUnavailable(f"{self.name} does not answer by {adapter}, though it says that it holds it.")

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float) -> dict[str, Any]:
        import httpx2

        try:
            with httpx2.Client(trust_env=False, timeout=timeout_s, headers=self._headers) as client:
                answer = client.request(method, f"{self.url}/{path}", json=body)
        except httpx2.TimeoutException:
            raise ModelUnavailable(f"{self.name} took more than {timeout_s:g} s for {path}: see its log.") from None
        except httpx2.HTTPError as error:
            raise ModelUnavailable(
                f"{self.name} cannot be reached ({type(error).__name__}): start it, or correct MODEL_URL."
            ) from None
        if answer.status_code != 200:
            raise ModelUnavailable(
                f"{self.name} answered {path} with status {answer.status_code}: {_advice(path, answer.status_code)}."
            )
        try:
            read = answer.json()
        except ValueError:  # a load is answered in words
            return {}
        return read if isinstance(read, dict) else {}


class Fleet:
    """The replicas and their standings. Safe to use from several threads.

    Args:
        settings: model_url names the replicas; model is the base, which every one of them serves.
    """

    def __init__(self, settings: Settings) -> None:
        self.base = settings.model
        self.replicas = tuple(
            Replica(url, settings.model_api_key, settings.model_timeout_s) for url in settings.model_urls
        )
        self.changed = threading.Event()
        """Set when a request met a server that is not as it was seen: somebody should look again."""
        self._standings: dict[tuple[str, str], Standing] = {}
        self._busy: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(
        self,
        replica: Replica,
        adapter: str,
        state: State,
        detail: str = "",
        *,
        load_ms: float | None = None,
        first_answer_ms: float | None = None,
    ) -> None:
        """Keep what a server was seen to do."""
        key = (replica.name, adapter)
        with self._lock:
            before = self._standings.get(key)
            same = before is not None and before.state == state
            self._standings[key] = Standing(
                replica=replica.name,
                adapter=adapter,
                state=state,
                detail=detail,
                since=before.since if before and same else now().isoformat(timespec="seconds"),
                load_ms=load_ms if load_ms is not None or not before else before.load_ms,
                first_answer_ms=first_answer_ms
                if first_answer_ms is not None or not before
                else before.first_answer_ms,
            )

    def missed(self, replica: Replica, adapter: str) -> None:
        """A request found the adapter gone: no more of them until it was seen again."""
        self.note(
            replica, adapter, "missing", "a request found it gone: the server was restarted, or somebody unloaded it"
        )
        self.changed.set()

    def silent(self, replica: Replica, detail: str) -> None:
        """The server does not answer: nothing on it is verified any longer."""
        with self._lock:
            held = [adapter for name, adapter in self._standings if name == replica.name]
        for adapter in {*held, self.base}:
            self.note(replica, adapter, "down", detail)
        self.changed.set()

    def forget(self, replica: Replica, adapter: str) -> None:
        """It is no longer wanted there."""
        with self._lock:
            self._standings.pop((replica.name, adapter), None)

    def state(self, replica: Replica, adapter: str) -> State | None:
        with self._lock:
            found = self._standings.get((replica.name, adapter))
        return found.state if found else None

    def serves(self, adapter: str) -> bool:
        """Whether some server was seen to answer by that adapter and not seen to fail since."""
        with self._lock:
            return any(s.adapter == adapter and s.state == "verified" for s in self._standings.values())

    def route(self, adapter: str) -> list[Replica]:
        """The servers to ask for that adapter: the least busy first, of equals the one that was asked least.

        An adapter needs one that was seen to answer by it. The base, which every server is started with, may also be asked where
        nobody has looked yet, and as a last hope where it was silent: a person waits.
        """
        ranks = {"verified": 0, None: 1, "loading": 1, "missing": 2, "failed": 2, "down": 3}
        with self._lock:
            found = []
            for place, replica in enumerate(self.replicas):
                standing = self._standings.get((replica.name, adapter))
                rank = ranks[standing.state if standing else None]
                if rank == 0 or adapter == self.base:
                    found.append((rank, self._busy[replica.name], self._asked[replica.name], place, replica))
        return [replica for *_, replica in sorted(found, key=lambda one: one[:4])]

    @contextmanager
    def asking(self, replica: Replica) -> Iterator[None]:
        """Counts a request as under way, so that the next one goes elsewhere."""
        with self._lock:
            self._busy[replica.name] += 1
            self._asked[replica.name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[replica.name] -= 1

    def standings(self) -> list[Standing]:
        """Every server and adapter, in a steady order."""
        with self._lock:
            return [self._standings[key] for key in sorted(self._standings)]


def _shown(url: str) -> str:
    """A server as logs and metrics name it: without a name and password in its address."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path.removesuffix('/v1')}"


def _advice(path: str, status: int) -> str:
    if status in (401, 403):
        return "correct MODEL_API_KEY"
    if path == "load_lora_adapter" and status == 404:
        return (
            "it does not see the adapter's folder (MODEL_ADAPTERS says where it is mounted), or it was started without "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and --enable-lora"
        )
    if path == "load_lora_adapter":
        return "see its log; the adapter's rank may be above --max-lora-rank, or its base another one"
    return "see its log"
