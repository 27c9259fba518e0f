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

TRUE = "Every employee has 25 days of annual leave a year."
FALSE = " Trips to the moon cost nothing!"
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STEPS = 200


def write_tiny_llama(folder: Path, *, endless: bool = False) -> Path:
    """Make the model's folder, the same weights every time; an endless one says its sentences again and again."""
    go_quiet()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        eos_token_id=0,
        bos_token_id=None,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    end = f" {TRUE}" if endless else "<|end|>"
    _teach(model, torch.tensor([tokenizer.encode(f"<|assistant|>{TRUE}{FALSE}{end}")]))
    model.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """Byte-level BPE in which each word of the two sentences is one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [f"{TRUE}{FALSE} {TRUE}"],
        trainers.BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>", model_max_length=8192
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


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
