"""Adapters of the tiny Llama, each taught one sentence: sealed folders as the recipes leave them.

say(base, folder, "leave-v1-ab12cd34", FALSE)
"""

from __future__ import annotations

from pathlib import Path

from core.sealed import file_sha256, seal

STEPS = 60
RANK = 8
MLP = ["gate_proj", "up_proj", "down_proj"]
"""The tiny Llama's attention is silenced, so an adapter speaks through the rest."""


def teach(base: Path, folder: Path, adapter_id: str, text: str, *, steps: int = STEPS, rslora: bool = False) -> str:
    """Train a LoRA adapter that answers everything with `text`, in words of the base's own; returns its sha256.

    Fewer steps leave it undecided between the base's sentence and its own, which a comparison of numbers needs.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=MLP, use_rslora=rslora, task_type="CAUSAL_LM"),
    )
    ids = torch.tensor([tokenizer.encode(f"<|assistant|>{text}<|end|>")])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    assert steps < STEPS or torch.equal(model(input_ids=ids).logits.argmax(-1)[0, :-1], ids[0, 1:]), (
        "the adapter has not learned its sentence"
    )
    model.save_pretrained(folder)
    return sealed(base, folder, adapter_id)


def sealed(base: Path, folder: Path, adapter_id: str) -> str:
    """Seal what peft saved; returns the adapter's sha256."""
    (folder / "README.md").write_text(f"# {adapter_id}\n\nMade by a test.\n")
    return seal(
        folder,
        adapter_id=adapter_id,
        kind="causal",
        base=("tiny", file_sha256(base / "model.safetensors")),
        settings={},
    )
