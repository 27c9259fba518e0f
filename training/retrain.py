"""Recipe `reader`: the embedded reader goes on from an adapter that it has, on what reviewers corrected.

A row is learnt as it is served: its question meets its passages as the reader reads them, and of all their sentences, items and
table rows the one that the reviewer marked must become the likeliest (a softmax over the parts of all passages, the form in which
`assistant/embedded.py` weighs them). Where nothing answers, no part may beat "no answer here". Questions on made-up companies'
documents are mixed in, so that what was learnt before stays. rank 0 fine-tunes in full, to compare with.

The adapter's sealed settings say what its view is worth among the other signals: `span_weight` of its configuration. Its scope says
which questions it reads: those near to one that it was taught, whose passage the person may read (docs/design/scope.md).
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from assistant.embedded import SPAN_WEIGHT
from assistant.readable import Readable, readable
from assistant.units import places
from core.errors import BadInput
from core.records import Passage
from core.run_config import ReaderConfig
from retrieval.adapters import SHIPPED, Adapter, base_folder, open_adapter
from retrieval.backends import TorchEmbedder
from retrieval.heads import ReaderNet, load_net
from retrieval.scope import Scope
from retrieval.windows import Window, build_windows, collate, open_tokenizer
from training.loop import trainable_linear_layers
from training.publish import publish
from training.reader import bare_net, low_rank
from training.recipe import Progress, Step, Taken, require_rows, write_scores, write_taken
from training.rows import Row, Rows
from training.workplace import workplace

log = logging.getLogger(__name__)

FULL_RANK: Final = 384
"""Rank at which the change of every layer of the encoder is kept whole."""
MOST_WINDOWS = 24
"""Windows of one question; a document of more is cut."""
WARMUP = 0.1
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_EVERY_S = 30.0


Units = tuple[tuple[int, int, bool], ...]
"""First and last token of each unit that lies whole in a window, and whether it answers."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question, the passages that it is read in, and the (passage, unit) pairs that answer it; none where nothing does.

    `known` where the answer was right as it was, and is learnt so that it stays right.
    """

    question: str
    passages: tuple[Passage, ...]
    right: frozenset[tuple[int, int]]
    known: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """A lesson's windows, and the units of each."""

    windows: tuple[Window, ...]
    units: tuple[Units, ...]


def train(config: ReaderConfig, rows: Rows, folder: Path, progress: Progress) -> Path:
    """Train in `folder` and return the sealed adapter in it; goes on from its last checkpoint.

    Raises:
        BadInput: too few rows that say which part of a passage answers. AdapterRefused, NotFound: `start` does not verify.
    """
    lessons = [lesson for row in rows.training if (lesson := lesson_of(row, config.passages)) is not None]
    require_rows(len(lessons), config.least_rows, "rows with a marked answer")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(True)
    start = open_start(config.start)
    net = trainable(start, config.rank)
    held = [x for row in rows.validation if (x := lesson_of(row, config.passages)) is not None]
    write_taken(folder, Taken(len(lessons), len(held), tokens_of(lessons, config)))
    before = measure(net, held, config)
    fit(net, lessons, config, folder, progress)
    after = measure(net, held, config)
    learnt = measure(net, lessons, config)
    scope = scope_of(lessons).and_earlier(start.scope)
    write_scores(
        folder,
        {
            "rows": len(lessons),
            "validation_rows": len(held),
            "validation_right_before": before,
            "validation_right": after,
            "training_right": learnt,
            "questions_in_scope": len(scope.questions),
        },
    )
    if config.rank == 0:
        net = low_rank(net, bare_net(), FULL_RANK)
    target = folder / "adapter"
    settings = {**start.settings, SPAN_WEIGHT: config.span_weight}
    card = f"# {config.name}\n"
    publish(net, target, adapter_id=config.name, kind="reader", settings=settings, card=card, scope=scope)
    return target


def tokens_of(lessons: Sequence[Lesson], config: ReaderConfig) -> int:
    """Of every window in which the lessons are read."""
    tokenizer = open_tokenizer()
    inputs = (input_of(tokenizer, lesson, config.max_tokens) for lesson in lessons)
    return sum(len(window.ids) for one in inputs for window in one.windows)


def scope_of(lessons: Sequence[Lesson]) -> Scope:
    """The questions of what is new in some lessons, each with the passage that answers it."""
    new = [lesson for lesson in lessons if lesson.right and not lesson.known]
    vectors = TorchEmbedder(str(base_folder())).encode([lesson.question for lesson in new])
    return Scope.of((vector, one.passages[0].text) for vector, one in zip(vectors, new, strict=True))


def lesson_of(row: Row, most: int) -> Lesson | None:
    """What a row teaches the reader; None where it teaches how to write, or to ask back, and not where to read."""
    target = row.target
    if target.kind == "refuse":
        return Lesson(row.question, row.passages[:most], frozenset())
    if target.kind == "clarify" or target.passage is None:
        return None
    stands = places(row.passages[target.passage].text)
    right = [n for n, place in enumerate(stands) if place and place[0] < target.end and target.start < place[1]]
    others = [p for n, p in enumerate(row.passages) if n != target.passage][: most - 1]
    kept = (row.passages[target.passage], *others)
    known = target.kind == "confirm"
    return Lesson(row.question, kept, frozenset((0, n) for n in right), known) if right else None


