"""The import command: a company's own questions, or a public set, as a suite that the other commands take.

    python -m eval import squad dev-v2.0.json --into suites/squad --owner me@example.com --limit 500
    python -m eval import beir --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/test.tsv --into suites/scifact --owner me@example.com
    python -m eval import csv questions.csv --documents handbook/ --people people.yaml --into suites/ours --owner me@example.com

squad and beir write the texts as documents that everyone may read, with one person who asks. csv takes your documents and
people; its columns are a case's fields (docs/writing-cases.md): question is needed; id, person, kind, language,
department, tags, turns, acceptable, must_include, must_not_include, cite, about, expect, group and form are as in a file of
cases, several values separated by ";" (alternatives within must_include by "/"); document and quote are the evidence. The
suite folder is written whole or not at all.

JSON fields: suite, cases, skipped (by reason), documents.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from core.errors import BadInput
from core.people import read_people_file
from core.suites import SUITE_FILE
from eval.case_command import write_pins
from eval.casefile import CASE_KEYS, Fields, Item, Reading
from eval.cases import LANGUAGES, load_suite
from eval.library import Library
from eval.quotes import holds
from retrieval.collection import read_collection
from retrieval.convert import convert

PERSON: Final = "imported.reader"
COLUMNS: Final = (*(key for key in CASE_KEYS if key != "evidence"), "document", "quote")
LISTS: Final = frozenset(["tags", "turns", "acceptable", "must_not_include", "cite", "about", "form"])
_NAME = re.compile(r"[^a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")

Row = dict[str, Any]


@dataclass(slots=True)
class Imported:
    """What an import found. Documents are texts by file name; without any, `folders` are the documents of the cases."""

    cases: list[Row] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "import",
        help="make a suite of SQuAD, BEIR or CSV files",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")
    squad = formats.add_parser("squad", help="SQuAD 1.1 or 2.0, JSON")
    squad.add_argument("file", type=Path, metavar="FILE")
    beir = formats.add_parser("beir", help="a judged collection: only which document is cited is judged")
    for name in ("corpus", "queries", "qrels"):
        beir.add_argument(f"--{name}", type=Path, required=True, metavar="FILE")
    table = formats.add_parser("csv", help="one question a line, with a header")
    table.add_argument("file", type=Path, metavar="FILE")
    table.add_argument("--documents", type=Path, required=True, metavar="FOLDER")
    table.add_argument("--people", type=Path, required=True, metavar="PEOPLE.yaml")
    table.add_argument("--person", default="", metavar="ID", help="who asks where a line does not say")
    for one in (squad, beir, table):
        one.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="the suite folder to make")
        one.add_argument("--owner", required=True, metavar="EMAIL", help="who answers for the cases")
        one.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N questions")
        one.add_argument("--json", action="store_true", help="one JSON object")
        if one is not table:
            one.add_argument("--language", choices=LANGUAGES, default="en")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if args.into.exists() and (not args.into.is_dir() or any(args.into.iterdir())):
        raise BadInput(f"--into: {args.into} is there already: name a new folder, or remove it first.")
    if args.limit < 0:
        raise BadInput("--limit: give a whole number of questions, 1 or more.")
    if args.format == "csv":
        rows = read_csv(args.file, args.documents, args.people, person=args.person, owner=args.owner)
        found = Imported(rows[: args.limit or None])
        top = {"documents": [str(args.documents.resolve())], "people": str(args.people.resolve())}
    else:
        found = read_squad(args.file, args.limit) if args.format == "squad" else _beir(args)
        found.cases = [{**case, "person": PERSON, "language": args.language} for case in found.cases]
        top = {"documents": ["documents"], "people": "people.yaml"}
    if not found.cases:
        raise BadInput(f"No question was left to import{_told(found.skipped)}.")
    write_suite(args.into, found, {**top, "owner": args.owner}, language=getattr(args, "language", "en"))
    counts = {"cases": len(found.cases), "skipped": dict(found.skipped), "documents": len(found.documents)}
    if args.json:
        sys.stdout.write(json.dumps({"suite": str(args.into), **counts}) + "\n")
    else:
        sys.stdout.write(
            f"{args.into}: {len(found.cases)} cases{_told(found.skipped)}. Look through them before you rely on a figure.\n"
        )
    return 0


def read_squad(path: Path, limit: int = 0) -> Imported:
    """The answerable and unanswerable questions of a SQuAD file, each article one document.

    A question that stands there twice, or whose answer is not in its paragraph, is skipped and counted.

    Raises:
        BadInput: not that form; names the place.
    """
    articles = _place(_json(path), "data", list, str(path))
    found, asked = Imported(), set[str]()
    for number, article in enumerate(articles):
        where = f"{path}: data[{number}]"
        paragraphs = _place(article, "paragraphs", list, where)
        title = str(article.get("title") or f"Article {number + 1}").replace("_", " ")
        name = _file_name(title, found.documents)
        kept: list[str] = []
        for at, paragraph in enumerate(paragraphs):
            place = f"{where}.paragraphs[{at}]"
            context = " ".join(_place(paragraph, "context", str, place).split())
            questions = _place(paragraph, "qas", list, place)
            for spot, entry in enumerate(questions):
                if limit and len(found.cases) >= limit:
                    break
                if row := _squad_case(entry, context, name, f"{place}.qas[{spot}]"):
                    _keep(row, found, asked)
                else:
                    found.skipped["its answer is not in its paragraph"] += 1
            kept.append(context)
        if any(name in (*case.get("cite", ()), *case.get("about", ())) for case in found.cases):
            found.documents[name], found.titles[name] = "\n\n".join(kept) + "\n", title
        if limit and len(found.cases) >= limit:
            break
    return _founded(found)


def _squad_case(entry: Any, context: str, name: str, where: str) -> Row | None:
    """None where the answer does not stand in the paragraph."""
    question = " ".join(_place(entry, "question", str, where).split())
    row: Row = {"id": str(entry.get("id", "")), "question": question}
    if entry.get("is_impossible") is True:
        return {**row, "kind": "unanswerable", "about": [name]}
    answers = _place(entry, "answers", list, where)
    said = [" ".join(_place(one, "text", str, f"{where}.answers[{n}]").split()) for n, one in enumerate(answers)]
    said = [text for text in dict.fromkeys(said) if text]
    first = next((text for text in said if text in context), None)
    if first is None:
        return None
    return {
        **row,
        "kind": "answerable",
        "acceptable": said,
        "evidence": {name: _sentence(context, first)},
        "cite": [name],
    }


def _keep(row: Row, found: Imported, asked: set[str]) -> None:
    """Add a case under an id of its own; a question that was asked before is skipped."""
    key = row["question"].lower()
    if not key:
        found.skipped["the question is empty"] += 1
    elif key in asked:
        found.skipped["asked already"] += 1
    else:
        asked.add(key)
        taken = len(found.cases) + 1
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", str(row["id"]))[:80].strip("-")
        found.cases.append({**row, "id": f"{slug}-{taken}" if slug else f"question-{taken}"})


def _founded(found: Imported) -> Imported:
    """Without the cases whose evidence the assistant's own reading of the document does not hold."""
    texts = {name: convert(text.encode(), name).text for name, text in found.documents.items()}
    kept = [c for c in found.cases if all(holds(texts[n], q) for n, q in c.get("evidence", {}).items())]
    if lost := len(found.cases) - len(kept):
        found.skipped["its evidence reads otherwise in the document"] += lost
    found.cases = kept
    return found


