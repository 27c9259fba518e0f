"""Front matter as far as it governs a file: what counts of it, and what keeps the file out of every answer.

Other tools write front matter too, and theirs (title, tags, layout) says nothing about who may read a file. But one that
holds, or nearly holds, a governance key is ours: misspelt, broken or half open it never makes way for what the folder
is given, since that would answer people whom its writer meant to keep out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

import yaml

from core.errors import GovernanceError
from retrieval.governance import (
    KEYS,
    Entries,
    Entry,
    NotYaml,
    describes,
    front_of,
    is_ours,
    problems_of,
    split_front_matter,
    unix,
    unknown,
)
from retrieval.near_keys import OTHER_TOOLS, SHARED, UNMISTAKABLE, meant, meant_in_lines

_OPENED: Final = re.compile(r"\A[\s\ufeff\u200b]*(--+|\+{3,}|;{3,}|~{3,}|[–—―]-?)[^\n]*\n")
"""What is meant to open front matter: dashes never closed or joined by a word processor, and the signs of TOML."""
_BEGINS_WITH_A_KEY: Final = re.compile(r"\A\n*[\w\"'][^\n:]{0,60}:(?:\s|\Z)")
_NEVER_EMPTY: Final = ("classification", "allowed_groups")


class Unclear(GovernanceError):
    """Front matter that may say who reads the file, and cannot be taken at its word: the file answers nobody."""


def read_front_matter(text: str, name: str) -> dict[str, Entry] | None:
    """The front matter as far as we know its keys; None where there is none, or another tool's in its own dialect.

    Raises:
        Unclear: it may say who reads the file, and is misspelt, broken or not closed.
    """
    text = unix(text)
    try:
        front, _ = split_front_matter(text, name)
    except GovernanceError as error:
        match = front_of(text)
        broken = match and isinstance(error, NotYaml) and _BEGINS_WITH_A_KEY.match(match[1])
        if broken or (match and any(meant_in_lines(match[1]))):
            raise Unclear(str(error)) from None
        return None
    if front is None:
        _refuse_half_open(text, name)
        return None
    problems = [
        f"{where}: {key!r} stands inside another key: write it at the left margin" for key, where in _below(front)
    ]
    if is_ours(front):
        strange = [key for key in front if key not in KEYS and key.lower() not in OTHER_TOOLS]
        problems += [f"{front[key].where}: {unknown(key, KEYS, meaning=meant(key))}" for key in strange]
    if problems:
        raise Unclear("; ".join(problems))
    return {key: entry for key, entry in front.items() if key in KEYS}


def said_of_the_file(front: Entries, *, but: Collection[str] = ()) -> dict[str, Entry]:
    """What counts of front matter that is ours. A key without a value says nothing over what another place says.

    Where no key is unmistakably ours another tool may have written the rest: a department, language, review, source or
    title counts where we can read it, and a version never, since theirs counts something else and may go down.

    Args:
        but: keys that somebody has decided by hand.

    Raises:
        Unclear: a value that may close the file cannot be read.
    """
    filled = {key: entry for key, entry in front.items() if entry.value is not None or key in _NEVER_EMPTY}
    said = {key: entry for key, entry in filled.items() if key not in but}
    if is_unmistakable(front):
        return said
    said = {key: entry for key, entry in said.items() if key in SHARED or describes(key, entry)}
    if problems := problems_of(said, known_groups=()):
        raise Unclear("; ".join(problems))
    return said


def is_unmistakable(front: Entries) -> bool:
    """Whether it holds a key that no other tool writes."""
    return not front.keys().isdisjoint(UNMISTAKABLE)


def without_our_front_matter(text: str, name: str) -> str:
    """A text in whose format front matter is unusual, without it where it is ours."""
    try:
        front, rest = split_front_matter(text, name)
    except GovernanceError:
        return text
    return rest if front and is_ours(front) else text


def _refuse_half_open(text: str, name: str) -> None:
    """Raises Unclear where a text begins as if by front matter with one of our keys, and we cannot read it as such."""
    match = _OPENED.match(text)
    if match is None:
        return
    rest = text[match.end() :]
    head = rest.lstrip("\n").partition("\n\n")[0]
    first = text.count("\n", 0, match.end()) + len(rest) - len(rest.lstrip("\n")) + 1
    decisive = (*UNMISTAKABLE, *SHARED) if match[1] == "---" else UNMISTAKABLE
    for number, key, meaning in meant_in_lines(head):
        if meaning in decisive:
            raise Unclear(
                f"{name}:{first + number}: {key[:60]!r} stands in front matter that cannot be read: write it in YAML, "
                "and open and close it with a line of three dashes"
            )


def _below(front: Entries) -> Iterator[tuple[str, str]]:
    """Keys of ours inside another key's value, where nothing would read them, each with its place."""
    for entry in front.values():
        if isinstance(entry.value, yaml.MappingNode):
            yield from ((key.value, entry.where) for key, _ in entry.value.value if key.value in UNMISTAKABLE)
