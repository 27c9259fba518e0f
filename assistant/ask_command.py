"""The ask command: one question as a person, answered with its sources.

    python -m assistant ask "How many days of leave do I have?" --as ben.okafor
    python -m assistant ask "And in Hamburg?" --as ben.okafor --conversation ID --json

JSON fields: turn_id, answer, refused, reason, citations, adapter, evidence, timings_ms.
JSON fields of citations: n, document_id, version, title, section, quote, score.

While an assistant serves the same home folder the question goes through it, since it owns the embedded index.
Exit codes: 0 answered or refused, 2 wrong input, settings or an unknown person, 4 the database, the Qdrant server, the model
server or something else that we need is down.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from core.records import Question
from core.settings import Settings, load_settings

CITATION_FIELDS = ("n", "document_id", "version", "title", "section", "quote", "score")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ask",
        help="put one question as a person",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument(
        "--as",
        dest="person",
        required=True,
        metavar="PERSON",
        help="who asks: an id of `python -m assistant users list`",
    )
    parser.add_argument("--conversation", metavar="ID", help="go on with this conversation of that person")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from core.serving import serving

    settings = load_settings()
    server = serving(settings.home)
    if server is None:
        reply = _here(settings, args)
    else:
        body: dict[str, object] = {"messages": [{"role": "user", "content": args.question}]}
        if args.conversation:
            body["metadata"] = {"conversation_id": args.conversation}
        choice = next(iter(server.post("/v1/chat/completions", body, person=args.person)))["choices"][0]
        reply = choice["assistant"] | {"text": choice["message"]["content"]}
    line = answer_line(reply)
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n" if args.json else _readable(line, reply))
    return 4 if reply["status"] == "failed" else 0


def answer_line(reply: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of --json, from an answer's."""
    return {
        "turn_id": reply["turn_id"],
        "answer": reply["text"],
        "refused": reply["refused"],
        "reason": reply["reason"],
        "citations": [{name: citation[name] for name in CITATION_FIELDS} for citation in reply["citations"]],
        "adapter": reply["adapter"],
        "evidence": reply["evidence"],
        "timings_ms": dict(reply["timings_ms"]),
    }


def _here(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Answer in this process, which opens the store and the index for as long as it takes."""
    from dataclasses import asdict

    from assistant.bootstrap import build

    with build(settings) as assistant:
        person = assistant.people.get(args.person)
        answer = assistant.answerer.answer(Question(args.question, person, conversation_id=args.conversation))
    return asdict(answer) | {"refused": answer.refused}


def _readable(line: Mapping[str, Any], reply: Mapping[str, Any]) -> str:
    parts = [line["answer"], ""]
    if reply.get("low_evidence"):
        parts += ["The evidence for this is low: check the source.", ""]
    for citation in line["citations"]:
        where = " > ".join(filter(None, (citation["title"], citation["section"])))
        parts.append(f"[{citation['n']}] {where} (version {citation['version']})")
    if reply.get("conversation_id"):
        parts.append(f"To go on: --conversation {reply['conversation_id']}")
    return "\n".join(parts) + "\n"
