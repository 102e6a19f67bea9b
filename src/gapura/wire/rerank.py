"""POST /v1/rerank, as Jina and Cohere have it and vLLM, DashScope, Qianfan and BigModel follow: documents by their
relevance to a query.  OpenAI has no such endpoint.

    {"model", "query", "documents": ["…"], "top_n", "return_documents"}
    {"id", "object": "list", "model", "results": [{"index", "relevance_score", "document": {"text"}}], "usage"}
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.wire import openai, tokens
from gapura.wire.dialect import Dialect
from gapura.wire.fates import HONOURED, Line

FIELDS: Mapping[str, Line] = {
    "model": HONOURED,
    "query": HONOURED,
    "documents": HONOURED,
    "top_n": HONOURED,
    "return_documents": HONOURED,
}


class Document(msgspec.Struct):
    text: str


class RerankRequest(msgspec.Struct, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)]
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None

    stream = False
    n = None
    wants_usage = False
    output_limit = 0

    @property
    def texts(self) -> list[str]:
        return [one if isinstance(one, str) else one.text for one in self.documents]

    def bound(self, body: bytes) -> int:
        """The query is read once with each document."""
        return tokens.bound(body) + len(self.query.encode()) * len(self.documents)


_READ = msgspec.json.Decoder(RerankRequest)


def read(body: bytes) -> RerankRequest:
    return openai.decode(_READ, body)


RERANK = Dialect("rerank", read, openai.render, openai.render_event)
