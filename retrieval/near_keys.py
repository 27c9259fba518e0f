"""Which governance key somebody meant by a key in front matter: spelt right, nearly right, or in another common word.

Front matter belongs to many tools. What one of them writes is no business of ours; but a key that nearly says who may
read a file must never be taken for one of theirs, or the file answers under whatever its folder is given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

UNMISTAKABLE: Final = ("document_id", "classification", "allowed_groups", "denied_groups", "legal_hold")
"""Keys that no other tool writes: front matter with one of them is ours, whatever else it holds."""
SHARED: Final = ("owner", "effective", "expires", "status")
"""Keys that other tools write too. They take a file out of the answers or name who answers for it, so they count."""
DESCRIBING: Final = ("title", "version", "department", "review", "language", "source")
"""Keys that open and close nothing: by themselves they make no front matter ours."""
_OTHERS: Final = (
    "aliases author authors categories category comments cover created cssclasses cspell date description excerpt "
    "featured hide icon image keywords lang last_modified lastmod layout linktitle menu modified nav_order "
    "nav_title order parent permalink questions redirect_from redirect_to robots search sidebar sidebar_label "
    "sidebar_position slug subtitle summary tag tags template thumbnail toc type updated url weight"
)
OTHER_TOOLS: Final = frozenset(_OTHERS.split())
"""Keys of site generators and note takers that may stand beside ours and say nothing to us; lower case."""
_SAME: Final = {
    "access": "allowed_groups",
    "accessgroups": "allowed_groups",
    "acl": "allowed_groups",
    "allow": "allowed_groups",
    "allowed": "allowed_groups",
    "group": "allowed_groups",
    "groups": "allowed_groups",
    "readers": "allowed_groups",
    "classified": "classification",
    "confidential": "classification",
    "confidentiality": "classification",
    "restricted": "classification",
    "securityclassification": "classification",
    "securitylevel": "classification",
    "sensitivity": "classification",
    "visibility": "classification",
    "denied": "denied_groups",
    "deny": "denied_groups",
    "docid": "document_id",
    "effectivedate": "effective",
    "effectivefrom": "effective",
    "validfrom": "effective",
    "expiration": "expires",
    "expirationdate": "expires",
    "expiry": "expires",
    "expirydate": "expires",
    "validuntil": "expires",
}
"""Other words for our keys, written together."""
_NEAR: Final = 0.8
"""Two letters of ten may differ: `clasification`, `allowed_group`, `ownr`, not `source`, `versions` or `outdated`."""
_LINE: Final = re.compile(r"^[\s>*\-\"'{?]*([^\W\d_][\w .\-]{0,60}?)[\"']?[ \t]*[:=]")


@lru_cache(maxsize=4096)
def meant(key: str) -> str:
    """The key of `UNMISTAKABLE` or `SHARED` that this is, or nearly is; "" where it is none."""
    plain = _plain(key)
    if key.lower() in OTHER_TOOLS or key in DESCRIBING or not plain:
        return ""
    if plain in _SAME:
        return _SAME[plain]
    ours = {_plain(one): one for one in (*UNMISTAKABLE, *SHARED)}
    likeness = {one: SequenceMatcher(None, plain, one, autojunk=False).ratio() for one in ours}
    best = max(likeness, key=lambda one: likeness[one])
    return ours[best] if likeness[best] >= _NEAR else ""


def meant_in_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """`(line from 0, key as written, key meant)` of text that may be no YAML: every line that begins like one of our keys."""
    for number, line in enumerate(text.split("\n")):
        if (match := _LINE.match(line)) and (key := meant(match[1])):
            yield number, match[1], key


def _plain(key: str) -> str:
    """Letters and digits only, without accents and case: `Allowed-Groups` is `allowedgroups`."""
    ascii_only = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", ascii_only)