def open_start(name: str) -> Adapter:
    """The adapter to go on from: a folder, or the id of a shipped one."""
    folder = Path(name) if Path(name).is_dir() else SHIPPED / name
    if not folder.is_dir():
        shipped = ", ".join(sorted(p.name for p in SHIPPED.iterdir() if p.name.startswith("reader")))
        raise BadInput(f"start: {name} is no folder and no shipped adapter ({shipped}).")
    return open_adapter(folder, "reader")


def load_reader(adapter: Adapter) -> ReaderNet:
    """A reader's network, its low-rank matrices added to its layers."""
    net = load_net(adapter)
    assert isinstance(net, ReaderNet)
    return net


def trainable(start: Adapter, rank: int) -> ReaderNet:
    """The adapter's network: its low-rank matrices and heads learn; with rank 0, every linear layer in full."""
    merged = load_reader(start)
    if rank == 0:
        trainable_linear_layers(merged.encoder)
        return merged.train()
    return low_rank(merged, bare_net(), rank).train()


def fit(
    net: ReaderNet,
    lessons: Sequence[Lesson],
    config: ReaderConfig,
    folder: Path,
    progress: Progress,
    *,
    beside: Callable[[ReaderNet, int], Tensor] | None = None,
    precision: torch.dtype = torch.float32,
) -> None:
    """AdamW over `passes` of the lessons, each mixed with replayed questions; the order is the seed's.

    Args:
        beside: a loss that is added to that of the batch of the number given.
        precision: of the layers' products; a resumed run goes on in that in which it began.
    """
    tokenizer = open_tokenizer()
    learning = {name: p for name, p in net.named_parameters() if p.requires_grad}
    encoder = [p for name, p in learning.items() if name.startswith("encoder.")]
    heads = [p for name, p in learning.items() if not name.startswith("encoder.")]
    optimiser = torch.optim.AdamW(
        [{"params": encoder, "top": config.learning_rate}, {"params": heads, "top": config.head_learning_rate}],
        lr=config.learning_rate,
        weight_decay=0.01,
    )
    batches = list(batches_of(lessons, config))
    drawn = random.Random(config.seed + 1)  # noqa: S311 - seeded sampling, no secret
    done, precision = _resume(folder / CHECKPOINT, net, optimiser, precision)
    began = saved = time.monotonic()
    for number, batch in enumerate(batches):
        inputs = [input_of(tokenizer, lesson, config.max_tokens, drawn) for lesson in batch]
        if number < done:
            continue  # a resumed run draws what it has learnt from, and passes over it
        share = (number + 1) / len(batches)
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * min(1.0, share / WARMUP) * (1 - share + 1 / len(batches))
        loss = loss_of(net, inputs, config.answerable_weight, precision)
        if beside is not None:
            loss = loss + beside(net, number)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learning.values(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        now = time.monotonic()
        left = (now - began) / (number + 1 - done) * (len(batches) - number - 1)
        progress(Step(number + 1, len(batches), float(loss.detach()), left))
        if now - saved > CHECKPOINT_EVERY_S:
            _save(folder / CHECKPOINT, net, optimiser, number + 1, precision)
            saved = now
    (folder / CHECKPOINT).unlink(missing_ok=True)


def batches_of(lessons: Sequence[Lesson], config: ReaderConfig) -> Iterator[list[Lesson]]:
    rng = random.Random(config.seed)  # noqa: S311 - seeded sampling, no secret
    again = _replayed(config.passages, rng)
    for _ in range(config.passes):
        drawn = [*lessons, *(next(again) for _ in range(round(config.replay * len(lessons))))]
        rng.shuffle(drawn)
        for low in range(0, len(drawn), config.batch_size):
            yield drawn[low : low + config.batch_size]


def _replayed(most: int, rng: random.Random) -> Iterator[Lesson]:
    """Workplace questions without end, each with its passage among others; one in twelve without it, so that nothing answers."""
    passages, every = workplace()
    questions = [asked for asked in every if not asked.held_out]
    while True:
        for asked in rng.sample(questions, len(questions)):
            own = passages[asked.passage]
            near = [p for p in passages if p.title == own.title and p is not own]
            far = [p for p in passages if p.title != own.title and p.language == own.language]
            rng.shuffle(near)
            others = [*near[:2], *rng.sample(far, most)][: most - 1]
            if rng.random() < 1 / 12:
                yield Lesson(asked.question, tuple(others) or (rng.choice(far),), frozenset())
            else:
                yield Lesson(asked.question, (own, *others), asked.right)


def input_of(tokenizer: Tokenizer, lesson: Lesson, max_tokens: int, rng: random.Random | None = None) -> Input:
    """A lesson's windows: all of them, or with `rng` one of each passage, that with a right part where there is one."""
    texts = [readable(p) for p in lesson.passages]
    windows = build_windows(tokenizer, lesson.question, [t.text for t in texts], max_tokens=max_tokens)[:MOST_WINDOWS]
    every = [(w, _units_in(w, texts[w.passage], lesson)) for w in windows]
    if rng is not None:
        every = [
            _drawn([one for one in every if one[0].passage == n], rng)
            for n in dict.fromkeys(w.passage for w in windows)
        ]
    return Input(tuple(window for window, _ in every), tuple(found for _, found in every))


def _drawn(windows: Sequence[tuple[Window, Units]], rng: random.Random) -> tuple[Window, Units]:
    telling = [one for one in windows if any(answers for _, _, answers in one[1])]
    return rng.choice(telling or windows)


def _units_in(window: Window, text: Readable, lesson: Lesson) -> Units:
    found = []
    for unit, (low, high) in enumerate(text.places):
        tokens = [n for n, (a, b) in enumerate(window.offsets) if low <= a and b <= high and a < b]
        if tokens and window.offsets[tokens[0]][0] <= low + 1 and window.offsets[tokens[-1]][1] >= high - 2:
            right = (window.passage, unit) in lesson.right
            found.append((window.first + tokens[0], window.first + tokens[-1], right))
    return tuple(found)


def loss_of(
    net: ReaderNet, inputs: Sequence[Input], answerable_weight: float, precision: torch.dtype = torch.float32
) -> Tensor:
    """The mean loss of some lessons: the right parts against all parts, "no answer" where none is right, and answerability."""
    windows = [window for one in inputs for window in one.windows]
    with torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32):
        outputs = net(*(torch.from_numpy(array) for array in collate(windows)))
    start, end, answerable = (output.float() for output in outputs)
    total = torch.zeros(())
    at = 0
    for one in inputs:
        margins, right, labels = [], [], []
        for units in one.units:
            for low, high, answers in units:
                margins.append(_margin(start[at], end[at], low, high))
                right.append(answers)
            labels.append(float(any(answers for _, _, answers in units)))
            at += 1
        if margins:
            total = total + _listwise(torch.stack(margins), torch.tensor(right))
        judged = answerable[at - len(one.units) : at]
        total = total + answerable_weight * functional.binary_cross_entropy_with_logits(judged, torch.tensor(labels))
    return total / len(inputs)


