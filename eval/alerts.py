"""Alerts by webhook and by e-mail. They carry signals and figures, never anybody's text.

    --webhook https://hooks.example/drift --email ops@kestrelbay.example --smtp smtp://user@mail.example:587

The webhook gets a JSON object: alert (its kind), text (the whole as lines, which chat programs show), figures (a list).
The password of --smtp is read from the variable ASSISTANT_SMTP_PASSWORD, and sent over TLS only.
"""

from __future__ import annotations

import argparse
import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from core.errors import BadInput, Unavailable

PASSWORD = "ASSISTANT_SMTP_PASSWORD"  # noqa: S105 - the variable's name
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Alert:
    kind: str
    subject: str
    lines: tuple[str, ...]
    figures: tuple[Mapping[str, Any], ...]

    @property
    def text(self) -> str:
        return "\n".join([self.subject, *self.lines])


@dataclass(frozen=True, slots=True)
class Targets:
    """Where alerts go. `smtp` is needed for `emails`, and `sender` is whom they come from."""

    webhooks: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    smtp: str = ""
    sender: str = ""

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--webhook", action="append", default=[], metavar="URL", help="POST alerts there, as JSON")
        parser.add_argument("--email", action="append", default=[], metavar="ADDRESS", help="mail alerts there")
        parser.add_argument("--smtp", default="", metavar="URL", help="mail server: smtp://user@host:587 or smtps://")
        parser.add_argument("--sender", default="", metavar="ADDRESS", help="whom mails come from (the first --email)")

    @classmethod
    def of(cls, args: argparse.Namespace) -> Targets:
        """Raises BadInput before anything is measured, rather than when there is something to say."""
        for url in args.webhook:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise BadInput("--webhook takes an address that begins with https:// or http://.")
        if args.email and not args.smtp:
            raise BadInput("--email needs --smtp, the mail server: smtp://mail.example:587")
        if args.smtp:
            _server(args.smtp)
        if wrong := [one for one in (*args.email, args.sender) if one and ("@" not in one or "\n" in one)]:
            raise BadInput(f"{wrong[0][:80]!r} is no mail address.")
        return cls(tuple(args.webhook), tuple(args.email), args.smtp, args.sender or next(iter(args.email), ""))

    def names(self) -> list[str]:
        """The targets without what is secret in them: a webhook's path often is."""
        return [f"webhook {urlsplit(url).hostname}" for url in self.webhooks] + [f"mail {one}" for one in self.emails]


def deliver(alert: Alert, targets: Targets) -> None:
    """Send the alert everywhere.

    Raises:
        Unavailable: somewhere it could not be delivered; it was sent to all the others.
    """
    problems = []
    for url in targets.webhooks:
        try:
            post(alert, url)
        except Unavailable as error:
            problems.append(str(error))
    if targets.emails:
        try:
            mail(alert, targets)
        except Unavailable as error:
            problems.append(str(error))
    if problems:
        raise Unavailable(" ".join(problems))


def post(alert: Alert, url: str) -> None:
    """Send it to a webhook. Raises Unavailable where that does not take it."""
    import httpx2

    host = urlsplit(url).hostname
    body = {"alert": alert.kind, "text": alert.text, "figures": list(alert.figures)}
    try:
        response = httpx2.post(url, json=body, timeout=TIMEOUT_S)
    except httpx2.HTTPError as error:
        raise Unavailable(f"The webhook at {host} does not answer ({type(error).__name__}): check --webhook.") from None
    if not response.is_success:
        raise Unavailable(f"The webhook at {host} refused the alert (HTTP {response.status_code}): check --webhook.")


def mail(alert: Alert, targets: Targets) -> None:
    """Send it as one mail to all addresses. Raises Unavailable where the server does not take it."""
    message = EmailMessage()
    message["Subject"] = alert.subject
    message["From"] = targets.sender
    message["To"] = ", ".join(targets.emails)
    message.set_content(alert.text)
    server = _server(targets.smtp)
    try:
        with _connected(server) as connection:
            connection.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(
            f"The mail server {server.hostname} did not take the alert ({type(error).__name__}): check --smtp and {PASSWORD}."
        ) from None


def _connected(server: SplitResult) -> smtplib.SMTP:
    host, context = server.hostname or "", ssl.create_default_context()
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, server.port or 465, timeout=TIMEOUT_S, context=context)
    else:
        connection = smtplib.SMTP(host, server.port or 25, timeout=TIMEOUT_S)
    try:
        connection.ehlo()
        if server.scheme == "smtp" and connection.has_extn("starttls"):
            connection.starttls(context=context)
            connection.ehlo()
        if server.username:
            if not isinstance(connection.sock, ssl.SSLSocket):
                raise smtplib.SMTPNotSupportedError("no TLS: the password stays here")
            connection.login(unquote(server.username), os.environ.get(PASSWORD, ""))
    except BaseException:
        connection.close()
        raise
    return connection


def _server(url: str) -> SplitResult:
    try:
        server = urlsplit(url)
        port_is_readable = server.port is None or server.port > 0
    except ValueError:
        port_is_readable = False
    if not port_is_readable or server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise BadInput("--smtp takes smtp://host:port or smtps://host:port, with user@ where the server asks for one.")
    if server.password:
        raise BadInput(f"A password does not belong into --smtp, where others can read it: set {PASSWORD}.")
    return server
