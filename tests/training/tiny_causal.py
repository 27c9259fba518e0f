"""A causal model of 60,000 weights that knows nothing, and rows to teach it: made in a tenth of a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from assistant.prompt import SYSTEM, USER
from core.run_config import CONFIGS, CausalConfig, Method
from tests.assistant.passages import passage
from tests.small_llama import new_llama, new_tokenizer
from tests.vllm.tiny_llama import TEMPLATE
from training.recipe import Step
from training.rows import Row, Rows, Target

LEAVE = passage("Every employee has 25 days of annual leave a year. Leave is asked for in Daybook.", title="Leave")
DESK = passage("Desks are booked in Seatfinder. A desk that nobody claims by ten is free for anybody.", title="Desks")
SMALL = {"rank": 4, "batch_size": 2, "accumulate": 1, "least_rows": 2, "learning_rate": 1e-2, "epochs": 2.0, "seed": 3}


def write_tiny_causal(folder: Path) -> Path:
    """The model's folder, the same weights every time; its tokenizer knows the prompt's words, so that prompts are short."""
    texts = [SYSTEM, USER, LEAVE.text, DESK.text] * 3
    tokenizer = new_tokenizer(texts, vocab_size=900, template=TEMPLATE, longest=2048)
    tokenizer.save_pretrained(folder)
    model = new_llama(
        tokenizer,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.2,  # an adapter can only say what the frozen output layer tells apart
    )
    model.save_pretrained(folder)
    return folder


def config(method: Method, base: Path, **changes: object) -> CausalConfig:
    made = CONFIGS[method].model_validate({"method": method, "name": "tiny", "base": base, **SMALL, **changes})
    assert isinstance(made, CausalConfig)
    return made


def span(question: str, answer: str, at: int = 0, rejected: str = "") -> Row:
    passages = (LEAVE, DESK)
    start = passages[at].text.index(answer)
    target = Target("span", answer, at, start, start + len(answer))
    return Row(question, question, passages, target, rejected=rejected)


ROWS = (
    span("How many days do I have?", "Every employee has 25 days of annual leave a year.", 0, "Nobody knows that."),
    span("Where do I ask for leave?", "Leave is asked for in Daybook.", 0, "Leave is asked for in Seatfinder."),
    span("Where do I get a desk?", "Desks are booked in Seatfinder.", 1, "Desks are booked in Daybook."),
    span("When is a desk free?", "A desk that nobody claims by ten is free for anybody.", 1, "At noon."),
)
GIVEN = Rows(ROWS, ROWS[:1], ceiling="internal")


def nothing_told(_: Step) -> None: ...


def losses(steps: list[Step]) -> list[float]:
    return [step.loss for step in steps if step.loss is not None]


def metric(steps: list[Step], name: str) -> list[float]:
    return [step.metrics[name] for step in steps if name in step.metrics]


def written(folder: Path) -> Mapping[str, bytes]:
    """Every file of an adapter's folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
