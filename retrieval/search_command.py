"""The search command: what a person would be answered from, with scores.

    python -m retrieval search "How much leave do I get?" --as ben.okafor --limit 5 --mode hybrid
    python -m retrieval search leave --as ben.okafor --filter department=HR --json

JSON fields: rank, document_id, version, title, section, page, score, classification, owner, text.
An error is one JSON object with --json: error, message.

While an assistant serves the same home folder the search goes through it, since it owns the embedded index.
Exit codes: 0 done (also when nothing was found), 2 wrong input, settings or an unknown person, 4 the database, the Qdrant server
or something else that we need is down.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from core.errors import BadInput
from core.records import Passage
from core.settings import Settings, load_settings
from retrieval.access import FILTERABLE, parse_filters

MODES = ("dense", "sparse", "hybrid", "rerank")
FIELDS = (
    "rank",
    "document_id",
    "version",
    "title",
    "section",
    "page",
    "score",
    "classification",
    "owner",
    "text",
)
"""The fields of a line of --json."""
WAIT_S = 5.0
"""How long a search waits for another short command that has the embedded index open."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "search",
        help="show the passages that a person would be answered from",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("query", metavar="QUERY")
    parser.add_argument("--as", dest="person", required=True, metavar="PERSON", help="whose rules apply: a person's id")
    parser.add_argument("--limit", type=int, default=8, metavar="N")
    parser.add_argument("--mode", choices=MODES, default="hybrid")
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"narrow the search, may be repeated; keys: {', '.join(FILTERABLE)}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a passage, best first")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from core.serving import serving

    if not args.query.strip():
        raise BadInput("Type what to search for.")
    settings = load_settings()
    filters = parse_filters(args.filter)
    server = serving(settings.home)
    if server is None:
        rows = _here(settings, args, filters)
    else:
        body = {"query": args.query, "limit": args.limit, "mode": args.mode, "filters": filters}
        rows = server.post("/documents/search", body, person=args.person)
    count = 0
    for row in rows:
        count += 1
        shown = {field: row[field] for field in FIELDS}
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n" if args.json else _readable(shown))
    if not count and not args.json:
        sys.stdout.write("Nothing found that this person may read.\n")
    return 0


def result_row(rank: int, passage: Passage) -> dict[str, Any]:
    """One passage as the command prints it and the API sends it."""
    values = {field: getattr(passage, field) for field in FIELDS if field != "rank"}
    return {"rank": rank, **values, "score": round(passage.score, 6)}


def _here(settings: Settings, args: argparse.Namespace, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Search in this process, which opens the store and the index for as long as it takes."""
    from core.audit import Audit
    from core.people import People
    from core.store import Store
    from retrieval.catalogue import Catalogue
    from retrieval.embed import open_embedder
    from retrieval.index import open_index
    from retrieval.indexing import Indexing
    from retrieval.rerank import open_reranker
    from retrieval.retriever import Retriever

    with ExitStack() as stack:
        store = stack.enter_context(Store(settings.store_url))
        audit = Audit(store, settings.home)
        person = People(store, audit).get(args.person)
        embedder = open_embedder(settings)
        index = open_index(settings, embedder.dimension, model=embedder.name, wait_s=WAIT_S)
        stack.callback(index.close)
        catalogue = Catalogue(store, audit)
        # After a restore or a crash the index lacks what the catalogue holds: nothing found must mean nothing there.
        Indexing(catalogue, index, embedder).fill()
        reranker = open_reranker(settings) if args.mode == "rerank" else None
        retriever = Retriever(index, embedder, catalogue, reranker)
        found = retriever.retrieve(args.query, person, limit=args.limit, mode=args.mode, filters=filters)
    yield from (result_row(rank, passage) for rank, passage in enumerate(found.passages, 1))


def _readable(row: Mapping[str, Any]) -> str:
    width = min(shutil.get_terminal_size().columns, 120)
    place = f", page {row['page']}" if row["page"] else ""
    head = f"{row['rank']:>2}. {row['title']} ({row['document_id']} v{row['version']}, {row['classification']}{place})"
    section = f"    {row['section']}\n" if row["section"] else ""
    text = textwrap.shorten(row["text"], 3 * (width - 4), placeholder=" …")
    body = textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    ")
    return f"{head}  score {row['score']:.3f}, owner {row['owner']}\n{section}{body}\n\n"
