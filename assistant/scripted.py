"""A model that says what it is told: for tests and for timing everything but generation.

`ScriptedModel` stands in for an answer model; `ScriptedServer` serves one at an OpenAI-compatible address on the
loopback, so that the path through LangChain's ChatOpenAI runs for real:

    with ScriptedServer(ScriptedModel(["Five days. [1]"])) as server:
        settings = load_settings(model_url=server.url, model="scripted")

It loads adapters as vLLM does, and fails in the ways that vLLM was seen to fail in.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from assistant.prompt import Prompt
from core.errors import ModelUnavailable
from core.records import Message

Script = str | Exception | Callable[[Prompt], str]
"""What to say, what to raise, or how to make it from the prompt."""


def first_sentence(prompt: Prompt) -> str:
    """The first passage's first sentence, cited: what a ScriptedModel without a script says."""
    text = " ".join(prompt.passages[0].text.split()) if prompt.passages else ""
    return f"{text.partition('. ')[0].rstrip('.')}. [1]" if text else "Nothing. [1]"


class ScriptedModel:
    """Says the scripts in their order, the last one again and again; keeps the prompts that it got.

    Args:
        scripts: what to say to each prompt; none means `first_sentence`.
        chunk: characters per piece.
        pace_s: seconds before each piece.
        fails_after: raise ModelUnavailable after that many pieces.
        adapters: who speaks where an adapter of that name is asked for; it serves these and no others.
    """

    def __init__(
        self,
        scripts: Sequence[Script] = (),
        *,
        chunk: int = 7,
        pace_s: float = 0.0,
        fails_after: int | None = None,
        adapters: Mapping[str, ScriptedModel] | None = None,
    ) -> None:
        self.name = "scripted"
        self.adapter = self.plain = "scripted-v1"
        self.adapters = dict(adapters or {})
        self.prompts: list[Prompt] = []
        self.closed = 0
        self._scripts = deque(scripts or [first_sentence])
        self._chunk = chunk
        self._pace_s = pace_s
        self._fails_after = fails_after
        self._lock = threading.Lock()

    def serves(self, adapter: str) -> bool:
        return adapter == self.adapter or adapter in self.adapters

    def taught(self, *_: object, **__: object) -> float:
        """Nothing."""
        return 0.0

    def stream(self, prompt: Prompt, *, adapter: str = "") -> Iterator[str]:
        if adapter in self.adapters:
            yield from self.adapters[adapter].stream(prompt)
            return
        with self._lock:
            self.prompts.append(prompt)
            script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, Exception):
            raise script
        text = script if isinstance(script, str) else script(prompt)
        try:
            for number, start in enumerate(range(0, len(text), self._chunk)):
                if self._pace_s:
                    time.sleep(self._pace_s)
                if number == self._fails_after:
                    raise ModelUnavailable("The scripted model stops here, as it was told.")
                yield text[start : start + self._chunk]
        finally:
            self.closed += 1

    def ready(self) -> None:
        """It always is."""


@dataclass
class Loading:
    """How a ScriptedServer loads adapters.

    Attributes:
        speakers: what an adapter says once it is loaded; one that is not named says what the server's model says.
        trusting: say 200 to every load, and list the adapter, also where its folder is missing.
        loads: whether adapters can be loaded at run time; vLLM has to be told so.
        warm_up_s: the first answer of each model comes this much later.
    """

    speakers: Mapping[str, ScriptedModel] = field(default_factory=dict)
    trusting: bool = False
    loads: bool = True
    warm_up_s: float = 0.0


