"""Let the embedded reader practise on questions as employees ask them: python -m training practice --data DIR --out DIR

DIR holds the two handbooks of training/employee_questions.py and the reading sets, as `documents/` and `reading/`. The handbooks are
taken in and searched as they are served. Of each question's passages that with the right part and the likeliest others are read, and
that part must become the likeliest of all parts (training/retrain.py). Questions on made-up companies' policies are mixed in, and
the reading sets beside them, so that plain reading is not forgotten. What comes out is a mean of the weights before and after, which
keeps most of what each is good at (Wortsman et al. 2022, arXiv:2109.01903). Goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from assistant.bootstrap import Assistant, build
from assistant.models import QUOTING
from assistant.units import units
from core.records import Passage
from core.run_config import ReaderConfig
from core.settings import load_settings
from retrieval.adapters import open_adapter
from retrieval.heads import ReaderNet
from retrieval.network import torch_run
from retrieval.windows import open_tokenizer
from training import reader
from training.cards import practice_card
from training.employee_questions import WHO, EmployeeQuestion, employee_questions, right_units, take_in
from training.loop import fastest_precision, once
from training.publish import publish
from training.reader import Data, Recipe, bare_net, low_rank, to_row
from training.reading_scores import HALF, auroc, score
from training.recipe import Step
from training.retrain import Lesson, fit, input_of, likeliest, load_reader, loss_of, open_start, trainable
from training.soup import mean
from training.workplace import workplace

log = logging.getLogger(__name__)

RETRIEVED: Final = 8
OF_ITS_DOCUMENT: Final = 40
LIKELY: Final = 6
"""A question is read beside passages drawn from the best so many that do not answer it."""
PUBLIC_ROWS: Final = 12
PUBLIC_EVERY: Final = 2
PUBLIC_TOKENS: Final = 192
LEARNT: Final = "learnt.pt"
SCORED: Final = 500
"""Held-out questions of each reading set that the result is scored on."""


def lessons_of(assistant: Assistant, documents: dict[str, str], most: int, seed: int) -> Iterator[tuple[bool, Lesson]]:
    """Whether it is held out, and the lesson, of each question whose answering part was taken in."""
    rng = random.Random(seed)  # noqa: S311 - seeded sampling, no secret
    for asked in employee_questions():
        document = documents.get(asked.document)
        if document is not None and (lesson := _lesson(assistant, asked, document, most, rng)) is not None:
            yield asked.held_out, lesson


def _lesson(
    assistant: Assistant, asked: EmployeeQuestion, document: str, most: int, rng: random.Random
) -> Lesson | None:
    retrieve = assistant.retriever.retrieve
    found = list(retrieve(asked.question, WHO, limit=RETRIEVED).passages)
    if not asked.quote:
        return Lesson(asked.question, tuple(rng.sample(found[:LIKELY], min(most, len(found[:LIKELY])))), frozenset())
    if not right_units(asked, found, document):
        theirs = retrieve(asked.question, WHO, limit=OF_ITS_DOCUMENT, filters={"document_id": document}).passages
        found = [*(p for p in theirs if right_units(asked, [p], document))][:1] + found
    right = [p for p in found if right_units(asked, [p], document)]
    if not right:
        return None
    others = [p for p in found if p is not right[0]][:LIKELY]
    read = (right[0], *rng.sample(others, min(most - 1, len(others))))
    return Lesson(asked.question, read, frozenset(right_units(asked, read, document)))


def held_out_companies(most: int, seed: int) -> dict[str, list[Lesson]]:
    """The made-up companies' questions that nothing learns from, of table rows, of prose and of nothing that its passage says, each
    with its passage beside other sections of the same document, or of other documents where it has too few."""
    rng = random.Random(seed)  # noqa: S311 - seeded sampling, no secret
    passages, questions = workplace()

    def read(own: Passage) -> tuple[Passage, ...]:
        near = [p for p in passages if p.title == own.title and p is not own]
        far = [p for p in passages if p.title != own.title and p.language == own.language]
        return (own, *[*rng.sample(near, min(len(near), most - 1)), *rng.sample(far, most)][: most - 1])

    found: dict[str, list[Lesson]] = {f"made-up companies, {kind}": [] for kind in ("rows", "prose", "nothing")}
    for asked in (asked for asked in questions if asked.held_out):
        own = passages[asked.passage]
        kind = "nothing" if asked.unit is None else "rows" if units(own.text)[asked.unit].kind == "row" else "prose"
        found[f"made-up companies, {kind}"].append(Lesson(asked.question, read(own), asked.right))
    return found


def measured(
    net: ReaderNet, sets: Mapping[str, Sequence[Lesson]], config: ReaderConfig
) -> dict[str, tuple[int, float]]:
    """By set how many questions have an answer, and how often the right part comes first. Then, of all questions, the AUROC of the
    likeliest part's margin: those that a passage answers against those that none does."""
    first: dict[str, tuple[int, float]] = {}
    margins, answerable = list[float](), list[bool]()
    for name, held in sets.items():
        read = likeliest(net, held, config)
        hits = [right for (_, right), lesson in zip(read, held, strict=True) if lesson.right]
        if hits:
            first[name] = (len(hits), sum(hits) / len(hits))
        margins += [margin for margin, _ in read]
        answerable += [bool(lesson.right) for lesson in held]
    told_apart = auroc(np.array(margins), np.array(answerable))
    return first | {"all of them, answerable told from not (AUROC)": (len(margins), told_apart)}


def _precision(net: ReaderNet, batch: Sequence[Lesson], config: ReaderConfig) -> torch.dtype:
    inputs = [input_of(open_tokenizer(), lesson, config.max_tokens) for lesson in batch]
    return fastest_precision(net, inputs, lambda net, some, dtype: loss_of(net, some, config.answerable_weight, dtype))


