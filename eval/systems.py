"""What can be put to a suite: the assistant as served with one of its adapters, retrieval alone, a plain LangChain chain.

system = open_system("assistant", world, adapter="quote-v1")
outcome = system.ask(case)
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.citing import Cited, attach_marker, resolve_markers
from assistant.models import QUOTING, AnswerModel, open_model
from assistant.prompt import NO_ANSWER, build_prompt
from assistant.quote import QuotingModel
from assistant.sentences import pieces
from core.errors import ModelUnavailable, NotFound
from core.notices import without_notice
from core.records import Passage, Principal, Question
from core.sealed import open_sealed, require_base
from core.settings import Settings
from eval.cases import Case
from eval.scorers import Outcome
from eval.worlds import Key, World
from retrieval.adapters import adapter_folder
from retrieval.catalogue import key_from, name, passage_of
from retrieval.collection import CorpusDocument

SystemName = Literal["assistant", "retrieval", "langchain"]
CHAIN_PASSAGES = 4
"""What a LangChain retriever returns where nothing is set."""


@dataclass(frozen=True, slots=True)
class System:
    """`ask` is safe to call from several threads. `adapter_sha256` is "" where no adapter takes part."""

    name: SystemName
    adapter: str
    adapter_sha256: str
    base: str
    ask: Callable[[Case], Outcome]


def open_system(kind: SystemName, world: World, adapter: str = "") -> System:
    """The system to ask.

    Args:
        adapter: id of an answer model; "" for the one that serves.

    Raises:
        NotFound: no such adapter. ModelUnavailable: the model server does not have it or does not answer.
        MissingExtra: the chain's packages are not installed.
    """
    if kind == "retrieval":
        return System(kind, "", "", world.assistant.embedder.name, lambda case: _first_passage(world, case))
    model = open_adapter(world, adapter)
    model.ready()
    if kind == "langchain":
        return System(kind, model.adapter, adapter_sha256(world, model), model.name, _plain_chain(world, model))
    return System(kind, model.adapter, adapter_sha256(world, model), model.name, _assistant(world, model))


def open_adapter(world: World, adapter: str) -> AnswerModel:
    """The answer model of that id; the one that serves for "". Raises NotFound, naming those that there are, or ModelUnavailable."""
    serving = world.assistant.answerer.model
    settings = world.assistant.settings
    if adapter in ("", serving.adapter):
        return serving
    # An adapter is a model's name on the server that is set, which says in `ready` whether it has it; else a reader's id.
    named = {"model": adapter} if settings.model_url else {"reader": adapter}
    if adapter == QUOTING:
        named = {"reader": "quote", "model_url": "", "model": ""}
    elif settings.model_url:
        _held(settings, adapter)
    return open_model(settings.model_copy(update=named), world.assistant.embedder)


def _held(settings: Settings, adapter: str) -> None:
    """Have every model server hold a causal adapter of the home folder: nobody is served by it yet, so nobody else loads it.

    Raises:
        AdapterRefused: its files do not verify, or are for another base. ModelUnavailable: a server does not answer by it.
    """
    from assistant.fleet import Fleet
    from assistant.reconciler import Desired, Reconciler, Wanted

    try:
        # The world's `adapters` is a link to the serving home's, which the servers see.
        sealed = open_sealed(adapter_folder(settings.home, adapter).resolve())
    except NotFound:
        return  # a model's name on the server
    if sealed.kind != "causal":
        raise NotFound(f"{adapter} is a {sealed.kind[:20]}, which no model server serves: ask it with MODEL_URL unset.")
    require_base(sealed, settings.model_sha256)
    fleet = Fleet(settings)
    wanted = Desired((Wanted(adapter, sealed.folder, sealed.sha256, lambda: None),))
    folder = sealed.folder.parent
    Reconciler(fleet, lambda: wanted, adapters=folder, mounted=settings.model_adapters).round()
    bad = [one for one in fleet.standings() if one.state != "verified" and one.adapter in (adapter, fleet.base)]
    if bad:
        raise ModelUnavailable(bad[0].detail)


def adapter_sha256(world: World, model: AnswerModel) -> str:
    """The content that answers: a trained adapter's own hash, that of a served model's name (never reused), else the code's."""
    settings = world.assistant.settings
    if model.adapter != QUOTING:
        with suppress(NotFound):
            return open_sealed(adapter_folder(settings.home, model.adapter)).sha256
        if settings.model_url:
            return hashlib.sha256(f"served:{model.name}:{model.adapter}".encode()).hexdigest()
    source = Path(inspect.getfile(QuotingModel if model.adapter == QUOTING else type(model)))
    text = b"".join(file.read_bytes() for file in sorted(source.parent.glob(f"{source.stem}*.py")))
    return hashlib.sha256(model.adapter.encode() + b"\0" + text).hexdigest()


