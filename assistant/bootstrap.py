"""The composition root: the one place that knows which parts make an assistant.

    from assistant.bootstrap import build
    with build(load_settings()) as assistant:
        assistant.answerer.answer(Question("How much leave do I get?", assistant.people.get("ben.okafor")))

The commands, the web application, the evaluation and the tests call it; tests pass another answer model or embedder.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from assistant.answerer import Answerer
from assistant.models import AnswerModel, open_model
from assistant.prompt import TEMPLATE_TEXT
from assistant.rollout_start import begun
from assistant.routing import Router
from assistant.shadow import Shadows
from core.audit import Audit
from core.consent import Consent
from core.datasets import Datasets
from core.document_tasks import DocumentTasks
from core.errors import SettingsError
from core.people import People
from core.person_data import PersonData
from core.registry import Registry
from core.review_gold import Gold
from core.review_items import adopt
from core.reviews import Reviews, open_reviews
from core.rollouts import Rollouts
from core.settings import Settings
from core.store import Store
from core.turns import Turns
from guardrails.documents import DocumentScan
from guardrails.names_model import names_of
from guardrails.policy import Policy
from guardrails.policy_book import PolicyBook
from guardrails.pseudonyms import open_pseudonyms
from guardrails.rails import Guards, build_guards, failing_rails
from retrieval.adapters import adapter_folder
from retrieval.catalogue import Catalogue
from retrieval.embed import Embedder, open_embedder
from retrieval.glossary import open_glossary
from retrieval.index import Index, open_index
from retrieval.ingest import Ingest
from retrieval.judge import open_judge
from retrieval.originals import Originals
from retrieval.rerank import CrossEncoder, open_reranker
from retrieval.retriever import Retriever

if TYPE_CHECKING:
    from assistant.reconciler import Reconciler
    from assistant.tracing import Tracing


@dataclass(frozen=True)
class Assistant:
    """Every part of a running assistant. Close it, or use it as a context manager: the embedded index has one opener."""

    settings: Settings
    store: Store
    audit: Audit
    people: People
    turns: Turns
    catalogue: Catalogue
    index: Index
    embedder: Embedder
    retriever: Retriever
    ingest: Ingest
    scan: DocumentScan
    policies: PolicyBook
    rails: Callable[[Policy], Guards]
    answerer: Answerer
    registry: Registry
    rollouts: Rollouts
    shadows: Shadows
    reconciler: Reconciler | None = None
    _open: ExitStack = field(repr=False, default_factory=ExitStack)

    @property
    def guards(self) -> Guards:
        """The guards of the policy in force."""
        return self.answerer.guards

    @property
    def reviews(self) -> Reviews:
        """The review queue, under the rules of the settings."""
        return open_reviews(self.settings, self.store, self.audit)

    @property
    def gold(self) -> Gold:
        return Gold(self.store, self.audit)

    @property
    def tasks(self) -> DocumentTasks:
        return DocumentTasks(self.store, self.audit)

    @property
    def datasets(self) -> Datasets:
        return Datasets(self.store, self.audit)

    @property
    def consent(self) -> Consent:
        return Consent(self.store, self.audit)

    @property
    def person_data(self) -> PersonData:
        return PersonData(self.store, self.audit, self.registry)

    def apply_policy(self, number: int, *, actor: str, why: str) -> None:
        """Put a saved policy in force at once, for chats and for documents taken in; where its rails do not work, the one before stays.

        Raises:
            SettingsError: the policy is not sound, or one of its rails fails on a plain question.
            NotFound: no such version.
        """
        policy = self.policies.policy(number)
        guards = self.rails(policy)
        if failing := failing_rails(guards):
            raise SettingsError(
                f"Nothing is changed: under this policy {', '.join(failing)} would refuse everything, because the check fails "
                "or its budget_ms is too short."
            )
        self.policies.put_in_force(number, actor=actor, why=why)
        self.answerer.use(guards)
        self.scan.use(policy)

    def close(self) -> None:
        """Flush and release index and store; a second call does nothing."""
        self._open.close()

    def __enter__(self) -> Assistant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def build(
    settings: Settings, *, answer_model: AnswerModel | None = None, embedder: Embedder | None = None
) -> Assistant:
    """Open every part, and finish what a crash left half done.

    Args:
        answer_model: instead of the one that the settings name.
        embedder: instead of the one that the settings name.

    Raises:
        SettingsError, StoreUnavailable, IndexUnavailable, MissingExtra: the part that cannot be opened says what to do.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Store(settings.store_url))
        audit = Audit(store, settings.home)
        people, turns, catalogue = People(store, audit), Turns(store), Catalogue(store, audit)
        if tracing := _tracing(settings, stack):
            turns.watch(tracing.turn_saved)
        embedder = embedder or open_embedder(settings)
        index = open_index(settings, embedder.dimension, model=embedder.name)
        stack.callback(index.close)
        reranker = _reranker(settings)
        retriever = Retriever(index, embedder, catalogue, reranker, glossary=open_glossary(settings.glossary))
        policies = PolicyBook(settings.home / "policies", settings.policy, audit)
        scan = DocumentScan(policy := policies.in_force().policy, names_of(settings))
        ingest = _ingest(settings, catalogue, index, embedder, people=people, scan=scan)
        adopt(store)
        rails = _rails(settings, store, audit=audit, reranker=reranker, embedder=embedder)
        guards = rails(policy)
        registry, rollouts = begun(settings, store, audit, base=answer_model.adapter if answer_model else "")
        model = answer_model or open_model(settings, embedder, verified=registry.verified)
        shadows = Shadows(store, model)
        stack.callback(shadows.close)
        router = Router(rollouts, model, shadows)
        router.warm()
        answerer = Answerer(settings, turns, retriever=retriever, guards=guards, model=model, router=router)
        stack.callback(answerer.close)
        return Assistant(
            settings=settings,
            store=store,
            audit=audit,
            people=people,
            turns=turns,
            catalogue=catalogue,
            index=index,
            embedder=embedder,
            retriever=retriever,
            ingest=ingest,
            scan=scan,
            policies=policies,
            rails=rails,
            answerer=answerer,
            registry=registry,
            rollouts=rollouts,
            shadows=shadows,
            reconciler=_reconciler(settings, store, model, stack),
            _open=stack.pop_all(),
        )