class ScriptedServer:
    """An OpenAI-compatible server on the loopback that answers from a ScriptedModel, and loads adapters as vLLM does.

    `usage` is what it tells of the tokens of each answer that it has written to its end.

    Args:
        model: what it says; a failure of the model cuts the connection, as a killed server does.
        api_key: the key that it asks for; empty for none.
        status: answer every chat request with this HTTP status instead.
        finish: the reason that a stream gives for its end; `length` where the token limit cut it.
        port: to listen on; 0 takes a free one. A server that was closed can come back at its address.
        loading: how it loads adapters.
    """

    def __init__(
        self,
        model: ScriptedModel,
        *,
        api_key: str = "",
        status: int = 200,
        finish: str = "stop",
        port: int = 0,
        loading: Loading | None = None,
    ) -> None:
        self.requests: list[dict[str, object]] = []
        self.usage = {"prompt_tokens": 1201, "completion_tokens": 34, "total_tokens": 1235}
        self.model, self.api_key, self.status, self.finish = model, api_key, status, finish
        self.loading = loading or Loading()
        self.adapters: dict[str, str] = {}
        self.warm: set[str] = set()
        self._server = _Door(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def port(self) -> int:
        return self._server.server_port

    def asked(self, name: str) -> int:
        """How many answers a model or an adapter was asked for."""
        return sum(request.get("model") == name for request in self.requests)

    def forget(self) -> None:
        """Lose every adapter, as a restart does."""
        self.adapters.clear()
        self.warm.clear()

    def speaker(self, name: str) -> ScriptedModel | None:
        """Who answers as that model; None where it is not there, or was never really loaded."""
        if name == self.model.name:
            return self.model
        if name in self.adapters and _is_adapter(self.adapters[name]):
            return self.loading.speakers.get(name, self.model)
        return None

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _is_adapter(folder: str) -> bool:
    return (Path(folder) / "adapter_config.json").is_file()


class _Door(ThreadingHTTPServer):
    """Listens for a ScriptedServer."""

    daemon_threads = True

    def __init__(self, served: ScriptedServer, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.served = served


class _Handler(BaseHTTPRequestHandler):
    server: _Door

    @property
    def served(self) -> ScriptedServer:
        return self.server.served

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests carry people's text."""

    def do_GET(self) -> None:
        cards = [{"id": self.served.model.name, "object": "model", "root": self.served.model.name, "parent": None}]
        cards += [
            {"id": name, "object": "model", "root": path, "parent": self.served.model.name}
            for name, path in list(self.served.adapters.items())
        ]
        self._reply(200, {"object": "list", "data": cards})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        act = self.path.rpartition("/")[2]
        if self.served.api_key and self.headers.get("authorization") != f"Bearer {self.served.api_key}":
            self._reply(401, _error("the key is wrong"))
        elif act in ("load_lora_adapter", "unload_lora_adapter"):
            self._reply(*_change(self.served, act, body) if self.served.loading.loads else (404, _error("Not Found")))
        else:
            self._chat(body)

    def _chat(self, body: dict[str, object]) -> None:
        self.served.requests.append(body)
        name = str(body["model"])
        speaker = self.served.speaker(name)
        if self.served.status != 200:
            self._reply(self.served.status, _error("told to refuse"))
        elif speaker is None:
            self._reply(404, _error(f"The model {name} does not exist."))
        else:
            if name not in self.served.warm:
                time.sleep(self.served.loading.warm_up_s)
                self.served.warm.add(name)
            self._write(body, name, speaker)

    def _write(self, body: dict[str, object], name: str, speaker: ScriptedModel) -> None:
        given = body["messages"]
        assert isinstance(given, list)
        messages = tuple(Message(m["role"], str(m["content"])) for m in given)
        pieces = speaker.stream(Prompt(messages[-1].content, (), (), messages))
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(pieces)}
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has given up
                self._reply(200, _completion(name, "chat.completion", {"message": message}))
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for piece in pieces:
                delta = {"delta": {"role": "assistant", "content": piece}}
                self._event(json.dumps(_completion(name, "chat.completion.chunk", delta)))
            end = {"delta": {}, "finish_reason": self.served.finish}
            self._event(json.dumps(_completion(name, "chat.completion.chunk", end)))
            if body.get("stream_options") and self.served.usage:
                last = _completion(name, "chat.completion.chunk", {}) | {"choices": [], "usage": self.served.usage}
                self._event(json.dumps(last))
            self._event("[DONE]")
        except (ModelUnavailable, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def _reply(self, status: int, body: Mapping[str, object] | str) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _change(served: ScriptedServer, act: str, body: Mapping[str, object]) -> tuple[int, Mapping[str, object] | str]:
    """Load or unload an adapter, answered as vLLM 0.32 answers."""
    name, path = str(body["lora_name"]), str(body.get("lora_path", ""))
    if act == "unload_lora_adapter":
        if served.adapters.pop(name, None) is None:
            return 404, _error(f"The lora adapter '{name}' cannot be found.")
        served.warm.discard(name)
        return 200, f"Success: LoRA adapter '{name}' removed successfully."
    if name in served.adapters:
        return 400, _error(f"The lora adapter '{name}' has already been loaded.")
    if not (served.loading.trusting or _is_adapter(path)):
        return 404, _error(f"Loading lora {name} failed: No adapter found for {path}")
    served.adapters[name] = path
    return 200, f"Success: LoRA adapter '{name}' added successfully."


def _error(message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "scripted"}}


def _completion(model: str, kind: str, choice: Mapping[str, object]) -> dict[str, object]:
    return {
        "id": "scripted-1",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": None if "delta" in choice else "stop", **choice}],
    }
