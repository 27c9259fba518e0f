"""Starts the assistant: pages and API in one process, which owns the home folder while it runs.

    python -m assistant serve                      what is there already
    python -m assistant serve --demo               with the demo organisation (what `make run` does)
    python -m assistant serve --docs FOLDER        with one's own documents (what `make run DOCS=FOLDER` does)

The first start takes the documents in and prints generated passwords once; later starts take seconds and keep
everything. Files that carry no governance metadata are quarantined, unless --govern says what holds for them.

Ctrl-C or SIGTERM stops it: no new questions, open answers have five seconds, a second Ctrl-C cuts them off at once.
Exit codes: 0 stopped, 2 wrong input or settings, or the home folder or the port is in use, 4 the database, the Qdrant server
or something else that we need is down; the message says what to do.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from assistant.console import actor
from assistant.stopping import leave, run_until_stopped, stop_by_signal
from core.errors import BadInput, Conflict, SettingsError
from core.records import CLASSIFICATIONS, ROLES, Principal
from core.serving import Serving, announced, serving
from core.settings import Settings, load_settings, setting_name
from core.workers import START, running

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant
    from core.store import Store

GRACE_SECONDS = 5
"""Open answers may finish for this long after a stop; those cut off are stored as stopped."""
DRIFT_LOOK_S = 300
"""Seconds between two looks at whether a check for drift is due; the first comes after as many, so that a start is quick."""
ADMIN = "admin"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--demo", action="store_true", help="take in the demo organisation's people and documents")
    source.add_argument("--docs", type=Path, metavar="FOLDER", help="take in this folder first")
    parser.add_argument(
        "--govern",
        metavar="KEY=VALUE,...",
        help="metadata for files of --docs without their own, "
        "as owner=me@example.com,classification=internal,allowed_groups=everyone",
    )


def run(args: argparse.Namespace) -> int:
    settings = load_settings()
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for noisy in ("httpx", "httpx2", "uvicorn.error", "alembic", "multipart"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if args.docs and not args.docs.exists():
        raise BadInput(f"{args.docs}: there is no such folder.")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _owned(settings.home, settings), closing(listening(settings)) as door:
            _serve(args, settings, door)
    except KeyboardInterrupt:
        pass  # while starting; what was stored is kept
    _say("Stopped.")
    leave(0)
    return 0


def _serve(args: argparse.Namespace, settings: Settings, door: socket.socket) -> None:
    _say("Starting …")
    from assistant.bootstrap import build

    with closing(build(settings)) as assistant:
        accounts = _people(args, assistant)
        _documents(args, assistant)
        _run_server(assistant, door, accounts + ("" if args.demo else unnamed(settings)))


def _run_server(assistant: Assistant, door: socket.socket, accounts: str) -> None:
    import uvicorn

    from assistant.web.app import create_app

    settings = assistant.settings
    here = Serving(local_url(settings), secrets.token_urlsafe(32), os.getpid())
    app = create_app(assistant, local_token=here.token)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **behind(settings),
    )
    server = uvicorn.Server(config)
    stop_by_signal(server)
    assistant.audit.append(actor(), "serve.start", here.url, settings=changed(settings))
    if assistant.reconciler:
        assistant.reconciler.start()
    with announced(settings.home, here), _looking(assistant), _checking_ahead(assistant):
        address = f"{settings.organisation}: {settings.public_url or here.url}\n{no_worker(assistant.store)}"
        _say(f"\n{accounts}\n{address}Stop with Ctrl-C.")
        try:
            run_until_stopped(server, door)
        finally:
            assistant.audit.append(actor(), "serve.stop", here.url)


def behind(settings: Settings) -> dict[str, Any]:
    """The server's options for the proxies in front: they alone may say who is calling."""
    return {"proxy_headers": bool(settings.proxies), "forwarded_allow_ips": settings.proxies}


def no_worker(store: Store) -> str:
    """That nothing will be retrained, and what to type; "" where a worker runs. It is not started here: training takes all processors."""
    return "" if running(store) else f"No worker runs, so nothing is retrained. Start one beside this: {START}\n"


@contextmanager
def _checking_ahead(assistant: Assistant) -> Iterator[None]:
    """Passages are checked for as long as the block runs, while nobody asks."""
    from assistant.checked_ahead import CheckedAhead

    with closing(CheckedAhead(assistant.answerer, assistant.catalogue)) as ahead:
        ahead.start()
        yield


@contextmanager
def _looking(assistant: Assistant) -> Iterator[None]:
    """A running canary is judged and drift is checked for as long as the block runs, where the settings say so."""
    from assistant.canary_keeper import CanaryKeeper
    from assistant.drift_keeper import DriftKeeper
    from assistant.repeated import Repeated
    from core.drift_checks import DriftChecks

    settings, looks = assistant.settings, []
    if settings.canary_every_s:
        canary = CanaryKeeper(assistant.rollouts, settings.home)
        looks.append(Repeated("canary", canary.look, every_s=settings.canary_every_s))
    if settings.drift_schedule:
        drift = DriftKeeper(DriftChecks(assistant.store), settings.home, settings.drift_schedule)
        looks.append(Repeated("drift", drift.look, every_s=DRIFT_LOOK_S))
    with ExitStack() as stack:
        for look in looks:
            look.start()
            stack.callback(look.close)
        yield