def _assistant(world: World, model: AnswerModel) -> Callable[[Case], Outcome]:
    """The served path: guards, retrieval, prompt, model, citations, the stored turn."""
    answerer = world.answerer(model)

    def ask(case: Case) -> Outcome:
        person, conversation = world.person(case), None
        for text in (*case.turns, case.question):
            answer = answerer.answer(Question(text, person, conversation_id=conversation))
            conversation = answer.conversation_id
        stored = world.assistant.turns.get(answer.turn_id, person.person_id)
        found = [((str(p["document_id"]), int(str(p["version"]))), str(p["passage_id"])) for p in stored.passages]
        keys = [*(key for key, _ in found), *((c.document_id, c.version) for c in answer.citations)]
        return Outcome(
            text=without_notice(answer.text),
            status=answer.status,
            reason=answer.reason,
            citations=answer.citations,
            passages=tuple(p for key, passage_id in found if (p := world.passage(key, passage_id))),
            forbidden=world.forbidden(iter(keys), person),
            documents=world.files,
            evidence=answer.evidence,
            timings_ms=answer.timings_ms,
        )

    return ask


def _first_passage(world: World, case: Case) -> Outcome:
    """What a search box gives: the best passage, as the answer, cited. It keeps the access rules; it never refuses what it finds."""
    person, began = world.person(case), time.perf_counter()
    limit, retriever = world.assistant.settings.retrieve_limit, world.retriever
    found = retriever.retrieve(case.question, person, limit=limit, mode=retriever.best_mode)
    if not found.passages:
        return Outcome("", "no_answer", "no_passage", timings_ms=_since(began))
    first = found.passages[0]
    text = "".join(f"{p.lead}{attach_marker(p.text, 1)}" for p in pieces([first.text]))
    return _outcome(world, person, text, found.passages, (began, found.evidence))


def _plain_chain(world: World, model: AnswerModel) -> Callable[[Case], Outcome]:
    """Split, embed, take the four nearest chunks, let the same model write: no rules of access, no guards, no threshold."""
    from retrieval.baseline import PlainLangChain

    corpus = list(_texts(world))
    chain = PlainLangChain(corpus, world.assistant.embedder)

    def ask(case: Case) -> Outcome:
        person, began = world.person(case), time.perf_counter()
        chunks = chain.chunks(case.question, CHAIN_PASSAGES)
        passages = tuple(_chunk(world, spelled, n, text) for n, (spelled, text) in enumerate(chunks))
        text = "".join(model.stream(build_prompt(case.question, passages)))
        if NO_ANSWER in text:
            return Outcome("", "no_answer", "not_in_passages", passages=passages, timings_ms=_since(began))
        return _outcome(world, person, text, passages, (began, 0.0))

    return ask


def _texts(world: World) -> Iterator[CorpusDocument]:
    """Every version that has text, whatever its rules: the chain knows none."""
    for key, of in world.documents.items():
        try:
            yield CorpusDocument(name(key), of.title, world.assistant.catalogue.full_text(*key))
        except NotFound:
            continue


def _chunk(world: World, spelled: str, number: int, text: str) -> Passage:
    identity = hashlib.sha256(f"{spelled}\n{text}".encode()).hexdigest()[:32]
    return passage_of(world.documents[key_from(spelled)], number, "", None, text, identity)


def _outcome(
    world: World, person: Principal, text: str, passages: tuple[Passage, ...], measured: tuple[float, float]
) -> Outcome:
    """An answer whose markers resolve to the passages; `measured` is when it began, and its evidence score."""
    cited = Cited(passages)
    shown = cited.renumber(resolve_markers(text, len(passages))[0]).strip()
    used: list[Key] = [(p.document_id, p.version) for p in passages]
    return Outcome(
        text=shown,
        status="answered",
        citations=cited.citations(),
        passages=passages,
        forbidden=world.forbidden(iter(used), person),
        documents=world.files,
        evidence=measured[1],
        timings_ms=_since(measured[0]),
    )


def _since(began: float) -> dict[str, float]:
    return {"total": round((time.perf_counter() - began) * 1000, 2)}
