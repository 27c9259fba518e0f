"""A plain LangChain chain, to compare with: recursive splitter, QdrantVectorStore in memory, the same embedder.

    python -m retrieval evaluate --mode langchain ...

No governance, no words, no fusion: what a team gets from the tutorial.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import MissingExtra
from retrieval.collection import CorpusDocument
from retrieval.embed import Embedder

CHUNK_CHARACTERS = 1000
OVERLAP_CHARACTERS = 200


class PlainLangChain:
    """Split, embed and store the documents; then similarity search.

    Raises:
        MissingExtra: LangChain's splitters are not installed.
    """

    def __init__(self, documents: Sequence[CorpusDocument], embedder: Embedder) -> None:
        try:
            from langchain_text_splitters import RecursiveCharacterTextSplitter
        except ImportError:
            raise MissingExtra("Mode langchain needs the comparison's packages: pip install '.[dev]'") from None
        from langchain_core.documents import Document
        from langchain_core.embeddings import Embeddings
        from langchain_qdrant import QdrantVectorStore

        class SameEmbedder(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                found: list[list[float]] = embedder.encode(texts).tolist()
                return found

            def embed_query(self, text: str) -> list[float]:
                return self.embed_documents([text])[0]

        splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK_CHARACTERS, chunk_overlap=OVERLAP_CHARACTERS)
        whole = [
            Document(page_content=f"{one.title}\n{one.text}", metadata={"document_id": one.document_id})
            for one in documents
        ]
        self._store = QdrantVectorStore.from_documents(
            splitter.split_documents(whole), SameEmbedder(), location=":memory:", collection_name="plain"
        )

    def search(self, question: str, limit: int) -> list[str]:
        """The documents of the `limit` nearest chunks, best first, each once."""
        return list(dict.fromkeys(document_id for document_id, _ in self.chunks(question, limit)))

    def chunks(self, question: str, limit: int) -> list[tuple[str, str]]:
        """Document id and text of the `limit` nearest chunks, best first."""
        found = self._store.similarity_search(question, k=limit)
        return [(str(one.metadata["document_id"]), one.page_content) for one in found]