def _beir(args: argparse.Namespace) -> Imported:
    return read_beir(args.corpus, args.queries, args.qrels, args.limit)


def read_beir(corpus: Path, queries: Path, qrels: Path, limit: int = 0) -> Imported:
    """The judged queries of a collection: a case passes where a relevant document is cited.

    Raises:
        BadInput: a file is missing or a line cannot be read; names file and line.
    """
    collection = read_collection(corpus, queries, qrels)
    found, asked, names = Imported(), set[str](), dict[str, str]()
    for document in collection.documents:
        name = names[document.document_id] = _file_name(document.title or document.document_id, found.documents)
        found.documents[name] = f"{document.text.strip() or document.title}\n"
        found.titles[name] = document.title or document.document_id
    for query, grades in collection.judged.items():
        if limit and len(found.cases) >= limit:
            break
        relevant = [names[one] for one, grade in grades.items() if grade > 0 and one in names]
        if not relevant:
            found.skipped["its documents are not in the corpus"] += 1
            continue
        question = " ".join(collection.queries[query].split())
        _keep(
            {"id": query, "kind": "answerable", "question": question, "cite": relevant, "tags": ["citation-only"]},
            found,
            asked,
        )
    return found


def read_csv(path: Path, documents: Path, people: Path, *, person: str, owner: str) -> list[Row]:
    """The cases of a CSV file with a header, checked against documents and people.

    Raises:
        BadInput: every problem, one a line, with file, line and column.
    """
    if not documents.is_dir():
        raise BadInput(f"--documents: {documents} is no folder.")
    if not people.is_file():
        raise BadInput(f"--people: {people} is no file.")
    reading = Reading(Library([documents]), frozenset(p.person_id for p in read_people_file(people)[1]), owner=owner)
    rows: list[Row] = []
    asked: dict[tuple[str, ...], int] = {}
    texts: dict[str, str] = {}
    for line, given in _csv_lines(path, reading):
        if "quote" in given and "document" not in given:
            reading.problem(f"{path}:{line}", "quote: the column document must say which document it is from")
        row = _csv_case(given, f"question-{len(rows) + 1}", person)
        fields = Fields(
            {key: Item(_node(value), f"{path}:{line}") for key, value in row.items()}, f"{path}:{line}", reading
        )
        case = fields.case()
        key = (case.person, case.question.lower(), *case.turns)
        if case.question and asked.setdefault(key, line) != line:
            reading.problem(f"{path}:{line}", f"question: the same person asks this already in line {asked[key]}")
        for name, quote in row.get("evidence", {}).items():
            file = reading.library.file(name)
            if file and name not in texts:
                texts[name] = convert(file.read_bytes(), file.name).text
            if file and not holds(texts[name], quote):
                reading.problem(f"{path}:{line}", f"quote: does not stand in {name} word for word")
        rows.append(row)
    if reading.problems:
        raise BadInput("\n".join(reading.problems))
    return rows


