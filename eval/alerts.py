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
from functools import partial
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from core.alert_targets import PASSWORD, Targets
from core.errors import BadInput, Unavailable

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


class NotDelivered(Unavailable):
    """Somebody did not get an alert; `taken` says whether anybody did."""

    def __init__(self, message: str, *, taken: bool) -> None:
        super().__init__(message)
        self.taken = taken


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--webhook", action="append", default=[], metavar="URL", help="POST alerts there, as JSON")
    parser.add_argument("--email", action="append", default=[], metavar="ADDRESS", help="mail alerts there")
    parser.add_argument("--smtp", default="", metavar="URL", help="mail server: smtp://user@host:587 or smtps://")
    parser.add_argument("--sender", default="", metavar="ADDRESS", help="whom mails come from (the first --email)")


def targets_of(args: argparse.Namespace) -> Targets:
    """Raises BadInput before anything is measured, rather than when there is something to say."""
    targets = Targets(tuple(args.webhook), tuple(args.email), args.smtp, args.sender)
    if wrong := targets.problems({"webhooks": "--webhook", "emails": "--email", "smtp": "--smtp"}):
        raise BadInput(wrong[0])
    return targets


def deliver(alert: Alert, targets: Targets) -> None:
    """Send the alert everywhere.

    Raises:
        NotDelivered: somewhere it could not be delivered; it was sent to all the others.
    """
    sendings = [partial(post, alert, url) for url in targets.webhooks]
    sendings += [partial(mail, alert, targets)] if targets.emails else []
    problems = []
    for send in sendings:
        try:
            send()
        except Unavailable as error:
            problems.append(str(error))
    if problems:
        raise NotDelivered(" ".join(problems), taken=len(problems) < len(sendings))


def post(alert: Alert, url: str) -> None:
    """Send it to a webhook. Raises Unavailable where that does not take it."""
    import httpx2

    host = urlsplit(url).hostname
    body = {"alert": alert.kind, "text": alert.text, "figures": list(alert.figures)}
    try:
        response = httpx2.post(url, json=body, timeout=TIMEOUT_S)
    except httpx2.HTTPError as error:
        raise Unavailable(
            f"The webhook at {host} does not answer ({type(error).__name__}): check its address."
        ) from None
    if not response.is_success:
        raise Unavailable(f"The webhook at {host} refused the alert (HTTP {response.status_code}): check its address.")


def mail(alert: Alert, targets: Targets) -> None:
    """Send it as one mail to all addresses. Raises Unavailable where the server does not take it."""
    message = EmailMessage()
    message["Subject"] = alert.subject
    message["From"] = targets.sender or targets.emails[0]
    message["To"] = ", ".join(targets.emails)
    message.set_content(alert.text)
    server = urlsplit(targets.smtp)
    try:
        with _connected(server) as connection:
            connection.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(
            f"The mail server {server.hostname} did not take the alert ({type(error).__name__}): check its address and {PASSWORD}."
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
