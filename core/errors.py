"""Every error that we raise on purpose, one tree; `assistant/web/errors.py` maps it to HTTP and to the page.

    AssistantError              exit 1, HTTP 500
    ├── SettingsError           exit 2          several settings may be wrong: all are listed
    ├── BadInput                exit 2, 422     the caller's text, file or option; says what to change
    │   ├── TooLarge            exit 2, 413     a request or an upload above the limit that the message names
    │   ├── DocumentError       exit 2, 422     one file cannot be converted; the rest goes on
    │   ├── GovernanceError     exit 2, 422     metadata with an unknown key, group or value: file and line
    │   └── AdapterRefused      exit 2, 422     an adapter's files are damaged, unsafe or of another base
    ├── NotFound                exit 2, 404     also where the caller may not know that it exists
    ├── Conflict                exit 2, 409     the thing is there already, or in a state that forbids it
    ├── NotAllowed              exit 3, 403     signed in, but without the role or the group
    ├── NotSignedIn             exit 3, 401
    ├── TooMany                 exit 3, 429     rate limit; says when to try again
    │   └── TooManyAtOnce       exit 3, 429     as many of the person's questions as one may ask are being answered
    └── Unavailable             exit 4, 503     something that we need does not answer
        ├── StoreUnavailable                    database down, locked, read-only, disk full
        ├── IndexUnavailable                    Qdrant down, or the embedded index is open elsewhere
        ├── ModelUnavailable                    the served model does not answer
        ├── GuardUnavailable                    a guard gives no verdict, so that every question is refused
        └── MissingExtra                        an optional package is not installed: the line to type

A message says what is wrong and what to do; it never carries people's text.
"""

from __future__ import annotations


class AssistantError(Exception):
    """Base of the tree. `exit_code` is the command line's, `http_status` the API's, `code` the stable name."""

    exit_code = 1
    http_status = 500

    @property
    def code(self) -> str:
        """Stable snake_case name of the class, as the API and the metrics spell it."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class SettingsError(AssistantError):
    exit_code = 2


class BadInput(AssistantError):
    exit_code = 2
    http_status = 422


class TooLarge(BadInput):
    http_status = 413


class DocumentError(BadInput):
    pass


class GovernanceError(BadInput):
    pass


class AdapterRefused(BadInput):
    pass


class NotFound(AssistantError):
    exit_code = 2
    http_status = 404


class Conflict(AssistantError):
    exit_code = 2
    http_status = 409


class NotAllowed(AssistantError):
    exit_code = 3
    http_status = 403


class NotSignedIn(AssistantError):
    exit_code = 3
    http_status = 401


class TooMany(AssistantError):
    exit_code = 3
    http_status = 429
    retry_after_s = 60


class TooManyAtOnce(TooMany):
    retry_after_s = 5


class Unavailable(AssistantError):
    exit_code = 4
    http_status = 503


class StoreUnavailable(Unavailable):
    pass


class IndexUnavailable(Unavailable):
    pass


class ModelUnavailable(Unavailable):
    pass


class GuardUnavailable(Unavailable):
    pass


class MissingExtra(Unavailable):
    pass