def _csv_lines(path: Path, reading: Reading) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column, empty cells and lines left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=";" if sample.count(";") > sample.count(",") else ",", strict=True)
            columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
            if "question" not in columns or set(columns) - set(COLUMNS):
                wrong = sorted(set(columns) - set(COLUMNS))
                said = f"unknown column {wrong[0][:60]!r}" if wrong else "no column question"
                raise BadInput(f"{path}:1: {said}; the columns are {', '.join(COLUMNS)}.")
            rows.fieldnames = columns
            for row in rows:
                if None in row or None in row.values():
                    reading.problem(f"{path}:{rows.line_num}", f"has not the {len(columns)} cells of the header")
                    continue
                cells = {name: " ".join(value.split()) for name, value in row.items() if value.strip()}
                if cells:
                    yield rows.line_num, cells
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'save it as UTF-8 text'}."
        ) from None
    except csv.Error as error:
        raise BadInput(f"{path}: not CSV ({error}).") from None


def _csv_case(cells: Mapping[str, str], name: str, person: str) -> Row:
    """Cells as a case's fields."""
    row: Row = {"id": name, "kind": "answerable", **({"person": person} if person else {})}
    for key, text in cells.items():
        if key in LISTS:
            row[key] = _split(text, ";")
        elif key == "must_include":
            row[key] = [_split(group, "/") for group in _split(text, ";")]
        elif key not in ("document", "quote"):
            row[key] = text
    if "quote" in cells and "document" in cells:
        row["evidence"] = {cells["document"]: cells["quote"]}
    elif "document" in cells:
        row.setdefault(
            "about" if row.get("expect") == "refuse" or row["kind"] in ("unanswerable", "refusal") else "cite",
            [cells["document"]],
        )
    return row


