"""Which dialect is spoken at which path: what a gate serves, and what recorded requests are read by."""

from collections.abc import Mapping

from gapura.wire.completions import COMPLETIONS
from gapura.wire.dialect import Dialect
from gapura.wire.embeddings import EMBEDDINGS
from gapura.wire.messages import MESSAGES
from gapura.wire.moderation import MODERATION
from gapura.wire.openai import CHAT
from gapura.wire.rerank import RERANK
from gapura.wire.responses import RESPONSES

ENDPOINTS: Mapping[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/moderations": MODERATION,
    "/v1/rerank": RERANK,
}