def _people(args: argparse.Namespace, assistant: Assistant) -> str:
    """Make the demo's people, or the first administrator; what to print of their accounts."""
    from assistant import demo

    if args.demo:
        return demo.told(*demo.make_people(assistant.people))
    if assistant.people.accounts():
        return ""
    from assistant.web.passwords import add_with_passwords

    first = Principal(
        person_id=ADMIN,
        name="Administrator",
        email=f"{ADMIN}@localhost",
        groups=frozenset(),
        clearance=CLASSIFICATIONS[-1],
        roles=frozenset(ROLES),
    )
    password = add_with_passwords(assistant.people, {}, [first], actor=actor())[ADMIN]
    return (
        f"Sign in as {ADMIN} with the password {password}, which is shown this once.\n"
        "More people: python -m assistant users add PERSON --name NAME --email ADDRESS --group GROUP\n"
    )


def _documents(args: argparse.Namespace, assistant: Assistant) -> None:
    """Take in the demo's documents, or the folder's: a line for each file that is new, changed or refused."""
    from assistant.demo import DOCUMENTS
    from retrieval.governance import parse_govern
    from retrieval.sources import find_sources

    folder = DOCUMENTS if args.demo else args.docs
    if folder is None:
        return
    sources, skipped = find_sources([folder])
    defaults = parse_govern(args.govern) if args.govern else None
    counts: Counter[str] = Counter()
    for number, result in enumerate(assistant.ingest.take(sources, actor=actor(), defaults=defaults), 1):
        counts[result.status] += 1
        if result.status != "unchanged":
            name = Path(result.path)
            name = name.relative_to(folder.resolve()) if name.is_relative_to(folder.resolve()) else name
            what = f"{result.document_id} v{result.version}, {result.chunks} passages"
            _say(
                f"  {number:>4}/{len(sources)}  {result.status:<11}  {name}  "
                f"{what if result.status == 'indexed' else result.reason}"
            )
    for named, path in assistant.ingest.missing([folder], actor=actor()).missing:
        _say(f"  missing: {path}: {named}: its file is gone")
    told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "none"
    _say(f"Documents in {folder}: {told}" + (f"; {skipped} files of other formats" if skipped else ""))
    if counts["quarantined"] and not args.govern and not args.demo:
        _say(
            "Quarantined files answer nobody: nothing says who may read them. Say it in a governance.yaml beside them, "
            "or for all at once:\n  make run DOCS=… GOVERN=owner=YOU@EXAMPLE,classification=internal,allowed_groups=everyone"
        )


@contextmanager
def _owned(home: Path, settings: Settings) -> Iterator[None]:
    """Hold the home folder: one process serves it."""
    with (home / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = serving(home)
            who = f"Process {other.pid} serves it at {other.url}" if other else "Another process is starting on it"
            raise Conflict(
                f"The home folder {settings.home} is in use. {who}: stop it, or set ASSISTANT_HOME to another folder."
            ) from None
        yield


def listening(settings: Settings) -> socket.socket:
    """The socket of ASSISTANT_HOST and ASSISTANT_PORT, listening: who calls from now on waits for the answer.

    Raises:
        Conflict: the port is in use. SettingsError: the address is not this machine's, or the port is reserved.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    door = socket.socket(family)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
        door.listen(2048)
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"Port {settings.port} is in use by another program: stop it, or set ASSISTANT_PORT to a free port."
            ) from None
        raise SettingsError(
            f"ASSISTANT_HOST={settings.host}, ASSISTANT_PORT={settings.port}: cannot listen there "
            f"({os.strerror(error.errno) if error.errno and error.errno > 0 else error}). Use an address of this machine "
            "and a port above 1023."
        ) from None
    return door


def local_url(settings: Settings) -> str:
    """The address at which this machine reaches the assistant."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def unnamed(settings: Settings) -> str:
    """What to set where documents of one's own are served under the demo organisation's name or mailbox; "" where both are set."""
    means = {
        "organisation": "the name on the pages",
        "support_contact": "whom refusals name; its mail domain counts as your own, others' addresses are masked in answers",
    }
    lines = [f"  {setting_name(name)}: {why}\n" for name, why in means.items() if name not in settings.model_fields_set]
    return "".join(["Still the demo organisation's, until you set them:\n", *lines]) if lines else ""


def changed(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults, secrets hidden: what the audit log keeps of a start."""
    from assistant.settings_command import shown

    plain = Settings.model_construct()
    return {name: text for name, text in shown(settings).items() if getattr(settings, name) != getattr(plain, name)}


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
