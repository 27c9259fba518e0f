"""The index on a Qdrant server or cluster, through qdrant-client: QDRANT_URL, QDRANT_API_KEY, ASSISTANT_QDRANT_COLLECTION.

Points carry the same vectors, terms and payload as the embedded index. `ServerIndex(QdrantClient(":memory:"), ...)`
stands in for a server in the contract tests; the same tests run on a real one where QDRANT_URL is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from core.errors import IndexUnavailable
from core.settings import Settings
from retrieval.access import EVERYTHING, AccessFilter, AnyOf, AtLeast, AtMost, Condition, Equals, document_filter
from retrieval.bm25 import Bm25, Terms
from retrieval.edge import EdgeIndex, require_empty
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

BATCH = 256
TIMEOUT_S = 10
FIELD_KINDS = (
    dict.fromkeys(KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD)
    | dict.fromkeys(INTEGER_FIELDS, models.PayloadSchemaType.INTEGER)
    | dict.fromkeys(BOOL_FIELDS, models.PayloadSchemaType.BOOL)
)
"""The payload indexes of a collection."""


class ServerIndex:
    """An Index in one collection, which is made with its payload indexes where it does not exist.

    Raises:
        IndexUnavailable: the server does not answer, refuses the key, or is no Qdrant server; or the collection holds vectors
            of another model.
    """

    def __init__(self, client: QdrantClient, collection: str, dimension: int, *, model: str = "") -> None:
        self._client = client
        self._collection = collection
        self._dimension = dimension
        self._model = model
        self._bm25 = Bm25()
        with _server():
            if not client.collection_exists(collection):
                self._create()
            held = client.get_collection(collection)
            self._check_kind(held.config)
            self._index_fields(held.payload_schema)

    def upsert(self, points: Sequence[Point]) -> None:
        ready = [_server_point(p) for p in stored(points, self._bm25)]
        for start in range(0, len(ready), BATCH):
            with _server():
                self._client.upsert(self._collection, ready[start : start + BATCH], wait=True)

    def delete_document(self, document_id: str, version: int) -> None:
        which = models.FilterSelector(filter=_filter(document_filter(document_id, version)))
        with _server():
            self._client.delete(self._collection, which, wait=True)

    def set_payload(self, document_id: str, version: int, payload: Payload) -> None:
        which = _filter(document_filter(document_id, version))
        with _server():
            self._client.overwrite_payload(self._collection, payload.as_dict(), which, wait=True)

    def search(
        self, *, dense: NDArray[np.float32] | None, text: str, access: AccessFilter, limit: int, mode: SearchMode
    ) -> list[Hit]:
        query = Query(dense, self._bm25.query(text), mode)
        return run_search(self._nearest, query, access=access, limit=limit)

    def term_weights(self, text: str, *, access: AccessFilter) -> Terms:
        terms, admitted = list(self._bm25.query(text)), _filter(access)
        if not terms:
            return {}
        params = models.SearchParams(idf=models.IdfCorpusParams(corpus=admitted))
        requests = [
            models.QueryRequest(
                query=_sparse({term: 1.0}),
                using=SPARSE,
                filter=admitted,
                params=params,
                limit=1,
                with_payload=False,
                with_vector=[SPARSE],
            )
            for term in terms
        ]
        with _server():
            best = [one.points for one in self._client.query_batch_points(self._collection, requests)]
            points = 0 if all(best) else self._client.count(self._collection, admitted, exact=True).count
        return {
            term: found[0].score / _terms(found[0])[term] if found else inverse_document_frequency(0, points)
            for term, found in zip(terms, best, strict=True)
        }

    def passage_ids(self, document_id: str, version: int) -> set[str]:
        return {p.passage_id for p in self._scroll(document_filter(document_id, version), vectors=False)}

    def count(self) -> int:
        with _server():
            return self._client.count(self._collection, exact=True).count

    def optimize(self) -> None:
        """Nothing to do: a server optimises by itself."""

    def snapshot(self, folder: Path) -> None:
        """Write every point into an embedded index in that folder, so that an evaluation needs no server."""
        require_empty(folder)
        copy = EdgeIndex(folder, self._dimension, model=self._model)
        try:
            batch: list[StoredPoint] = []
            for point in self._scroll(EVERYTHING, vectors=True):
                batch.append(point)
                if len(batch) == BATCH:
                    copy.store(batch)
                    batch.clear()
            copy.store(batch)
            copy.optimize()
        finally:
            copy.close()

    def close(self) -> None:
        self._client.close()

    def _create(self) -> None:
        self._client.create_collection(
            self._collection,
            vectors_config={DENSE: models.VectorParams(size=self._dimension, distance=models.Distance.COSINE)},
            sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            metadata={"model": self._model},
        )

    def _index_fields(self, there: Mapping[str, object]) -> None:
        """Make the payload indexes that the collection lacks: all of a new one, and those that a killed process left out."""
        if _in_process(self._client):
            return  # the stand-in has none and warns about every one
        for field, kind in FIELD_KINDS.items():
            if field not in there:
                self._client.create_payload_index(self._collection, field, kind, wait=True)

    def _check_kind(self, config: models.CollectionConfig) -> None:
        vectors = config.params.vectors
        size = vectors[DENSE].size if isinstance(vectors, dict) and DENSE in vectors else 0
        model = str((config.metadata or {}).get("model", ""))
        if size != self._dimension or (model and self._model and model != self._model):
            raise IndexUnavailable(
                f"The collection {self._collection} holds vectors of {model or 'another model'} ({size} numbers), and the "
                f"embedder is {self._model or 'another'} ({self._dimension} numbers): set ASSISTANT_EMBEDDER back, or "
                "name a new collection with ASSISTANT_QDRANT_COLLECTION and ingest the documents again."
            )

    def _nearest(
        self, dense: list[float] | None, terms: Terms, access: AccessFilter, limit: int
    ) -> tuple[Scored, Scored]:
        requests, admitted = [], _filter(access)
        if dense is not None:
            requests.append(_request(dense, DENSE, admitted, limit))
        if terms:
            params = models.SearchParams(idf=models.IdfCorpusParams(corpus=admitted))
            requests.append(_request(_sparse(terms), SPARSE, admitted, limit, params))
        if not requests:
            return [], []
        with _server():
            found = self._client.query_batch_points(self._collection, requests)
        lists = [[(passage_id(point.id), point.score) for point in one.points] for one in found]
        return lists[0] if dense is not None else [], lists[-1] if terms else []

    def _scroll(self, which: AccessFilter, *, vectors: bool) -> Iterator[StoredPoint]:
        offset: Any = None
        while True:
            with _server():
                records, offset = self._client.scroll(
                    self._collection,
                    scroll_filter=_filter(which),
                    limit=BATCH,
                    offset=offset,
                    with_payload=vectors,
                    with_vectors=vectors,
                )
            yield from (_stored_point(record) for record in records)
            if offset is None:
                return


def open_server(settings: Settings, dimension: int, *, model: str = "") -> ServerIndex:
    """The collection that the settings name."""
    client = QdrantClient(
        url=settings.qdrant_url,
        api_key=settings.qdrant_api_key or None,
        timeout=TIMEOUT_S,
        check_compatibility=False,
    )
    return ServerIndex(client, settings.qdrant_collection, dimension, model=model)


@contextmanager
def _server() -> Iterator[None]:
    """Say in our words what stopped the server."""
    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            raise IndexUnavailable("The Qdrant server refuses the key: correct QDRANT_API_KEY.") from None
        raise IndexUnavailable(
            f"The Qdrant server answers {error.status_code} ({error.reason_phrase}): look at its log, then try again."
        ) from None
    except (ResponseHandlingException, ApiException, httpx.HTTPError, ConnectionError) as error:
        cause = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise IndexUnavailable(
            f"The Qdrant server does not answer ({cause}): start it, or correct QDRANT_URL."
        ) from None
    except (ValueError, AssertionError) as error:  # what came back is not what the client knows how to read
        raise IndexUnavailable(
            f"What answers there is no Qdrant server ({type(error).__name__}): correct QDRANT_URL."
        ) from None


def _in_process(client: QdrantClient) -> bool:
    return type(client._client).__name__ == "QdrantLocal"


def _server_point(point: StoredPoint) -> models.PointStruct:
    vector: dict[str, Any] = {DENSE: point.dense}
    if point.terms:
        vector[SPARSE] = _sparse(point.terms)
    return models.PointStruct(id=point_uuid(point.passage_id), vector=vector, payload=point.payload)


def _stored_point(record: models.Record) -> StoredPoint:
    vector: Any = record.vector or {}
    return StoredPoint(passage_id(record.id), vector.get(DENSE, []), _terms(record), record.payload or {})


def _terms(record: models.Record | models.ScoredPoint) -> Terms:
    vector: Any = record.vector or {}
    sparse = vector.get(SPARSE)
    return dict(zip(sparse.indices, sparse.values, strict=True)) if sparse else {}


def _sparse(terms: Terms) -> models.SparseVector:
    return models.SparseVector(indices=list(terms), values=list(terms.values()))


def _request(
    query: Any, using: str, admitted: models.Filter, limit: int, params: models.SearchParams | None = None
) -> models.QueryRequest:
    return models.QueryRequest(
        query=query, using=using, filter=admitted, limit=limit, params=params, with_payload=False
    )


def _filter(access: AccessFilter) -> models.Filter:
    return models.Filter(must=[_condition(c) for c in access.must], must_not=[_condition(c) for c in access.must_not])


def _condition(condition: Condition) -> models.FieldCondition:
    match condition:
        case AtMost(field, value):
            return models.FieldCondition(key=field, range=models.Range(lte=value))
        case AtLeast(field, value):
            return models.FieldCondition(key=field, range=models.Range(gte=value))
        case AnyOf(field, values):
            return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))
        case Equals(field, value):
            return models.FieldCondition(key=field, match=models.MatchValue(value=value))
