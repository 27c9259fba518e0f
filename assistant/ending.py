"""An answer ends where its caller wants it ended: after so many tokens, or before words that the caller names."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from assistant.tokens import fitting
from assistant.trace import CUT_LENGTH, CUT_STOP, Trace


def ended(texts: Generator[str], trace: Trace) -> Generator[str]:
    """What is shown of an answer's pieces. Past its end nothing more is written; the trace keeps what was shown."""
    ending = Ending(trace.question.max_tokens, trace.question.stop)
    with closing(texts):
        try:
            for text in texts:
                if part := ending.take(trace.released_text(text)):
                    yield part
                if ending.cut:
                    texts.close()  # which ends what the answer cites; then what is left of it
                    trace.cut(ending.cut, ending.shown)
                    return
            if ending.held:
                yield ending.rest()
        finally:
            trace.released = [ending.shown]


class Ending:
    """What is shown of a text that comes in pieces.

    Attributes:
        shown: what `take` and `rest` gave so far.
        held: what came after it: white space, or what may be the beginning of words to stop before.
        cut: CUT_LENGTH or CUT_STOP, once the text has ended there.
    """

    def __init__(self, max_tokens: int | None, stop: Sequence[str]) -> None:
        self._max_tokens = max_tokens
        self._stop = stop
        self.shown = self.held = self.cut = ""

    def take(self, text: str) -> str:
        """What is shown now that the next piece has come."""
        whole = self.shown + self.held + text
        fits = len(whole) if self._max_tokens is None else fitting(whole, self._max_tokens)
        stop_at = min((at for stop in self._stop if (at := whole.find(stop)) >= 0), default=len(whole))
        end = min(fits, stop_at)
        if end < len(whole):
            self.cut = CUT_LENGTH if fits < stop_at else CUT_STOP
        else:
            end -= max((_begun(whole, stop) for stop in self._stop), default=0)
        return self._show(whole, len(whole[:end].rstrip()))

    def rest(self) -> str:
        """What is held, once nothing comes after it."""
        whole = self.shown + self.held
        return self._show(whole, len(whole))

    def _show(self, whole: str, end: int) -> str:
        part = whole[len(self.shown) : end]
        self.shown, self.held = self.shown + part, whole[end:]
        return part


def _begun(text: str, stop: str) -> int:
    """How many characters at the text's end are the beginning of those words, and not yet all of them."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
