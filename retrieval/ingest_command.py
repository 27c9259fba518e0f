"""The ingest command: files and folders into the index, with a progress bar, or JSON lines.

    python -m retrieval ingest handbook/ --govern owner=me@example.com,classification=internal,allowed_groups=everyone
    python -m retrieval ingest policies/ report.pdf --json
    python -m retrieval ingest policies/ --retire-missing

JSON fields: path, document_id, version, status, chunks, reason, seconds.
JSON fields of the last line: summary, files, indexed, quarantined, failed, missing, retired, seconds.
Status is one of indexed, unchanged, duplicate, quarantined, failed. What is quarantined answers nobody: its reason says why.
Missing counts documents that are not retired though their files are gone from the folders; --retire-missing retires them.
An error that ends the run is one JSON object with --json: error, message.

While an assistant serves the same home folder the files go through it, since it owns the embedded index.
Exit codes: 0 done (look at quarantined and missing: files in quarantine are no failures), 1 some files failed, 2 wrong input or settings, 4 the database, the Qdrant server or something else that we
need is down, 130 interrupted. What was reported is stored: run the command again for the rest.
"""

from __future__ import annotations

import argparse
import getpass
import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.audit import Audit
from core.settings import Settings, load_settings
from retrieval.embed import Embedder, Vectors, open_embedder
from retrieval.governance import parse_govern, read_defaults
from retrieval.ingest import Ingest, IngestResult, Missing
from retrieval.originals import Originals
from retrieval.sources import Scan, Source, find_sources


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ingest",
        help="take files and folders into the catalogue and the index",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all below it")
    parser.add_argument("--json", action="store_true", help="one JSON object a file, and a summary as the last line")
    parser.add_argument(
        "--govern",
        action="append",
        default=[],
        metavar="KEY=VALUE,...",
        help="metadata for files that have none of their own; needs owner, classification and allowed_groups",
    )
    parser.add_argument(
        "--retire-missing", action="store_true", help="retire documents whose files are gone from the folders named"
    )
    parser.add_argument("--defaults", type=Path, metavar="FILE", help="the same, from a YAML file")


def run(args: argparse.Namespace, *, open_scan: Callable[[Settings, Audit], Scan]) -> int:
    """Run the command; returns its exit code. `open_scan` gives what counts personal data (see retrieval/__main__.py)."""
    from core.serving import serving

    settings = load_settings()
    started = time.perf_counter()
    sources, skipped = find_sources(args.paths)
    defaults = _defaults(args)
    actor = f"cli:{getpass.getuser()}"
    server = serving(settings.home)
    if server is None:
        results = _here(settings, sources, args, actor=actor, defaults=defaults, open_scan=open_scan)
    else:
        paths = [str(path.resolve()) for path in args.paths]
        missing = "retire" if args.retire_missing else "count"
        body = {"paths": paths, "defaults": defaults, "actor": actor, "missing": missing}
        results = _received(server.post("/documents/ingest", body))
    counts, gone = _report(results, total=len(sources), as_json=args.json)
    seconds = round(time.perf_counter() - started, 3)
    if args.json:
        summary = {
            "files": counts.total(),
            "indexed": counts["indexed"],
            "quarantined": counts["quarantined"],
            "failed": counts["failed"],
            "missing": 0 if gone.retired else len(gone.missing),
            "retired": len(gone.missing) if gone.retired else 0,
            "seconds": seconds,
        }
        _print({"summary": True, **summary})
    else:
        sys.stdout.write(_told(gone, args.paths))
        said = ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing to do"
        left = f"; {skipped} files of other formats skipped" if skipped else ""
        sys.stdout.write(f"{counts.total()} files: {said}{left}, in {seconds:.1f} s\n")
    return 1 if counts["failed"] else 0


def _defaults(args: argparse.Namespace) -> dict[str, object] | None:
    values = read_defaults(args.defaults) if args.defaults else {}
    for text in args.govern:
        values |= parse_govern(text)
    return values or None


def _here(
    settings: Settings,
    sources: Sequence[Source],
    args: argparse.Namespace,
    *,
    actor: str,
    defaults: Mapping[str, object] | None,
    open_scan: Callable[[Settings, Audit], Scan],
) -> Iterator[IngestResult | Missing]:
    """Ingest in this process, which opens the store and the index for as long as it takes."""
    from core.people import People
    from core.store import Store
    from retrieval.catalogue import Catalogue
    from retrieval.index import open_index

    with ExitStack() as stack:
        store = stack.enter_context(Store(settings.store_url))
        audit = Audit(store, settings.home)
        embedder: Embedder = open_embedder(settings) if settings.embedder else LateEmbedder(settings)
        index = open_index(settings, embedder.dimension, model=embedder.name)
        stack.callback(index.close)
        ingest = Ingest(
            Catalogue(store, audit),
            index,
            embedder,
            files=Originals(settings.files, max_bytes=settings.max_upload_mb * 2**20),
            scan=open_scan(settings, audit),
            known_groups=People(store, audit).groups,
        )
        ingest.recover()
        yield from ingest.take(sources, actor=actor, defaults=defaults)
        yield ingest.missing(args.paths, actor=actor, retire=args.retire_missing)


def _received(lines: Iterator[dict[str, Any]]) -> Iterator[IngestResult | Missing]:
    """What the serving process sends."""
    for line in lines:
        if "path" in line:
            yield IngestResult(**line)
        elif "missing" in line:
            yield Missing([(named, path) for named, path in line["missing"]], bool(line["retired"]))


class LateEmbedder:
    """The packaged model, loaded when the first text comes: a run that finds nothing new does not wait for it."""

    dimension = 384
    name = "all-MiniLM-L6-v2"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._embedder: Embedder | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        if self._embedder is None:
            self._embedder = open_embedder(self._settings)
        return self._embedder.encode(texts)


def _report(results: Iterator[IngestResult | Missing], *, total: int, as_json: bool) -> tuple[Counter[str], Missing]:
    """Show each result as it comes; returns how many there were of each status, and what is missing."""
    from tqdm import tqdm

    counts: Counter[str] = Counter()
    gone = Missing()
    with tqdm(total=total, unit="file", disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
        for result in results:
            if isinstance(result, Missing):
                gone = result
                continue
            counts[result.status] += 1
            bar.update()
            bar.set_postfix(counts, refresh=False)
            if as_json:
                _print(asdict(result))
            elif result.reason and result.status != "unchanged":
                with bar.external_write_mode(file=sys.stdout):
                    sys.stdout.write(f"{result.status}: {result.path}: {result.reason}\n")
    return counts, gone


def _told(gone: Missing, paths: Sequence[Path]) -> str:
    """The documents whose files are gone, and the command that retires them."""
    shown = "".join(
        f"{'retired' if gone.retired else 'missing'}: {path}: {named}: its file is gone\n"
        for named, path in gone.missing
    )
    if not gone.missing or gone.retired:
        return shown
    folders = " ".join(shlex.quote(str(path)) for path in paths if path.is_dir())
    return f"{shown}To retire what is missing: python -m retrieval ingest {folders} --retire-missing\n"


def _print(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, ensure_ascii=False) + "\n")
    sys.stdout.flush()
