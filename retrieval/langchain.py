"""The retriever as a LangChain one, bound to a person, for a team that builds a chain of its own.

    from retrieval.langchain import GovernedRetriever
    chain = {"context": GovernedRetriever(retriever=retriever, person=person), ...} | prompt | model

The access rules stay on: what the person may not read never reaches the chain.
"""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from core.records import Passage, Principal
from retrieval.retriever import MAX_LIMIT, Mode, Retriever


class GovernedRetriever(BaseRetriever):
    """`invoke(question)` gives LangChain documents whose metadata name document, version, section, page and score."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    person: Principal
    limit: int = Field(default=8, ge=1, le=MAX_LIMIT)
    mode: Mode = "hybrid"
    filters: dict[str, str] = Field(default_factory=dict)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        found = self.retriever.retrieve(query, self.person, limit=self.limit, mode=self.mode, filters=self.filters)
        return [as_document(passage, found.evidence) for passage in found.passages]


def as_document(passage: Passage, evidence: float) -> Document:
    return Document(
        id=passage.passage_id,
        page_content=passage.text,
        metadata={
            "document_id": passage.document_id,
            "version": passage.version,
            "title": passage.title,
            "section": passage.section,
            "page": passage.page,
            "classification": passage.classification,
            "owner": passage.owner,
            "effective": passage.effective.isoformat(),
            "score": passage.score,
            "evidence": evidence,
        },
    )
