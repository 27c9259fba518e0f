"""The house's figures, each with its limit: python scripts/house.py. Exits 1 where one is over.

Counts what docs/contributor.md asks for: mutual package imports, the longest function, the most parameters, mock and
patch lines per 1,000 test lines, broad excepts per 1,000 functions.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "retrieval", "guardrails", "assistant", "training", "eval")
DOUBLE = re.compile(r"\b(Mock|MagicMock|patch|mocker|monkeypatch\.setattr)\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    limit: float
    where: str = ""

    def __str__(self) -> str:
        mark = " OVER" if self.value > self.limit else ""
        return f"{self.name:<42} {self.value:>6g}  (limit {self.limit:g}){mark}  {self.where}".rstrip()


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


def is_broad(node: ast.AST) -> bool:
    """A bare except, or one that names Exception or BaseException."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})


def parameters(function: Function) -> int:
    arguments = function.args
    return len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)


def test_doubles() -> float:
    lines = [line for path in (ROOT / "tests").rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    return round(1000 * sum(bool(DOUBLE.search(line)) for line in lines) / max(1, len(lines)), 1)


def figures() -> list[Figure]:
    edges: set[tuple[str, str]] = set()
    lengths: list[tuple[int, str]] = [(0, "")]
    counts: list[tuple[int, str]] = [(0, "")]
    broad = 0
    for path, tree in sources():
        for node in ast.walk(tree):
            edges |= {(path.parts[0], name) for name in imported(node) if name in PACKAGES}
            broad += is_broad(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f"{path}:{node.lineno} {node.name}"
                lengths.append(((node.end_lineno or node.lineno) - node.lineno + 1, where))
                counts.append((parameters(node), where))
    mutual = [f"{a}-{b}" for a, b in combinations(PACKAGES, 2) if (a, b) in edges and (b, a) in edges]
    per_thousand = round(1000 * broad / max(1, len(lengths) - 1), 1)
    return [
        Figure("mutual package imports", len(mutual), 0, " ".join(mutual)),
        Figure("longest function (lines)", *_with_limit(max(lengths), 60)),
        Figure("most parameters", *_with_limit(max(counts), 7)),
        Figure("mock/patch lines per 1,000 test lines", test_doubles(), 10),
        Figure("broad excepts per 1,000 functions", per_thousand, 20),
    ]


def _with_limit(found: tuple[int, str], limit: int) -> tuple[int, int, str]:
    return found[0], limit, found[1]


def main() -> int:
    found = figures()
    print(*found, sep="\n")
    return int(any(figure.value > figure.limit for figure in found))


if __name__ == "__main__":
    sys.exit(main())
