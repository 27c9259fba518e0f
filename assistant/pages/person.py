"""Who is asking, and how a page tells them what went wrong."""

from __future__ import annotations

import functools
import html
import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import gradio as gr

from assistant.pages import shell
from core.errors import AssistantError, NotFound, NotSignedIn
from core.ratings import Ratings
from core.records import Principal
from core.review_queue import STAFF

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

log = logging.getLogger(__name__)
UNFORESEEN = "Something went wrong on the server. Try again; if it stays, tell the support desk."

P = ParamSpec("P")
R = TypeVar("R")


def signed_in(assistant: Assistant, request: gr.Request) -> Principal:
    """The person of this request, read anew each time, so that a change of groups or clearance counts at once.

    Raises:
        NotSignedIn: no session, or the account was deactivated meanwhile.
    """
    try:
        return assistant.people.get(request.username or "")
    except NotFound:
        raise NotSignedIn("Your session has ended: sign in again.") from None


def told(handler: Callable[P, R]) -> Callable[P, R]:
    """Show our own errors as a message on the page, and of any other error only that there was one.

    Gradio would print an error with everything that it says, and that may be what somebody wrote.
    """

    @functools.wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except AssistantError as error:
            raise _message(str(error)) from None
        except Exception as error:  # noqa: BLE001 - the request's boundary
            noted(error, handler.__qualname__)
            raise _message(UNFORESEEN) from None

    return wrapped


def account_of(assistant: Assistant) -> Callable[[gr.Request], str]:
    """A page's handler that draws the signed-in person, whatever else the page refuses them."""

    @told
    def drawn(request: gr.Request) -> str:
        return account_html(assistant, signed_in(assistant, request))

    return drawn


def account_html(assistant: Assistant, who: Principal) -> str:
    """The person, and whether the page Ratings is theirs: for staff always, for an expert while something is left to rate."""
    rates = bool(who.roles & STAFF) or Ratings(assistant.store, assistant.audit).waits_for(who)
    return shell.account(who, rates=rates)


def noted(error: Exception, where: str) -> None:
    """Log an unforeseen error: its class and its place in the code, never its message."""
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s in %s\n%s", type(error).__name__, where, place)


def _message(text: str) -> gr.Error:
    return gr.Error(html.escape(text), print_exception=False, title="This did not work")
