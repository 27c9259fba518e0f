"""A dataset's folder: written whole or not at all, named by its content, and verified down to every row.

    {home}/datasets/{dataset_id}/train.jsonl, validation.jsonl, README.md, and manifest.json, written last

The manifest names every file with its hash and holds no time and no name, so that the same rows and settings make the same
manifest; the id is the start of its hash. Who built it and when stands in the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from core.datasets import DatasetRecord, LineageRow
from core.errors import BadInput, StoreUnavailable
from core.records import Classification, clearance_rank
from training.dataset_rows import DatasetRow, Split, read_row

FOLDER: Final = "datasets"
MANIFEST: Final = "manifest.json"
CARD: Final = "README.md"
FORMAT: Final = 1
FILES: Final[Mapping[Split, str]] = {"train": "train.jsonl", "validation": "validation.jsonl"}
Rows = Mapping[Split, Sequence[DatasetRow]]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a build: rows in and out, and how many were left out, by reason."""

    step: str
    rows_in: int
    rows_out: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not hold: in which file or table, at which line (0: the whole of it)."""

    where: str
    line: int
    problem: str


def manifest_of(rows: Rows, card: str, steps: Sequence[Step], made: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest: files, shape and steps, and `made` (settings, evaluation suites, embedder, policy)."""
    every = [row for split in FILES for row in rows[split]]
    files = {name: _told(_lines(rows[split]), len(rows[split])) for split, name in FILES.items()}
    return {
        "format": FORMAT,
        "files": files | {CARD: _told(card.encode())},
        "ceiling": ceiling_of(every),
        "shape": shape_of(every),
        "steps": [asdict(step) for step in steps],
        **made,
    }


def shape_of(rows: Sequence[DatasetRow]) -> dict[str, Any]:
    """How many rows of each kind, origin, department and language, and from when to when."""
    days = sorted(row.asked_at[:10] for row in rows)
    counted = {
        name: dict(sorted(Counter(getattr(row, name) for row in rows).items()))
        for name in ("example", "origin", "department", "language", "classification")
    }
    return counted | {"first_day": days[0] if days else "", "last_day": days[-1] if days else ""}


def ceiling_of(rows: Sequence[DatasetRow]) -> Classification:
    return max((row.classification for row in rows), key=clearance_rank, default="public")


