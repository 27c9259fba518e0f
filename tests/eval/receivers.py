"""A webhook and a mail server that keep what they get, each on a free port of this machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class Received:
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    mails: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


@contextmanager
def webhook(status: int = 200) -> Iterator[Received]:
    got = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        got.url = f"http://127.0.0.1:{server.server_address[1]}/secret-path"
        yield got


@contextmanager
def mail_server() -> Iterator[Received]:
    """SMTP as RFC 5321 has it, as far as one message needs it: no TLS, no sign-in."""
    got = Received()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            for line in iter(self.rfile.readline, b""):
                words = line.decode().strip()
                verb = words[:4].upper()
                if verb == "RCPT":
                    got.recipients.append(words.partition("<")[2].rstrip(">"))
                if verb == "DATA":
                    self.say("354 go on")
                    lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                    got.mails.append(message_from_string("".join(lines)))
                self.say("221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    return

        def say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        got.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        yield got


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
