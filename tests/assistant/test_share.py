"""One person's share of what is answered at once."""

from __future__ import annotations

import pytest

from assistant.share import Share
from core.errors import TooManyAtOnce


def test_a_place_is_ones_own_and_is_given_back_however_the_answer_ends() -> None:
    share = Share(2)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), share.of("emma"):
            raise ZeroDivisionError
    with share.of("emma"), share.of("hana"), share.of("emma"):
        with pytest.raises(TooManyAtOnce, match="2 of your questions"), share.of("emma"):
            pass
    with share.of("emma"):
        pass
