"""The demo suite's figures, from the lines that scripts/bench.py keeps in docs/figures.jsonl to the tables of docs/figures.md and the README.

    section(lines)            docs/figures.md: every slice, for every system
    readme(lines)             the README: by kind, and the stated aims

Three measures: `WHOLE` (one line a system), `AIMS` (one a system and stated figure), `SLICES` (one a system and part of the suite).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]

WHOLE = "demo suite"
AIMS = "demo suite, aims"
SLICES = "demo suite, slices"
MEASURES = (WHOLE, AIMS, SLICES)
SYSTEMS = ("assistant", "langchain", "retrieval")
FITTED = "fitted on"
"""The dimension that parts the cases on which the reader's answer weights were fitted from the others."""
BEGIN, END = "<!-- demo suite -->", "<!-- /demo suite -->"


def section(lines: Sequence[Line]) -> str:
    """The part of docs/figures.md on the demo suite; "" where no line speaks of it."""
    whole = _whole(lines)
    if not whole:
        return ""
    measured = ("seconds", "aim_seconds", "prepared_seconds", "latency_p50_ms", "latency_p95_ms", "peak_mb")
    rows = [[_name(w), w["n"], _share(w), *(w[name] for name in measured)] for w in whole]
    head = table(["system", "n", "passed", *measured], rows)
    parts = [f"## Demo suite\n\n{_made(whole[0])}. {_notes(lines)}", head, _aims(lines, places=1)]
    names = dict.fromkeys(line["slice"] for line in lines if line["measure"] == SLICES and line["slice"] != "all")
    parts += [f"By {name}:\n\n{_slices(lines, name, places=1)}" for name in names]
    return "\n\n".join(parts)


def readme(lines: Sequence[Line]) -> str:
    """What stands between the README's marks; "" where no line speaks of the suite."""
    whole = _whole(lines)
    if not whole:
        return ""
    told = (
        f"The demo suite's {whole[0]['n']} cases, {_made(whole[0])}; the whole suite in {round(whole[0]['seconds'])} s (aim under "
        f"{whole[0]['aim_seconds']}). Passed, share and its 95 % interval; [every slice](docs/figures.md#demo-suite), "
        "[why what is missed is missed](docs/limits.md):"
    )
    return "\n\n".join([told, _slices(lines, "kind", places=0), _aims(lines, places=0), _notes(lines)])


def into_readme(text: str, block: str) -> str:
    """The README with the block between its marks, unchanged where there is no block. Raises ValueError where a mark is missing."""
    if not block:
        return text
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"README.md lacks {BEGIN} or {END}: the demo suite's tables stand between them")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *([str(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _slices(lines: Sequence[Line], name: str, *, places: int) -> str:
    """One dimension: a row a part, a column a system; the whole suite first."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for line in lines:
        if line["measure"] == SLICES and line["slice"] in ("all", name):
            found.setdefault((line["slice"], line["value"]), {})[line["system"]] = line
    rows = [
        [value, next(iter(by.values()))["n"], *(_share(by[w["system"]], places) for w in _whole(lines))]
        for (_, value), by in found.items()
    ]
    return table([name, "n", *map(_name, _whole(lines))], rows)


def _aims(lines: Sequence[Line], *, places: int) -> str:
    """The stated figures, each with its aim, and whether what serves reaches it."""
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        if line["measure"] == AIMS:
            found.setdefault(line["figure"], {})[line["system"]] = line
    rows = []
    for figure, by in found.items():
        ours = by[SYSTEMS[0]]
        rates = (_rate(by[w["system"]], places) if w["system"] in by else "–" for w in _whole(lines))
        rows.append([figure, ours["n"], *rates, _aim(ours)])
    return table(["figure", "n", *map(_name, _whole(lines)), "aim"], rows)


def _aim(line: Line) -> str:
    if line["aim"] is None:
        return "none stated"
    aim = f"{'at most' if line['at_most'] else 'at least'} {100 * line['aim']:.0f} %"
    return aim if line["reached"] else f"{aim}: **missed**"


def _notes(lines: Sequence[Line]) -> str:
    """What a reader has to know before they compare."""
    ours = _whole(lines)[0]
    attacks = next(line for line in lines if line["measure"] == AIMS and line["figure"] == "injection success")
    fitted = {line["value"]: line for line in lines if line["measure"] == SLICES and line["slice"] == FITTED}
    follow_ups = ours["follow_ups"]
    known = next((f"{one['n']} of the cases" for value, one in fitted.items() if value == "yes"), "some of the cases")
    return (
        f"The chain and retrieval alone are asked the last question only: the {follow_ups} follow-ups without what was asked before. "
        "The chain has the same answer model, and no access rules, guards or threshold. To pass takes more than the right words: nothing found "
        "that the person may not read or that is not in force, a source, and in a refusal somebody to ask, whom neither of the two names. "
        f"The model's answer weights were fitted on {known} (demo/questions-a.yaml, demo/questions-b.yaml): figures.md has their share beside the others'. "
        f"None of {attacks['n']} attacks getting anything would leave up to {100 * ours['none_of_attacks']:.1f} % by the interval."
    )


def _whole(lines: Sequence[Line]) -> list[Line]:
    """One line a system, in the order of the columns."""
    found = {line["system"]: line for line in lines if line["measure"] == WHOLE}
    return [found[system] for system in SYSTEMS if system in found]


def _name(whole: Line) -> str:
    names = {
        "assistant": f"{whole['adapter']} as served",
        "langchain": "plain LangChain chain",
        "retrieval": "retrieval alone",
    }
    return names[whole["system"]]


def _made(whole: Line) -> str:
    machine = whole["machine"]
    return f"{whole['date']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, no GPU"


def _share(line: Line, places: int = 1) -> str:
    return f"{line['passed']}, {_rate(line, places)}"


def _rate(line: Line, places: int) -> str:
    rate, low, high = (f"{100 * line[name]:.{places}f}" for name in ("rate", "low", "high"))
    return f"{rate} % ({low}–{high})"