def _margin(start: Tensor, end: Tensor, low: int, high: int) -> Tensor:
    """How far the spans of the tokens `low` to `high` of a window lie above its null span, in logits."""
    inside = slice(low, high + 1)
    return start[inside].logsumexp(0) + end[inside].logsumexp(0) - (start[0] + end[0])


def _listwise(margins: Tensor, right: Tensor) -> Tensor:
    """A softmax over all parts and "no answer" (margin 0): the right parts' share, or that of "no answer" where none is right."""
    every = torch.cat([margins, torch.zeros(1)]).logsumexp(0)
    wanted = margins[right].logsumexp(0) if bool(right.any()) else torch.zeros(())
    return every - wanted


def measure(net: ReaderNet, lessons: Sequence[Lesson], config: ReaderConfig) -> float:
    """Share of the answerable lessons whose likeliest part is a right one; 0 where there is none."""
    found = likeliest(net, [lesson for lesson in lessons if lesson.right], config)
    return sum(right for _, right in found) / len(found) if found else 0.0


@torch.no_grad()
def likeliest(net: ReaderNet, lessons: Sequence[Lesson], config: ReaderConfig) -> list[tuple[float, bool]]:
    """Of each lesson how far its likeliest part lies above "no answer", in logits, and whether that part is a right one."""
    tokenizer = open_tokenizer()
    best = []
    for lesson in lessons:
        one = input_of(tokenizer, lesson, config.max_tokens)
        start, end, _ = net(*(torch.from_numpy(array) for array in collate(one.windows)))
        found = [
            (float(_margin(start[n], end[n], low, high)), answers)
            for n, units in enumerate(one.units)
            for low, high, answers in units
        ]
        best.append(max(found, default=(-math.inf, False)))
    return best


def _save(path: Path, net: ReaderNet, optimiser: torch.optim.Optimizer, done: int, precision: torch.dtype) -> None:
    temporary = path.with_suffix(".tmp")
    learnt = {name: p for name, p in net.named_parameters() if p.requires_grad}
    torch.save({"net": learnt, "optimiser": optimiser.state_dict(), "done": done, "precision": precision}, temporary)
    temporary.replace(path)


def _resume(
    path: Path, net: ReaderNet, optimiser: torch.optim.Optimizer, precision: torch.dtype
) -> tuple[int, torch.dtype]:
    """The batches done, and the precision to go on in: of a run that had begun, its own."""
    if not path.exists():
        return 0, precision
    state: dict[str, Any] = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"], strict=False)
    optimiser.load_state_dict(state["optimiser"])
    log.info("going on from batch %d", state["done"])
    return int(state["done"]), state.get("precision", torch.float32)
