"""What a reader scores on held-out questions, as it is served on this machine: what its card says, measured again.

    python -m training score --data FOLDER
    python -m training score --data FOLDER --adapter reader-5 --plot calibration.svg --json

FOLDER holds the reading sets; what is judged is held out by article and by site (`training/reading_data.py`). --plot draws how
often a question was answerable beside how sure the reader was of it, on questions of which half are unanswerable.

JSON fields, one object a line:
  each set          set, n, f1, f1_low, f1_high, em, em_low, em_high (per cent, 95 % intervals)
  half unanswerable, written to look answerable
                    set, n, f1, f1_low, f1_high, auroc
  each kind of it   set, kind, n, auroc (against all the answerable questions)
  calibration       set, stated, observed, low, high, n (one line a tenth of what was stated)

Exit codes: 0 done, 2 wrong input.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assistant.console import add_json, say
from assistant.reader import SPANS
from core.settings import load_settings
from retrieval.network import compile_once, run_of
from retrieval.windows import open_tokenizer
from training.reading_data import load, split
from training.reading_scores import HALF, score, wilson
from training.retrain import open_start
from training.unanswerable import judged

SEED = 7
"""Of the unanswerable questions that are made: the one of reader-1's card."""
Line = dict[str, Any]


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "score",
        help="score a reader on held-out questions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="folder with the reading sets")
    parser.add_argument("--adapter", default=SPANS, help="a shipped reader's id, or an adapter's folder (%(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the calibration into this SVG file")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    adapter = open_start(args.adapter)
    held_out = judged(split(load(args.data))[1], SEED)
    compiled, folder = compile_once(adapter, load_settings().models_folder)
    network = run_of(adapter, folder, compiled.fastest() if compiled else "torch")
    scores = score(network, open_tokenizer(), held_out, len(held_out))
    for line in lines_of(scores):
        say(args, told(line), line)
    if args.plot and HALF in scores:
        draw(scores[HALF]["calibration"], f"{adapter.adapter_id}, n = {scores[HALF]['n']}", args.plot)
    return 0


def lines_of(scores: Mapping[str, Mapping[str, Any]]) -> Iterator[Line]:
    """The fields that the module's text names, of what `reading_scores.score` gave."""
    for name, found in scores.items():
        line: Line = {"set": name, "n": found["n"]}
        for measure in ("f1", "em"):
            if measure in found:
                low, high = found[f"{measure}_interval"]
                line |= {measure: found[measure], f"{measure}_low": low, f"{measure}_high": high}
        yield line | ({"auroc": found["auroc"]} if "auroc" in found else {})
    half = scores.get(HALF, {})
    for kind, area in half.get("auroc_by_kind", {}).items():
        yield {"set": HALF, "kind": kind, "n": half["each_kind"], "auroc": area}
    for tenth in half.get("calibration", []):
        low, high = wilson(tenth["observed"], tenth["n"])
        bounds = {"low": round(low, 3), "high": round(high, 3)}
        yield {"set": HALF, "stated": tenth["stated"], "observed": tenth["observed"], **bounds, "n": tenth["n"]}


def told(line: Line) -> str:
    """A line for a terminal."""
    if "stated" in line:
        return f"  stated {line['stated']:.2f}, observed {line['observed']:.2f} ({line['low']:.2f}-{line['high']:.2f}), n {line['n']}"
    if "kind" in line:
        return f"  {line['kind']}: AUROC {line['auroc']}, n {line['n']}"
    parts = [
        f"{name} {line[key]} ({line[f'{key}_low']}-{line[f'{key}_high']})"
        for name, key in (("F1", "f1"), ("EM", "em"))
        if key in line
    ]
    parts += [f"AUROC {line['auroc']}"] if "auroc" in line else []
    return f"{line['set']}: {', '.join(parts)}, n {line['n']}"


def draw(tenths: Sequence[Mapping[str, float]], name: str, file: Path) -> None:
    """A reliability diagram as SVG, the same bytes for the same figures."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot(
        xlabel="stated chance that the passage answers", ylabel="share that it answered", xlim=(0, 1), ylim=(0, 1)
    )
    stated, observed = [t["stated"] for t in tenths], [t["observed"] for t in tenths]
    bounds = [wilson(t["observed"], int(t["n"])) for t in tenths]
    spread = [
        [at - low for at, (low, _) in zip(observed, bounds, strict=True)],
        [high - at for at, (_, high) in zip(observed, bounds, strict=True)],
    ]
    axes.plot((0, 1), (0, 1), "--", color="0.6", linewidth=1)
    axes.errorbar(stated, observed, yerr=spread, fmt="o", capsize=3)
    axes.set_title(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):  # text stays text, and ids do not change
        figure.savefig(file, format="svg", metadata={"Date": None})
