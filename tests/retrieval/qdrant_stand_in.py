"""A Qdrant server on the loopback, as far as our client speaks to one: its own in-memory mode behind Qdrant's REST addresses.

    with QdrantStandIn() as server:
        open_server(Settings(qdrant_url=server.url, ...), 384)
        server.stop()       # as a crash does: the port is closed, what it held stays
        server.start()

It keeps which payload indexes were made, which the in-memory mode does not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models
from qdrant_client.local.qdrant_local import QdrantLocal


class QdrantStandIn:
    """One server.

    Attributes:
        indexes: its collections' payload indexes: field to kind.
        upserts_left: it stops before it takes one more request with points than these; None for never.
    """

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:")  # it closes what it holds when it is collected
        assert isinstance(self._client._client, QdrantLocal)
        self.held = self._client._client
        self.indexes: dict[str, dict[str, str]] = {}
        self.upserts_left: int | None = None
        self.lock = threading.Lock()
        self.port = 0
        self._server: _Door | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = _Door(self, self.port)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
            server.cut()

    def __enter__(self) -> QdrantStandIn:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def collection(self, method: str, name: str, body: dict[str, Any]) -> Any:
        """/collections/NAME"""
        if method == "PUT":
            self.indexes[name] = {}
            names = {"vectors": "vectors_config", "sparse_vectors": "sparse_vectors_config"}
            return self.held.create_collection(name, **_fields(models.CreateCollection, body, names))
        if method == "DELETE":
            return self.held.delete_collection(name)
        info = self.held.get_collection(name)
        schema = {field: {"data_type": kind, "points": 0} for field, kind in self.indexes[name].items()}
        return info.model_dump(mode="json") | {"payload_schema": schema}

    def act(self, method: str, name: str, rest: str, body: dict[str, Any]) -> Any:
        """/collections/NAME/REST"""
        if rest == "exists":
            return {"exists": self.held.collection_exists(name)}
        if rest == "index":
            self.indexes[name][body["field_name"]] = body["field_schema"]
        elif (method, rest) == ("PUT", "points"):
            if self.upserts_left is not None:
                if not self.upserts_left:
                    raise _Stops
                self.upserts_left -= 1
            self.held.upsert(name, TypeAdapter(list[models.PointStruct]).validate_python(body["points"]))
        elif rest == "points/delete":
            self.held.delete(name, TypeAdapter(models.PointsSelector).validate_python(body))
        elif rest == "points/payload":
            given = _fields(models.SetPayload, body)
            self.held.overwrite_payload(name, given["payload"], points=given["filter"])
        elif rest == "points/count":
            given = _fields(models.CountRequest, body)
            return self.held.count(name, count_filter=given.get("filter")).model_dump(mode="json")
        elif rest == "points/scroll":
            names = {"filter": "scroll_filter", "with_vector": "with_vectors"}
            records, offset = self.held.scroll(name, **_fields(models.ScrollRequest, body, names))
            return {"points": [record.model_dump(mode="json") for record in records], "next_page_offset": offset}
        elif rest == "points/query/batch":
            requests = TypeAdapter(list[models.QueryRequest]).validate_python(body["searches"])
            return [found.model_dump(mode="json") for found in self.held.query_batch_points(name, requests)]
        else:
            raise LookupError(f"{method} {rest}")
        return {"operation_id": 0, "status": "completed"}


class _Stops(Exception):
    """The server dies before it has answered."""


class _Door(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stand_in: QdrantStandIn, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.stand_in = stand_in
        self.open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def cut(self) -> None:
        """End the connections that clients keep open."""
        for connection in self.open:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Door
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _handle(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        _, _, name, *rest = self.path.partition("?")[0].split("/")
        stand_in = self.server.stand_in
        with stand_in.lock:
            try:
                if rest:
                    result = stand_in.act(self.command, name, "/".join(rest), body)
                else:
                    result = stand_in.collection(self.command, name, body)
            except _Stops:
                self.close_connection = True
                threading.Thread(target=stand_in.stop).start()
                return
        data = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = _handle


def _fields(kind: type[BaseModel], body: dict[str, Any], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The fields given, as the client's own models, under the names that its methods take."""
    read = kind.model_validate(body)
    return {(names or {}).get(name, name): getattr(read, name) for name in read.model_fields_set}
