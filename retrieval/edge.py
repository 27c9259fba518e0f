"""The embedded index: Qdrant Edge, the Rust engine in this process, on a folder that one process opens at a time.

The folder holds `index.json` (what the vectors are), `lock` (who has it open) and `shard/`. The lock is the
operating system's, so a killed process frees it. Writes go to the engine's write-ahead log before a call returns:
they survive a kill of the process; `optimize()`, removals and `close()` also force them to the disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import qdrant_edge as qdrant
from numpy.typing import NDArray

from core.errors import BadInput, IndexUnavailable
from retrieval.access import AccessFilter, AnyOf, AtLeast, AtMost, Condition, Equals, document_filter
from retrieval.bm25 import Bm25, Terms
from retrieval.copying import copy_data
from retrieval.index import (
    BOOL_FIELDS,
    DENSE,
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    SPARSE,
    Hit,
    Payload,
    Point,
    Query,
    Scored,
    SearchMode,
    StoredPoint,
    inverse_document_frequency,
    passage_id,
    point_uuid,
    run_search,
    stored,
)
from retrieval.term_statistics import Rarity, TermStatistics

PAGE = 1000


class EdgeIndex:
    """An Index on a folder.

    Raises:
        IndexUnavailable: the folder is open in another process, cannot be written, or holds vectors of another model.
    """

    def __init__(self, folder: Path, dimension: int, *, model: str = "", wait_s: float = 0.0) -> None:
        self._folder = folder
        self._bm25 = Bm25()
        self._writing = threading.Lock()
        self._upkeep = threading.Lock()
        self._statistics = TermStatistics()
        self._lock: IO[str] | None = _locked(folder, wait_s)
        try:
            _check_kind(folder, dimension, model)
            with _engine(folder):
                self._shard = _open_shard(folder / "shard", dimension)
        except IndexUnavailable:
            self._lock.close()
            raise

    def upsert(self, points: Sequence[Point]) -> None:
        self.store(stored(points, self._bm25))

    def store(self, points: Sequence[StoredPoint]) -> None:
        """Add or replace points that have their terms already."""
        if points:
            self._update(qdrant.UpdateOperation.upsert_points([_edge_point(p) for p in points]))

    def delete_document(self, document_id: str, version: int) -> None:
        which = _filter(document_filter(document_id, version))
        self._update(qdrant.UpdateOperation.delete_points_by_filter(which), flush=True)

    def set_payload(self, document_id: str, version: int, payload: Payload) -> None:
        which = _filter(document_filter(document_id, version))
        self._update(qdrant.UpdateOperation.overwrite_payload_by_filter(which, payload.as_dict()), flush=True)

    def search(
        self, *, dense: NDArray[np.float32] | None, text: str, access: AccessFilter, limit: int, mode: SearchMode
    ) -> list[Hit]:
        query = Query(dense, self._bm25.query(text), mode)
        return run_search(self._nearest, query, access=access, limit=limit)

    def term_weights(self, text: str, *, access: AccessFilter) -> Terms:
        found = self._statistics.of(self._bm25.query(text), access, lambda terms: self._counted(terms, access))
        return {term: rarity.weight for term, rarity in found.items()}

    def _counted(self, terms: list[int], access: AccessFilter) -> dict[int, Rarity]:
        """Each word's best point, once scored among the points admitted and once among all: the scores tell how rare it is.

        A score is the point's term frequency weight times the word's weight in the corpus.
        """
        admitted = _filter(access)
        scoped = qdrant.SearchParams(idf=qdrant.IdfParams(admitted))
        nearest = [qdrant.Query.Nearest(_sparse({term: 1.0}), SPARSE) for term in terms]
        requests = [_request(query, admitted, 1, scoped, with_vector=[SPARSE]) for query in nearest]
        requests += [_request(query, admitted, 1) for query in nearest]
        with _engine(self._folder):
            best = self._opened().query_batch(qdrant.QueryBatchRequest(requests))
            among, overall = best[: len(terms)], best[len(terms) :]
            points = 0 if all(among) else self._statistics.points(access, lambda: self._count(admitted))
        return {
            term: Rarity(mine[0].score / _stored_point(mine[0]).terms[term], mine[0].score / everyones[0].score)
            if mine and everyones
            else Rarity(inverse_document_frequency(0, points), None)
            for term, mine, everyones in zip(terms, among, overall, strict=True)
        }

    def _count(self, admitted: Any = None) -> int:
        return int(self._opened().count(qdrant.CountRequest(filter=admitted)))

    def passage_ids(self, document_id: str, version: int) -> set[str]:
        return {p.passage_id for p in self._scroll(document_filter(document_id, version), vectors=False)}

    def count(self) -> int:
        with _engine(self._folder):
            return self._count()

    def optimize(self) -> None:
        with self._upkeep, _engine(self._folder):
            try:
                self._opened().optimize()
                self._opened().flush()
            finally:
                self._statistics.forget()

    def snapshot(self, folder: Path) -> None:
        """Copy the shard while writers wait.

        Raises:
            BadInput: the folder holds something already.
        """
        require_empty(folder)
        with self._upkeep, self._writing, _engine(self._folder):
            self._opened().flush()
            without = shutil.ignore_patterns("lock")
            shutil.copytree(self._folder, folder, ignore=without, copy_function=copy_data, dirs_exist_ok=True)

    def close(self) -> None:
        with self._upkeep, self._writing:
            if self._lock is None:
                return
            try:
                with _engine(self._folder):
                    self._shard.flush()
                    self._shard.close()
            finally:
                self._lock.close()
                self._lock = None

    def _opened(self) -> Any:
        if self._lock is None:
            raise IndexUnavailable(f"The index in {self._folder} is closed: the assistant is shutting down.")
        return self._shard

    def _update(self, operation: Any, *, flush: bool = False) -> None:
        with self._writing, _engine(self._folder):
            try:
                self._opened().update(operation)
                if flush:
                    self._shard.flush()
            finally:
                self._statistics.forget()

    def _nearest(
        self, dense: list[float] | None, terms: Terms, access: AccessFilter, limit: int
    ) -> tuple[Scored, Scored]:
        requests, admitted = [], _filter(access)
        if dense is not None:
            requests.append(_request(qdrant.Query.Nearest(dense, DENSE), admitted, limit))
        if terms := self._scaled(terms, access):
            requests.append(_request(qdrant.Query.Nearest(_sparse(terms), SPARSE), admitted, limit))
        if not requests:
            return [], []
        with _engine(self._folder):
            found = self._opened().query_batch(qdrant.QueryBatchRequest(requests))
        lists = [[(passage_id(point.id), point.score) for point in points] for points in found]
        return lists[0] if dense is not None else [], lists[-1] if terms else []

    def _scaled(self, terms: Terms, access: AccessFilter) -> Terms:
        """The question's words weighted so that the engine's statistics over all points become those over the points admitted."""
        found = self._statistics.of(terms, access, lambda fresh: self._counted(fresh, access))
        return {term: weight * scale for term, weight in terms.items() if (scale := found[term].scale) is not None}

    def _scroll(self, which: AccessFilter, *, vectors: bool) -> Iterator[StoredPoint]:
        offset = None
        while True:
            request = qdrant.ScrollRequest(offset, PAGE, _filter(which), with_payload=vectors, with_vector=vectors)
            with _engine(self._folder):
                records, offset = self._opened().scroll(request)
            yield from (_stored_point(record) for record in records)
            if offset is None:
                return


def _locked(folder: Path, wait_s: float) -> IO[str]:
    """Take the folder's lock, waiting so long for it; or say which process has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise IndexUnavailable(
            f"The index folder {folder} cannot be written ({error.strerror}): give this user write access to it, "
            "or name another folder with ASSISTANT_HOME."
        ) from None
    until = time.monotonic() + wait_s
    while not (taken := _taken(lock)) and time.monotonic() < until:
        time.sleep(0.1)
    if not taken:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise IndexUnavailable(
            f"The index in {folder} is open in process {holder}: only one process can open it. If it is a command "
            "that ends by itself, try again when it has; if it is an assistant that serves, ask and add documents on its "
            "pages or API, or stop it."
        )
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _check_kind(folder: Path, dimension: int, model: str) -> None:
    """Refuse vectors of another size or another model; remember both in a new folder."""
    place = folder / "index.json"
    kind = {"dimension": dimension, "model": model}
    try:
        held = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        fresh = place.with_suffix(".new")
        fresh.write_text(json.dumps(kind), encoding="utf-8")
        fresh.replace(place)
        return
    except (OSError, ValueError):
        raise IndexUnavailable(
            f"{place} cannot be read: restore a backup with: python -m assistant restore FILE"
        ) from None
    if held["dimension"] != dimension or (model and held["model"] and held["model"] != model):
        raise IndexUnavailable(
            f"The index in {folder} holds vectors of {held['model'] or 'another model'} ({held['dimension']} numbers), "
            f"and the embedder is {model or 'another'} ({dimension} numbers): set ASSISTANT_EMBEDDER back, or move "
            "that folder away and ingest the documents again."
        )


