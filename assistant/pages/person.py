"""Who is asking, and how a page tells them what went wrong."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import gradio as gr

from core.errors import AssistantError, NotFound, NotSignedIn
from core.records import Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

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
    """Show our own errors as a message on the page. Other errors stay Gradio's, which shows no detail."""

    @functools.wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except AssistantError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False, title="This did not work") from None

    return wrapped
