"""A large public model of names as Presidio's language model, from a folder on this machine: ASSISTANT_NAMES_MODEL.

    names_of(settings)      what Recognisers take as `names`: the model of the folder, or "packaged" where none is set

The folder holds a Hugging Face token-classification model or a spaCy pipeline. Nothing is fetched, and no code of the folder runs.
Its labels are read as our kinds (`kind_of`); the kinds that it has no label for stay the packaged network's.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import SettingsError
from core.settings import Settings, setting_name
from guardrails.ner import Found, Names, open_names

_KINDS: Mapping[str, str] = {
    "PERSON": "PER PERS PERSON PERSONNAME NAME PATIENT STAFF HCW GIVENNAME FIRSTNAME SURNAME LASTNAME MIDDLENAME",
    "LOCATION": "LOC LOCATION GPE FAC FACILITY GEO PLACE CITY COUNTRY STATE COUNTY REGION",
    "STREET_ADDRESS": "ADDRESS STREETADDRESS STREET",
    "POSTCODE": "POSTCODE ZIPCODE ZIP POSTALCODE",
    "ORGANIZATION": "ORG ORGANIZATION ORGANISATION COMPANY COMPANYNAME CORPORATION HOSP VENDOR",
    "NATIONALITY": "NORP NATIONALITY",
    "DATE_OF_BIRTH": "DATEOFBIRTH DOB BIRTHDATE",
}
_KIND_OF = {label: kind for kind, labels in _KINDS.items() for label in labels.split()}
_BEGINS = frozenset("BUS")
"""Prefixes of labels at which an entity begins, in IOB, BILOU and BIOES."""
_PREFIXES = _BEGINS | frozenset("ILEM")
LONGEST = 512
"""Tokens that a model reads at once, unless it says that it reads fewer."""
SPACY_SCORE = 0.85
"""spaCy names no probability of an entity; Presidio gives its findings this one too."""


class Label(NamedTuple):
    """A model's label as ours: the kind, or "" for what is none of ours, and whether an entity begins with it."""

    kind: str
    begins: bool


def kind_of(label: str) -> Label:
    """Our kind of a model's label: `B-PER`, `GPE` or `private_person`, whatever its case and signs."""
    prefix, sign, rest = label[:1].upper(), label[1:2], label[2:]
    prefixed = sign in ("-", "_") and prefix in _PREFIXES
    name = "".join(c for c in (rest if prefixed else label).upper() if c.isalnum()).removeprefix("PRIVATE")
    return Label(_KIND_OF.get(name, ""), prefixed and prefix in _BEGINS)


@dataclass(frozen=True)
class Beside:
    """What a model finds of the kinds that it knows, and what the packaged network finds of the others."""

    model: Names
    kinds: frozenset[str]
    others: Names

    def find(self, text: str) -> list[Found]:
        rest = [found for found in self.others.find(text) if found.kind not in self.kinds]
        return sorted([*self.model.find(text), *rest], key=lambda found: found.start)


