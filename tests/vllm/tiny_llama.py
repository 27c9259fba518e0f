"""Writes a Llama of 3 million weights that always says the same: python -m tests.vllm.tiny_llama FOLDER

Its attention is silenced, so that each word follows from the one before alone, and 200 steps of training teach it two
sentences: one that the tests' documents bear out, and one that nothing does. A real server can then be seen to
stream an answer whose one half is shown and whose other half is withheld.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from core.offline import go_quiet
from tests.small_llama import new_llama, new_tokenizer

TRUE = "Every employee has 25 days of annual leave a year."
FALSE = " Trips to the moon cost nothing!"
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STEPS = 200


def write_tiny_llama(folder: Path, *, endless: bool = False) -> Path:
    """Make the model's folder, the same weights every time; an endless one says its sentences again and again.

    An endless one is deep: a token that takes 2 ms is made before the server has sent the one before, so that a whole
    answer arrives at once, and there is no middle of it to kill the server in.
    """
    go_quiet()
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    texts = [f"{TRUE}{FALSE} {TRUE}"]  # so that each word of the two sentences is one token
    tokenizer = new_tokenizer(texts, vocab_size=1000, template=TEMPLATE)
    tokenizer.save_pretrained(folder)
    layers = 32 if endless else 4
    model = new_llama(
        tokenizer, hidden_size=256, intermediate_size=512, num_hidden_layers=layers, num_attention_heads=4
    )
    end = f" {TRUE}" if endless else "<|end|>"
    _teach(model, torch.tensor([tokenizer.encode(f"<|assistant|>{TRUE}{FALSE}{end}")]))
    model.save_pretrained(folder)
    return folder


def _teach(model: Any, ids: Any) -> None:
    import torch

    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        layer.self_attn.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    said = model(input_ids=ids).logits.argmax(-1)
    assert torch.equal(said[0, :-1], ids[0, 1:]), "the tiny model has not learned its sentences"


if __name__ == "__main__":
    sys.stdout.write(f"{write_tiny_llama(Path(sys.argv[1]))}\n")
