"""The main job as a new user types it, inside a guarded network: serve, sign in, read the pages, ask, search, restart with a served model.

python main_job.py HOME        prints one JSON object; test_nothing_phones_home.py runs it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai

from tests.phone_home.space import raise_loopback, without_route

PERSON = "ben.okafor"
QUESTION = "How long does a VPN session last?"
ADDRESS = re.compile(
    r"""(?:(?:src|href|action|poster|data-src)\s*=\s*["']?|url\(\s*["']?|@import\s+["'])(?:https?:)?//([^/"'\s)>:]+)""",
    re.I,
)
LINKED = re.compile(
    r"""(?:src|href)\s*=\s*["']([^"'#]+\.(?:css|js|woff2?|svg|ico|json|webmanifest)(?:\?[^"']*)?)["']"""
)


def main(home: Path) -> dict[str, object]:
    door = socket.create_server(("127.0.0.1", 0))
    port = door.getsockname()[1]
    door.close()
    os.environ |= {"ASSISTANT_HOME": str(home), "ASSISTANT_PORT": str(port)}
    base = f"http://127.0.0.1:{port}"
    told: dict[str, object] = {}
    people = [json.loads(line) for line in command("demo", "--json").splitlines()]
    password = next(who["password"] for who in people if who["person_id"] == PERSON)
    with served(base):
        told["hosts"] = pages(base, PERSON, password)
        told["answer"] = ask_by_api(base)
        told["searched"] = json.loads(run("retrieval", "search", QUESTION, "--as", PERSON, "--json").splitlines()[0])[
            "rank"
        ]
    told["alone"] = json.loads(command("ask", QUESTION, "--as", PERSON, "--json"))["answer"]
    told["served"] = ask_served_model()
    return told


@contextmanager
def served(base: str) -> Iterator[None]:
    """`python -m assistant serve` until it answers; stopped as a service manager stops it."""
    log = Path(os.environ["ASSISTANT_HOME"] + ".log")
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "assistant", "serve", "--demo"],
            stdout=out,
            stderr=out,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        for _ in range(1200):
            if process.poll() is not None or answers(base):
                break
            time.sleep(0.25)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def pages(base: str, name: str, password: str) -> list[str]:
    """Foreign hosts that a browser would fetch from for the pages and their styles, or that their policy lets it reach.

    Links to click, and addresses in meta tags for other sites' previews, are fetched by no browser.
    """
    hosts: set[str] = set()
    with httpx.Client(base_url=base, follow_redirects=True, timeout=60) as browser:
        bodies = [browser.get("/sign-in").text]
        browser.post("/sign-in", data={"name": name, "password": password}, headers={"origin": base}).raise_for_status()
        for path in ("/", "/library", "/library/", "/config", "/theme.css", "/password"):
            got = browser.get(path)
            bodies.append(got.text)
            policy = got.headers["content-security-policy"]
            assert re.match(r"default-src '(?:self|none)'", policy), policy
            hosts |= set(re.findall(r"(?:https?|wss?):|[\w*-]+\.[\w.]+", policy))
        assert "gradio" in bodies[1].lower()
        for address in {found for body in bodies for found in LINKED.findall(body)}:
            if not address.startswith(("http:", "https:", "//")):
                got = browser.get(address)
                if got.headers.get("content-type", "").startswith("text/css"):
                    bodies.append(got.text)
        hosts |= {host.lower() for body in bodies for host in ADDRESS.findall(re.sub(r"<a\s[^>]*>", "", body))}
    return sorted(host for host in hosts if not host.startswith(("127.0.0.1", "localhost", "www.w3.org")))


def ask_by_api(base: str) -> str:
    key = json.loads(command("keys", "add", PERSON, "--scope", "chat", "--json"))["key"]
    client = openai.OpenAI(base_url=f"{base}/v1", api_key=key)
    messages = [{"role": "user", "content": QUESTION}]
    streamed = client.chat.completions.create(model="assistant", messages=messages, stream=True)  # type: ignore[call-overload]
    return "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)


def ask_served_model() -> str:
    """The same question through LangChain's ChatOpenAI, against a server on the loopback."""
    from assistant.scripted import ScriptedModel, ScriptedServer

    with ScriptedServer(ScriptedModel(["A VPN session lasts a while. [1]"])) as server:
        os.environ |= {"MODEL_URL": server.url, "MODEL": "scripted"}
        line = json.loads(command("ask", QUESTION, "--as", PERSON, "--json"))
        assert server.requests, "the served model was not asked"
    return str(line["adapter"])


def command(*args: str) -> str:
    return run("assistant", *args)


def run(module: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{module} {args[0]}: {done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    alone = os.environ.get("PHONE_HOME_ALONE") == "1"
    if alone:
        raise_loopback()
    result = main(Path(sys.argv[1]))
    print(json.dumps(result | {"without_route": without_route() if alone else 0}))