def _ingest(
    settings: Settings, catalogue: Catalogue, index: Index, embedder: Embedder, *, people: People, scan: DocumentScan
) -> Ingest:
    """Ingesting, with what a crash left half done finished."""
    ingest = Ingest(
        catalogue,
        index,
        embedder,
        files=Originals(settings.files, max_bytes=settings.max_upload_mb * 2**20),
        scan=scan,
        known_groups=people.groups,
    )
    ingest.recover()
    return ingest


def _rails(
    settings: Settings, store: Store, *, audit: Audit, reranker: CrossEncoder | None, embedder: Embedder
) -> Callable[[Policy], Guards]:
    """What makes the guards of a policy, with the models that judge and the owners who hear of planted passages."""
    namer, judge = open_pseudonyms(settings, store, audit), open_judge(settings, embedder)
    support = reranker.score if reranker else None
    planted = DocumentTasks(store, audit).planted

    def rails(policy: Policy) -> Guards:
        return build_guards(
            settings, TEMPLATE_TEXT, policy=policy, judge=judge, support=support, planted=planted, namer=namer
        )

    return rails


def _reranker(settings: Settings) -> CrossEncoder | None:
    return open_reranker(settings, adapter_folder(settings.home, settings.reranker)) if settings.reranker else None


def _reconciler(settings: Settings, store: Store, model: AnswerModel, stack: ExitStack) -> Reconciler | None:
    """What keeps the adapters on the model servers, where a served model answers; `serve` starts it."""
    from assistant.served import ServedModel

    if not isinstance(model, ServedModel):
        return None
    from assistant.holding import keeper

    made = keeper(settings, store, model.fleet)
    stack.callback(made.close)
    return made


def _tracing(settings: Settings, stack: ExitStack) -> Tracing | None:
    """Traces for the operator's collector, where the settings name one."""
    if not settings.otlp_endpoint:
        return None
    from assistant.tracing import Tracing

    tracing = Tracing(settings.otlp_endpoint)
    stack.callback(tracing.close)
    return tracing