def _open_shard(folder: Path, dimension: int) -> Any:
    if folder.exists():
        return qdrant.EdgeShard.load(str(folder))
    # Made beside its place and moved there when whole: a process killed meanwhile leaves nothing to trip over.
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shard = qdrant.EdgeShard.create(
        str(fresh),
        qdrant.EdgeConfig(
            vectors={DENSE: qdrant.EdgeVectorParams(dimension, qdrant.Distance.Cosine)},
            sparse_vectors={SPARSE: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
        ),
    )
    for fields, kind in (
        (KEYWORD_FIELDS, qdrant.PayloadSchemaType.Keyword),
        (INTEGER_FIELDS, qdrant.PayloadSchemaType.Integer),
        (BOOL_FIELDS, qdrant.PayloadSchemaType.Bool),
    ):
        for field in fields:
            shard.update(qdrant.UpdateOperation.create_field_index(field, kind))
    shard.flush()
    shard.close()
    fresh.rename(folder)
    return qdrant.EdgeShard.load(str(folder))


@contextmanager
def _engine(folder: Path) -> Iterator[None]:
    """Say in our words what the engine could not do."""
    try:
        yield
    except (IndexUnavailable, BadInput):
        raise
    except Exception as error:  # noqa: BLE001 - the engine raises bare Exception, whatever went wrong
        cause = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        if "No space left" in str(error):
            advice = "free some space on its disk; nothing acknowledged is lost."
        else:
            advice = "try again; if it stays, restore a backup with: python -m assistant restore FILE"
        raise IndexUnavailable(f"The index in {folder} failed ({cause}): {advice}") from None


def require_empty(folder: Path) -> None:
    """Raises BadInput where a snapshot would mix with other files."""
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty: name a new folder for the snapshot.")


def _edge_point(point: StoredPoint) -> Any:
    vector: dict[str, Any] = {DENSE: point.dense}
    if point.terms:
        vector[SPARSE] = _sparse(point.terms)
    return qdrant.Point(point_uuid(point.passage_id), vector, point.payload)


def _stored_point(record: Any) -> StoredPoint:
    vector = record.vector or {}
    sparse = vector.get(SPARSE)
    terms = dict(zip(sparse.indices, sparse.values, strict=True)) if sparse else {}
    return StoredPoint(passage_id(record.id), vector.get(DENSE, []), terms, record.payload or {})


def _sparse(terms: Terms) -> Any:
    return qdrant.SparseVector(list(terms), list(terms.values()))


def _request(query: Any, admitted: Any, limit: int, params: Any = None, *, with_vector: list[str] | None = None) -> Any:
    return qdrant.QueryRequest(
        limit, query=query, filter=admitted, params=params, with_payload=False, with_vector=with_vector or False
    )


def _filter(access: AccessFilter) -> Any:
    return qdrant.Filter(must=[_condition(c) for c in access.must], must_not=[_condition(c) for c in access.must_not])


def _condition(condition: Condition) -> Any:
    match condition:
        case AtMost(field, value):
            return qdrant.FieldCondition(field, range=qdrant.RangeFloat(lte=value))
        case AtLeast(field, value):
            return qdrant.FieldCondition(field, range=qdrant.RangeFloat(gte=value))
        case AnyOf(field, values):
            return qdrant.FieldCondition(field, match=qdrant.MatchAny(list(values)))
        case Equals(field, value):
            return qdrant.FieldCondition(field, match=qdrant.MatchValue(value))
