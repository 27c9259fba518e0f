"""A large public model of names from a folder: its labels read as our kinds, the same in chat, documents and redaction, or no start."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from core.settings import Settings, load_settings
from guardrails.documents import DocumentScan
from guardrails.names_model import Beside, Label, kind_of, names_of
from guardrails.ner import open_names
from guardrails.pii import Recognisers
from guardrails.policy import load_policy, read_policy
from guardrails.rails import build_guards
from training.dataset_redact import Redaction

TEXT = "Zorblax Quuxly of frobnitz lives in Blivet."
"""The models here fire on these words alone."""
FIRES = {"zorblax": "B-PER", "quuxly": "I-PER", "frobnitz": "B-ORG", "blivet": "B-LOC", "gadget": "B-MISC"}
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "B-MISC"]
LENGTH = 32


def write_token_classifier(
    folder: Path, labels: Sequence[str] = LABELS, *, fires: dict[str, str] | None = None
) -> Path:
    """A BERT without layers: each word's embedding points at its label, and the head reads that direction."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    fires = FIRES if fires is None else fires
    words = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", *fires]
    inner = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        model_max_length=LENGTH,
    )
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=8,
        num_hidden_layers=0,
        num_attention_heads=1,
        max_position_embeddings=LENGTH,
        id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
    )
    torch.manual_seed(0)
    model = BertForTokenClassification(config)
    with torch.no_grad():
        layers = model.bert.embeddings
        for embedding in (layers.word_embeddings, layers.position_embeddings, layers.token_type_embeddings):
            embedding.weight.zero_()
        model.classifier.weight.zero_()
        for number in range(len(labels)):
            model.classifier.weight[number, number] = 3.0
        for number, word in enumerate(words):
            layers.word_embeddings.weight[number, labels.index(fires.get(word, labels[0]))] = 1.0
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def write_spacy_pipeline(folder: Path) -> Path:
    """A pipeline whose `ner` was taught two names."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    ner: Any = nlp.add_pipe("ner")
    taught = [("Zorblax went to Blivet", {"entities": [(0, 7, "PERSON"), (16, 22, "GPE")]})]
    for label in ("PERSON", "GPE", "CARDINAL"):
        ner.add_label(label)
    examples = [Example.from_dict(nlp.make_doc(text), given) for text, given in taught]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_classifier(tmp_path_factory.mktemp("models") / "classifier")


def found(names: Any, text: str) -> list[tuple[str, str]]:
    return [(f.kind, text[f.start : f.end]) for f in names.find(text)]


def set_to(folder: Path) -> Settings:
    return Settings(names_model=folder)


@pytest.mark.parametrize(
    ("label", "kind", "begins"),
    [
        ("B-PER", "PERSON", True),
        ("I-PER", "PERSON", False),
        ("U-PERSON", "PERSON", True),
        ("L-ORG", "ORGANIZATION", False),
        ("S-LOC", "LOCATION", True),
        ("PER", "PERSON", False),
        ("GPE", "LOCATION", False),
        ("FAC", "LOCATION", False),
        ("NORP", "NATIONALITY", False),
        ("B-street_address", "STREET_ADDRESS", True),
        ("I-date_of_birth", "DATE_OF_BIRTH", False),
        ("private_person", "PERSON", False),
        ("organisation", "ORGANIZATION", False),
        ("O", "", False),
        ("B-MISC", "", True),
        ("CARDINAL", "", False),
        ("LABEL_0", "", False),
    ],
)
def test_labels_of_public_models_are_read_as_our_kinds(label: str, kind: str, begins: bool) -> None:
    assert kind_of(label) == Label(kind, begins)


def test_a_token_classifier_finds_what_its_head_fires_on(classifier: Path) -> None:
    names = names_of(set_to(classifier))
    assert isinstance(names, Beside)
    assert names.kinds == {"PERSON", "LOCATION", "ORGANIZATION"}
    assert found(names.model, TEXT) == [
        ("PERSON", "Zorblax Quuxly"),
        ("ORGANIZATION", "frobnitz"),
        ("LOCATION", "Blivet"),
    ]
    assert found(names.model, "zorblax Zorblax; blivet, gadget") == [
        ("PERSON", "zorblax"),
        ("PERSON", "Zorblax"),
        ("LOCATION", "blivet"),
    ]
    assert all(0.5 < f.score <= 1 for f in names.model.find(TEXT))
    assert found(names.model, "") == found(names.model, "...") == []


def test_a_text_longer_than_the_model_reads_is_read_to_its_end(classifier: Path) -> None:
    names = names_of(set_to(classifier))
    assert isinstance(names, Beside)
    text = "Nothing here at all. " * 40 + "Zorblax Quuxly is. " * 30
    assert found(names.model, text) == [("PERSON", "Zorblax Quuxly")] * 30


def test_kinds_that_the_model_does_not_know_stay_the_packaged_networks(classifier: Path) -> None:
    text = "Ask Nora Whitcombe, 12 High Street, Leeds LS1 4AP, about Zorblax."
    packaged = {kind for kind, _ in found(open_names(), text)}
    assert {"PERSON", "STREET_ADDRESS"} <= packaged
    kinds = {said: kind for kind, said in found(names_of(set_to(classifier)), text)}
    assert kinds["Zorblax"] == "PERSON"
    assert "STREET_ADDRESS" in kinds.values()
    assert "Nora Whitcombe" not in kinds  # the model has a label for people, so only its word counts there


def test_a_spacy_pipeline_serves_too(tmp_path: Path) -> None:
    names = names_of(set_to(write_spacy_pipeline(tmp_path / "pipeline")))
    assert isinstance(names, Beside)
    assert names.kinds == {"PERSON", "LOCATION"}
    assert found(names.model, "Zorblax went to Blivet") == [("PERSON", "Zorblax"), ("LOCATION", "Blivet")]


def test_chat_documents_and_redaction_share_the_model(classifier: Path) -> None:
    settings = set_to(classifier)
    policy = read_policy(
        "personal_data: {entities: {PERSON: {question: mask, answer: mask, documents: count}, LOCATION: {question: mask}}}\n"
        "rails: {personal_data_question: {budget_ms: 60000}, personal_data_answer: {budget_ms: 60000}}\n"
    )
    guards = build_guards(settings, "A template that no sentence repeats.", policy=policy)
    asked, said = guards.input[-1], guards.output[-1]
    assert (asked.name, said.name) == ("personal_data_question", "personal_data_answer")
    text = "a zorblax is under the blivet"  # in which nothing else sees a name
    assert asked.check(text).text == "a <PERSON> is under the <PLACE>"
    assert said.check(text).text == "a <PERSON> is under the blivet"
    assert DocumentScan(policy, names_of(settings))(text) == {"PERSON": 1}
    redaction = Redaction(settings, load_policy())
    assert redaction._masked(text, redaction._people).startswith("a <PERSON> is ")
    assert Recognisers(policy.thresholds(), names=names_of(Settings())).find(text) == ()


def test_nothing_is_fetched(classifier: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried: list[object] = []

    def refused(_: object, address: object, *rest: object) -> Iterator[None]:
        tried.append(address)
        raise OSError("no network here")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refused)
    copy = tmp_path / "copy"
    shutil.copytree(classifier, copy)
    assert names_of(set_to(copy)) != "packaged"
    (copy / "model.safetensors").unlink()
    broken = tmp_path / "broken"
    copy.rename(broken)
    with pytest.raises(SettingsError):
        names_of(set_to(broken))
    assert tried == []


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (shutil.rmtree, "no such folder"),
    "empty": (lambda f: [one.unlink() for one in f.iterdir()], "no config.json and no config.cfg"),
    "weights gone": (lambda f: (f / "model.safetensors").unlink(), "cannot be read"),
    "weights cut off": (lambda f: cut(f / "model.safetensors"), "cannot be read"),
    "configuration cut off": (lambda f: cut(f / "config.json"), "cannot be read"),
    "tokeniser cut off": (lambda f: cut(f / "tokenizer.json"), "cannot be read"),
    "another kind of model": (
        lambda f: (f / "config.json").write_text(
            (f / "config.json").read_text().replace("BertForTokenClassification", "BertModel")
        ),
        "no model for token classification",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_that_cannot_serve_stops_the_start_and_says_what_to_do(
    classifier: Path, tmp_path: Path, damage: str
) -> None:
    act, said = DAMAGES[damage]
    copy = tmp_path / damage.replace(" ", "_")
    shutil.copytree(classifier, copy)
    act(copy)
    with pytest.raises(SettingsError, match=rf"ASSISTANT_NAMES_MODEL=.*{said}.*Name a folder that holds"):
        build_guards(set_to(copy), "A template.")


def test_incomplete_weights_are_not_filled_with_random_ones(classifier: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "headless"
    shutil.copytree(classifier, copy)
    weights = {k: v for k, v in load_file(copy / "model.safetensors").items() if not k.startswith("classifier")}
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SettingsError, match="weights are incomplete"):
        names_of(set_to(copy))


def test_a_model_without_a_label_for_people_is_refused_with_its_labels(tmp_path: Path) -> None:
    folder = write_token_classifier(tmp_path / "numbers", ["LABEL_0", "LABEL_1"], fires={"zorblax": "LABEL_1"})
    with pytest.raises(SettingsError, match=r"none of its labels is a person's name: LABEL_0, LABEL_1"):
        names_of(set_to(folder))


def test_the_setting_is_read_from_the_environment(
    classifier: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSISTANT_NAMES_MODEL", str(classifier))
    assert load_settings(home=tmp_path).names_model == classifier.resolve()