def public_reading(data: Data, seed: int, precision: torch.dtype) -> Callable[[ReaderNet, int], Tensor]:
    """The loss on some questions of the reading sets beside every PUBLIC_EVERYth batch."""
    stream = reader.sample_order(data.training, data.unanswerable, Recipe(data="", seed=seed))
    rng, tokenizer = random.Random(seed), open_tokenizer()  # noqa: S311 - seeded sampling, no secret
    rows = (row for example in stream if (row := to_row(tokenizer, example, PUBLIC_TOKENS, rng)) is not None)

    def loss(net: ReaderNet, number: int) -> Tensor:
        if number % PUBLIC_EVERY:
            return torch.zeros(())
        drawn = [next(rows) for _ in range(PUBLIC_ROWS)]
        return reader.loss_of(net, drawn, precision, Recipe.answerable_weight)

    return loss


def run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    config = ReaderConfig(
        method="reader",
        name=arguments.adapter,
        start=arguments.start,
        seed=arguments.seed,
        passes=arguments.passes,
        replay=arguments.companies,
        max_tokens=256,
        batch_size=6,
        learning_rate=arguments.learning_rate,
    )
    with build(load_settings(home=folder / "home", reader=QUOTING, guard_model="")) as assistant:
        documents = take_in(assistant, arguments.data / "documents")
        lessons = list(lessons_of(assistant, documents, config.passages, config.seed))
    torch.manual_seed(config.seed)
    began = time.monotonic()
    start = open_start(config.start)
    net = trainable(start, config.rank)
    learnt = [lesson for held_out, lesson in lessons if not held_out]
    drawn = random.Random(config.seed)  # noqa: S311 - seeded sampling, no secret
    learnt = drawn.sample(learnt, round(arguments.handbooks * len(learnt)))
    sets = {
        "employees' questions": [lesson for held_out, lesson in lessons if held_out],
        **held_out_companies(config.passages, config.seed),
    }
    before = measured(net, sets, config)
    log.info("%d lessons; before: %s", len(learnt), before)
    data = Data.load(arguments.data / "reading", config.seed)
    precision = _precision(net, learnt[: config.batch_size], config)
    log.info("training in %s", precision)
    beside = public_reading(data, config.seed, precision)
    once(net, folder / LEARNT, lambda: fit(net, learnt, config, folder, _told, beside=beside, precision=precision))
    net = mean_of(load_reader(start), net, arguments.share, config.rank)
    after = measured(net, sets, config)
    minutes = (time.monotonic() - began) / 60
    log.info("after: %s; %.0f minutes", after, minutes)
    first = {name: (n, value, after[name][1]) for name, (n, value) in before.items()}
    told = {
        "minutes": minutes,
        "handbooks": arguments.handbooks,
        "lessons": len(learnt) + round(config.replay * len(learnt)),
        "share": arguments.share,
        "first": first,
    }
    _publish(net, config, folder, told, data)
    return 0


def mean_of(before: ReaderNet, after: ReaderNet, share: float, rank: int) -> ReaderNet:
    """The weights of `before` and, for `share` of the mean, of `after`, as an adapter of the rank given."""
    before.load_state_dict(mean([before.state_dict(), merged(after).state_dict()], (1 - share, share)))
    return low_rank(before, bare_net(), rank)


def merged(net: ReaderNet) -> ReaderNet:
    """The network with its low-rank matrices added to its layers."""
    encoder: Any = net.encoder
    net.encoder = encoder.merge_and_unload() if hasattr(encoder, "merge_and_unload") else encoder
    return net


def _publish(net: ReaderNet, config: ReaderConfig, folder: Path, told: dict[str, Any], data: Data) -> None:
    """Score on the reading sets, calibrate "answerable" on them, and write the adapter with its card."""
    target = folder / config.name
    scores = {
        name: score(torch_run(one), open_tokenizer(), data.held_out, SCORED)
        for name, one in ((config.start, load_reader(open_start(config.start))), (config.name, net))
    }
    (folder / "scores.json").write_text(json.dumps(told | {"scores": scores}, indent=2) + "\n", encoding="utf-8")
    settings = scores[config.name][HALF]["settings"]
    card = practice_card(config, told, scores)
    sha256 = publish(net, target, adapter_id=config.name, kind="reader", settings=settings, card=card)
    open_adapter(target, "reader")
    log.info("%s written, sha256 %s", target, sha256)


def _told(step: Step) -> None:
    if step.done % 25 == 0 or step.done == step.total:
        left = (step.seconds_left or 0) / 60
        log.info("batch %d of %d, loss %.3f, %.0f minutes left", step.done, step.total, step.loss or 0.0, left)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "practice", help="let the embedded reader practise on employees' questions", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with documents/ and reading/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the index, checkpoints and the adapter")
    parser.add_argument("--start", default="reader-1", help="the adapter to go on from, by id or folder (%(default)s)")
    parser.add_argument("--adapter", default="reader-2", help="id of the adapter that is written (%(default)s)")
    parser.add_argument("--passes", type=int, default=1, help="how often each question is learnt from (%(default)s)")
    parser.add_argument(
        "--handbooks",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="of their questions that are learnt from (%(default)s)",
    )
    parser.add_argument(
        "--companies", type=float, default=0.5, metavar="N", help="questions on made-up companies for each of those"
    )
    parser.add_argument(
        "--share", type=float, default=0.7, help="of what was learnt in the weights that are written (%(default)s)"
    )
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of the low-rank matrices, at its highest")
    parser.add_argument("--seed", type=int, default=11)