def write_suite(folder: Path, found: Imported, top: Mapping[str, object], *, language: str) -> None:
    """Make the suite folder, check it as every suite is checked, and only then put it in place.

    Raises:
        BadInput: the suite would not load, or the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BadInput(f"--into: {folder} cannot be written ({error.strerror}).") from None
    try:
        _yaml(part / SUITE_FILE, top)
        _yaml(part / "cases.yaml", {"cases": found.cases})
        if found.documents:
            _write_documents(part, found, str(top["owner"]), language)
        write_pins(load_suite(part))
        part.chmod(0o755)
        if folder.is_dir():
            folder.rmdir()
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_documents(folder: Path, found: Imported, owner: str, language: str) -> None:
    """The texts, what governs them, and the one person who asks."""
    (folder / "documents").mkdir()
    for name, text in found.documents.items():
        (folder / "documents" / name).write_text(text, encoding="utf-8")
    defaults = {
        "owner": owner,
        "department": "Imported",
        "classification": "internal",
        "allowed_groups": ["everyone"],
        "version": 1,
        "effective": "2020-01-01",
        "status": "approved",
        "language": language,
    }
    entries = {n: {"document_id": Path(n).stem, "title": found.titles[n][:500] or n} for n in found.documents}
    _yaml(folder / "documents" / "governance.yaml", {"defaults": defaults, "documents": entries})
    reader = {
        "person_id": PERSON,
        "name": "Imported reader",
        "email": "imported.reader@example.com",
        "groups": ["readers"],
        "clearance": "internal",
        "roles": ["employee"],
    }
    _yaml(
        folder / "people.yaml",
        {"groups": [{"name": "readers", "description": "Who asks the imported questions"}], "people": [reader]},
    )


def _yaml(path: Path, value: object) -> None:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    written = yaml.dump(value, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120)
    path.write_text(written, encoding="utf-8")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise BadInput(f"{path}:{line}: not JSON.") from None


def _place(holder: Any, key: str, kind: type, where: str) -> Any:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, kind):
        names: dict[type, str] = {list: "a list", str: "text"}
        raise BadInput(
            f"{where}.{key}: must be {names[kind]}; is the file in SQuAD's form (data, paragraphs, qas, answers)?"
        )
    return value


def _sentence(context: str, answer: str) -> str:
    """The sentence of the paragraph that holds the answer, or as many as it runs over."""
    start = context.index(answer)
    ends = [match.end() for match in _SENTENCE_END.finditer(context)]
    begin = max([0, *(end for end in ends if end <= start)])
    stop = min([len(context), *(end for end in ends if end >= start + len(answer))])
    return context[begin:stop].strip()


def _file_name(title: str, taken: Mapping[str, str]) -> str:
    slug = _NAME.sub("-", title.lower()).strip("-")[:60].strip("-") or "document"
    return f"{slug}.txt" if f"{slug}.txt" not in taken else f"{slug}-{len(taken) + 1}.txt"


def _split(text: str, sign: str) -> list[str]:
    return [part.strip() for part in text.split(sign) if part.strip()]


def _node(value: Any) -> yaml.Node:
    """A value as the node that the loader reads."""
    if isinstance(value, Mapping):
        return yaml.MappingNode("tag:yaml.org,2002:map", [(_node(key), _node(one)) for key, one in value.items()])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(one) for one in value])
    return yaml.ScalarNode("tag:yaml.org,2002:str", str(value))


def _told(skipped: Mapping[str, int]) -> str:
    said = ", ".join(f"{count} because {reason}" for reason, count in skipped.items() if count)
    return f"; skipped {said}" if said else ""