class TokenClassifier:
    """A Hugging Face token-classification model. Safe in threads: only the tokeniser takes one text at a time.

    Args:
        labels: the model's labels by their number.
    """

    def __init__(self, tokenizer: Any, model: Any, labels: Sequence[Label]) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._kinds = sorted({label.kind for label in labels if label.kind})
        self._columns = np.array([[label.kind == kind for kind in ["", *self._kinds]] for label in labels], np.float32)
        self._begins = np.array([[label.kind == kind and label.begins for kind in self._kinds] for label in labels])
        limits = (LONGEST, tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", LONGEST))
        self._length = min(int(limit) for limit in limits if limit and limit > 0)
        self._lock = threading.Lock()

    def find(self, text: str) -> list[Found]:
        """The entities of a text in order, none overlapping; a long text is read in windows that overlap."""
        found: list[Found] = []
        last, begun = -2, 0
        for word, (start, end, row) in sorted(self._words(text).items()):
            by_kind = row @ self._columns
            best = int(by_kind.argmax())
            if best == 0:
                continue
            kind, score = self._kinds[best - 1], float(by_kind[best])
            begins = 2 * float(row @ self._begins[:, best - 1]) > score
            if last == word - 1 and found[-1].kind == kind and not begins:
                words = word - begun
                mean = (found[-1].score * words + score) / (words + 1)
                found[-1] = Found(kind, found[-1].start, end, mean)
            else:
                found.append(Found(kind, start, end, score))
                begun = word
            last = word
        return found

    def _words(self, text: str) -> dict[int, tuple[int, int, NDArray[np.float32]]]:
        """Each word's place, and the probability of each label for its first token, where the window shows most around it."""
        words: dict[int, tuple[int, int, NDArray[np.float32]]] = {}
        around: dict[int, int] = {}
        for encoding, rows in self._read(text):
            ids = encoding.word_ids
            own: dict[int, list[int]] = {}
            for place, word in enumerate(ids):
                if word is not None:
                    own.setdefault(word, []).append(place)
            for word, places in own.items():
                room = min(places[0], len(ids) - places[-1])
                if room > around.get(word, -1):
                    around[word] = room
                    start, end = encoding.offsets[places[0]][0], encoding.offsets[places[-1]][1]
                    start += len(text[start:end]) - len(
                        text[start:end].lstrip()
                    )  # some tokenisers count the space before
                    words[word] = (start, end, rows[places[0]])
        return words

    def _read(self, text: str) -> list[tuple[Any, NDArray[np.float32]]]:
        """The windows of a text, each with the probability of each label for each of its tokens."""
        import torch

        with self._lock:
            windows = self._tokenizer(
                text,
                truncation=True,
                max_length=self._length,
                stride=self._length // 8,
                return_overflowing_tokens=True,
                padding=True,
                return_tensors="pt",
            )
        windows.pop("overflow_to_sample_mapping", None)
        with torch.inference_mode():
            rows = self._model(**windows).logits.float().softmax(-1).numpy()
        return list(zip(windows.encodings, rows, strict=True))


class SpacyPipeline:
    """A spaCy pipeline with a recogniser `ner`. A text's words are forgotten when it is done."""

    def __init__(self, nlp: Any, labels: Mapping[str, Label]) -> None:
        self._nlp = nlp
        self._labels = labels
        self._lock = threading.Lock()

    def find(self, text: str) -> list[Found]:
        with self._lock, self._nlp.vocab.memory_zone():
            entities = [(self._labels[e.label_].kind, e.start_char, e.end_char) for e in self._nlp(text).ents]
        return [Found(kind, start, end, SPACY_SCORE) for kind, start, end in entities if kind]


def names_of(settings: Settings) -> Names | Literal["packaged"]:
    """The recogniser of names that the settings choose; a folder's is loaded by the first that asks.

    Raises:
        SettingsError: the folder holds no such model; the message says what to do.
    """
    return _opened(settings.names_model) if settings.names_model else "packaged"


@cache
def _opened(folder: Path) -> Beside:
    from safetensors import SafetensorError

    broken = (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, EOFError)
    try:
        if (folder / "config.json").is_file():
            model, labels = _token_classifier(folder)
        elif (folder / "config.cfg").is_file():
            model, labels = _spacy_pipeline(folder)
        else:
            there = "no config.json and no config.cfg in it" if folder.is_dir() else "no such folder"
            raise _wrong(folder, there)
        kinds = frozenset(label.kind for label in labels.values() if label.kind)
        if "PERSON" not in kinds:
            raise _wrong(folder, f"none of its labels is a person's name: {', '.join(sorted(labels)[:20])}")
        model.find("Ask Nora Whitcombe in Leeds.")  # what fails here stops the start; and a first reading is slow
        return Beside(model, kinds, open_names())
    except (*broken, SafetensorError, UnpicklingError) as error:
        raise _wrong(folder, f"it cannot be read ({type(error).__name__})") from error


def _token_classifier(folder: Path) -> tuple[Names, dict[str, Label]]:
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **here)
    # A model of another kind would load too, with a head of random weights.
    if not any(name.endswith("ForTokenClassification") for name in config.architectures or ()):
        raise _wrong(folder, "its config.json names no model for token classification")
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **here)
    if not tokenizer.is_fast:
        raise _wrong(folder, "its tokeniser cannot tell where a token stands; it needs a tokenizer.json")
    model, told = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True, **here)
    if told["missing_keys"]:
        raise _wrong(folder, f"its weights are incomplete ({len(told['missing_keys'])} are missing)")
    labels = [config.id2label[number] for number in range(config.num_labels)]
    classifier = TokenClassifier(tokenizer, model.eval(), [kind_of(label) for label in labels])
    return classifier, {label: kind_of(label) for label in labels}


def _spacy_pipeline(folder: Path) -> tuple[Names, dict[str, Label]]:
    import spacy

    nlp = spacy.load(folder, exclude=["tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer"])
    if "ner" not in nlp.pipe_names:
        raise _wrong(folder, f"its pipeline has no `ner`, only {', '.join(nlp.pipe_names) or 'nothing'}")
    ner: Any = nlp.get_pipe("ner")
    labels = {label: kind_of(label) for label in ner.labels}
    return SpacyPipeline(nlp, labels), labels


def _wrong(folder: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{setting_name('names_model')}={folder}: {why}. Name a folder that holds a Hugging Face token-classification model (config.json, "
        "tokenizer.json, model.safetensors, as `hf download MODEL --local-dir FOLDER` leaves them) or a spaCy pipeline (config.cfg with a "
        "component `ner`), or leave the setting empty for the packaged network of names."
    )
