"""How a command finds the process that serves the same home folder, and asks it to do what only it can do.

That process owns the embedded index. It leaves `serve.json` (address, token, process id, readable by its owner only) in
the home folder; a command that needs the index calls it, or opens the index itself where `serving` finds nobody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import errors
from core.errors import AssistantError, Unavailable

FILE = "serve.json"


@dataclass(frozen=True, slots=True)
class Serving:
    """A running assistant. `token` proves to it that the caller may read the home folder."""

    url: str
    token: str
    pid: int

    def post(self, path: str, body: Mapping[str, object], *, person: str = "") -> Iterator[dict[str, Any]]:
        """The JSON lines that it answers with, as they come. `person` is whom the caller asks for.

        Raises:
            AssistantError: the error that it met, of the same class as over there.
        """
        import httpx2

        headers = {"authorization": f"Bearer local_{self.token}"} | ({"x-as-person": person} if person else {})
        try:
            with httpx2.Client(base_url=self.url, timeout=httpx2.Timeout(10, read=None), trust_env=False) as client:
                with client.stream("POST", path, json=dict(body), headers=headers) as response:
                    for line in response.iter_lines():
                        if line.strip():
                            yield _checked(json.loads(line))
        except httpx2.HTTPError as error:
            raise Unavailable(
                f"The assistant at {self.url} (process {self.pid}) broke off the call ({type(error).__name__}): "
                "what was reported is stored. Look at its log, then try again."
            ) from None


def serving(home: Path) -> Serving | None:
    """The process that serves this home folder now, or None."""
    try:
        data = json.loads((home / FILE).read_text())
        found = Serving(str(data["url"]), str(data["token"]), int(data["pid"]))
        os.kill(found.pid, 0)
    except PermissionError:
        raise Unavailable(f"{home / FILE} belongs to another user: run the command as the one who serves.") from None
    except (OSError, ValueError, KeyError, TypeError):  # none, left over by a crash, or half written
        return None
    return found


@contextmanager
def announced(home: Path, here: Serving) -> Iterator[None]:
    """Leave the file for as long as the block runs."""
    target, temporary = home / FILE, home / f"{FILE}.{here.pid}.tmp"
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        json.dump(asdict(here), file)
    temporary.replace(target)
    try:
        yield
    finally:
        target.unlink(missing_ok=True)


def _checked(line: dict[str, Any]) -> dict[str, Any]:
    error = line.get("error")
    if not isinstance(error, dict):
        return line
    kinds = {
        kind().code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, AssistantError)
    }
    raise kinds.get(str(error.get("code")), AssistantError)(str(error.get("message")))