def encoded(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def id_of(manifest: bytes) -> str:
    """`ds-` and the first twelve digits of the manifest's hash."""
    return f"ds-{sha256(manifest)[:12]}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(
    home: Path, rows: Rows, card: str, manifest: bytes, *, reached: Callable[[str], None] = lambda _point: None
) -> Path:
    """Write the folder under another name, manifest last, and give it its name in one step; returns it.

    A folder of that name that verifies is left as it is. `reached` is told each point at which a crash may come.

    Raises:
        StoreUnavailable: the disk is full or the folder cannot be written. Nothing is left under its name.
    """
    target = home / FOLDER / id_of(manifest)
    part = home / FOLDER / f".part-{target.name}-{os.getpid()}"
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(target.parent)
        if (target / MANIFEST).is_file() and not _file_problems(target, json.loads(manifest), manifest):
            return target
        if target.exists():  # not one that we could have finished: the name is the content's
            shutil.rmtree(target)
        part.mkdir(mode=0o700)
        for name, data in (*((FILES[s], _lines(rows[s])) for s in FILES), (CARD, card.encode()), (MANIFEST, manifest)):
            reached(f"before {name}")
            _write(part / name, data)
        _sync(part)
        reached("before naming")
        part.replace(target)
        _sync(target.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StoreUnavailable(
            f"The dataset cannot be written to {target.parent} ({os.strerror(error.errno or 0)}): free some space."
        ) from None
    return target


def lineage_of(rows: Rows) -> list[LineageRow]:
    """Every row's ties to turns and documents, merged duplicates' included, in order."""
    found = {
        LineageRow(row.row_id, split, **asdict(one), document_id=document_id, version=version)
        for split, members in rows.items()
        for row in members
        for one in row.lineages
        for document_id, version in row.documents
    }
    return sorted(found)


def verify(home: Path, record: DatasetRecord, lineage: Sequence[LineageRow]) -> list[Problem]:
    """Everything of a dataset that does not hold: manifest, files, rows, ceiling, and lineage in the store."""
    folder = home / record.folder
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError:
        return [Problem(MANIFEST, 0, "is missing or cannot be read")]
    problems = []
    if sha256(manifest) != record.sha256 or id_of(manifest) != record.dataset_id:
        problems.append(Problem(MANIFEST, 0, "is not the one that was built: its hash differs from the store's"))
    try:
        told = json.loads(manifest)
        problems += _file_problems(folder, told, manifest)
        rows, found = _read(folder)
        problems += found + _row_problems(rows, told, record)
    except (ValueError, KeyError, TypeError, AttributeError):
        return [*problems, Problem(MANIFEST, 0, "is no manifest")]
    return problems + _lineage_problems(rows, lineage)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Raises BadInput where there is none."""
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise BadInput(
            f"{folder} holds no readable {MANIFEST}. Build it again: python -m training dataset build"
        ) from None
    return found


def _file_problems(folder: Path, told: Mapping[str, Any], manifest: bytes) -> list[Problem]:
    problems = []
    for name, wanted in told["files"].items():
        try:
            data = (folder / name).read_bytes()
        except OSError:
            problems.append(Problem(name, 0, "is missing or cannot be read"))
            continue
        if sha256(data) != wanted["sha256"]:
            problems.append(Problem(name, 0, "was changed: its hash differs from the manifest's"))
    extra = {path.name for path in folder.iterdir()} - set(told["files"]) - {MANIFEST}
    problems += [Problem(name, 0, "is no file of the manifest") for name in sorted(extra)]
    if (folder / MANIFEST).read_bytes() != manifest:
        problems.append(Problem(MANIFEST, 0, "differs"))
    return problems


def _read(folder: Path) -> tuple[dict[Split, list[DatasetRow]], list[Problem]]:
    rows: dict[Split, list[DatasetRow]] = {}
    problems = []
    for split, name in FILES.items():
        rows[split] = []
        for number, line in _numbered(folder / name):
            try:
                row = read_row(line)
            except BadInput as error:
                problems.append(Problem(name, number, str(error)))
                continue
            rows[split].append(row)
            if problem := _unsound(row):
                problems.append(Problem(name, number, problem))
    return rows, problems


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Lines end at the line feed and nowhere else: texts may hold other separators."""
    try:
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    except OSError:
        return
    yield from ((n, line) for n, line in enumerate(lines, 1) if line)


def _unsound(row: DatasetRow) -> str:
    at = row.target.passage
    if at is None:
        return ""
    if not 0 <= at < len(row.passages):
        return "its answer names a passage that it does not hold"
    said = row.passages[at].text[row.target.start : row.target.end]
    return (
        "the answer does not stand where it says"
        if not said or (row.target.kind == "span" and said != row.target.answer)
        else ""
    )


def _row_problems(rows: Rows, told: Mapping[str, Any], record: DatasetRecord) -> list[Problem]:
    every = [row for split in FILES for row in rows[split]]
    problems = [
        Problem(name, 0, f"holds {len(rows[split])} rows, and the manifest says {told['files'][name]['rows']}")
        for split, name in FILES.items()
        if len(rows[split]) != told["files"][name]["rows"]
    ]
    if len(every) != record.rows:
        problems.append(Problem("store", 0, f"says {record.rows} rows, and the files hold {len(every)}"))
    if not ceiling_of(every) == told["ceiling"] == record.ceiling:
        problems.append(Problem("store", 0, f"the ceiling of the rows is {ceiling_of(every)}, not what is recorded"))
    if shape_of(every) != told["shape"]:
        problems.append(Problem(MANIFEST, 0, "its shape is not that of the rows"))
    return problems


def _lineage_problems(rows: Rows, lineage: Sequence[LineageRow]) -> list[Problem]:
    wanted, found = set(lineage_of(rows)), set(lineage)
    problems = [
        Problem("dataset_row", 0, f"lacks the lineage of row {one.row_sha256[:12]} to {one.document_id} v{one.version}")
        for one in sorted(wanted - found)
    ]
    return problems + [
        Problem(
            "dataset_row",
            0,
            f"has a lineage that no row has: {one.row_sha256[:12]} to {one.document_id} v{one.version}",
        )
        for one in sorted(found - wanted)
    ]


def _lines(rows: Sequence[DatasetRow]) -> bytes:
    return "".join(row.line() for row in rows).encode()


def _told(data: bytes, rows: int | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"sha256": sha256(data), "bytes": len(data)}
    return told if rows is None else told | {"rows": rows}


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what builds left behind that were cut off; another build that runs now keeps its own."""
    for part in folder.glob(".part-*"):
        pid = part.name.rpartition("-")[2]
        if pid.isdigit() and int(pid) != os.getpid() and Path(f"/proc/{pid}").exists():
            continue
        shutil.rmtree(part, ignore_errors=True)
