"""Small Llamas made on the spot: a tokenizer that knows a test's own words, and weights that are the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.offline import go_quiet

SPECIAL = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
"""The first one ends an answer and pads: its id is 0."""


def new_tokenizer(texts: Sequence[str], *, vocab_size: int, template: str, longest: int = 8192) -> Any:
    """Byte-level BPE trained on the texts, so that what consists of their words is short."""
    go_quiet()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=SPECIAL[0], pad_token=SPECIAL[0], model_max_length=longest
    )
    tokenizer.chat_template = template
    return tokenizer


def new_llama(tokenizer: Any, **shape: Any) -> Any:
    """A Llama with random weights from a fixed seed. `shape`: what its configuration says of sizes."""
    go_quiet()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    longest = tokenizer.model_max_length
    tokens: dict[str, Any] = {"eos_token_id": 0, "bos_token_id": None, "pad_token_id": 0}
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=longest, num_key_value_heads=2, **tokens, **shape
        )
    )
