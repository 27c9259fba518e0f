"""Where alerts go: webhooks and mail addresses, and what is wrong with them. `eval/alerts.py` sends; the settings and its options name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

PASSWORD: Final = "ASSISTANT_SMTP_PASSWORD"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True)
class Targets:
    """`smtp` is needed for `emails`, and `sender` is whom they come from: the first of them, unless it is named."""

    webhooks: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    smtp: str = ""
    sender: str = ""

    def __bool__(self) -> bool:
        return bool(self.webhooks or self.emails)

    def names(self) -> list[str]:
        """The targets without what is secret in them: a webhook's path often is."""
        return [f"webhook {urlsplit(url).hostname}" for url in self.webhooks] + [f"mail {one}" for one in self.emails]

    def problems(self, named: Mapping[str, str]) -> list[str]:
        """What is wrong with them, for a person.

        Args:
            named: what each field is called where it was given.
        """
        found = []
        if any(not _is_http(url) for url in self.webhooks):
            found.append(f"{named['webhooks']} takes an address that begins with https:// or http://.")
        if self.emails and not self.smtp:
            found.append(f"{named['emails']} needs {named['smtp']}, the mail server: smtp://mail.example:587")
        if self.smtp and (wrong := _smtp_problem(self.smtp)):
            found.append(f"{named['smtp']} {wrong}")
        if wrong := next((one for one in (*self.emails, self.sender) if one and ("@" not in one or "\n" in one)), ""):
            found.append(f"{named['emails']}: {wrong[:80]!r} is no mail address.")
        return found


def _is_http(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:  # a bracket left open
        return False


def _smtp_problem(url: str) -> str:
    try:
        server = urlsplit(url)
        port_is_readable = server.port is None or server.port > 0
    except ValueError:
        port_is_readable = False
    if not port_is_readable or server.scheme not in ("smtp", "smtps") or not server.hostname:
        return "takes smtp://host:port or smtps://host:port, with user@ where the server asks for one."
    return f"holds a password, which others can read there: set {PASSWORD}." if server.password else ""
