"""YAML that comes with documents, read within bounds: front matter, governance.yaml, metadata of uploads.

An alias says a value again without its words, so that a few lines can stand for more than memory holds, and thousands
of brackets end the process inside the C parser. Both are refused while the text is only cut into events, before
anything is built of it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where it is built in: it is faster, and takes a question mark inside a list as text."""
DEEPEST: Final = 20
LONGEST_NUMBER: Final = 1000
_NUMBER: Final = re.compile(r"[-+0-9_:.]+")


def load(text: str) -> Any:
    """What the text says; None where it is empty. Raises yaml.YAMLError, and nothing else."""
    node = compose(text)
    return None if node is None else value_of(node)


def compose(text: str) -> yaml.Node | None:
    """The text as nodes, which know their lines. Raises yaml.YAMLError, and nothing else."""
    try:
        _refuse_costly(text)
        node: yaml.Node | None = yaml.compose(text, Loader=LOADER)
    except UnicodeEncodeError:
        raise yaml.YAMLError("half a character") from None
    return node


def value_of(node: yaml.Node) -> Any:
    """What a node of `compose` says. Raises yaml.YAMLError, and nothing else."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, LookupError, ArithmeticError, AttributeError):  # as PyYAML has it for 2026-13-45 and !!int ""
        raise ConstructorError(None, None, "a value that cannot be read", node.start_mark) from None
    finally:
        loader.dispose()


def _refuse_costly(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases such as *name are not read: write the value itself"
        elif depth > DEEPEST:
            problem = f"nested more than {DEEPEST} deep"
        elif isinstance(event, yaml.ScalarEvent) and _is_endless(event.value):
            problem = f"a number of more than {LONGEST_NUMBER:,} characters"
        else:
            continue
        raise ComposerError(None, None, problem, event.start_mark)  # type: ignore[arg-type]  # the C parser's, as good


def _is_endless(scalar: str) -> bool:
    """YAML takes 1:30:15 for a number of base 60, whose reading grows with the square of its length."""
    return len(scalar) > LONGEST_NUMBER and _NUMBER.fullmatch(scalar) is not None
