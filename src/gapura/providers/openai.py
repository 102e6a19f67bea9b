"""OpenAI, and anything that speaks it: bytes pass through, and what must change is spliced in.

Exactly three top-level fields may differ from what the caller sent: the model, the output limit, and
`stream_options`, since usage is always asked for.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gapura.clock import Clock, system_clock
from gapura.errors import UpstreamFailed
from gapura.providers import catalogue
from gapura.providers.answers import usage_of
from gapura.providers.base import Headers, Operation, Reader, Translation, bearer
from gapura.providers.faults import OPENAIS, fault
from gapura.providers.native import Native, Responses
from gapura.providers.passthrough import PassThrough
from gapura.providers.vendor import cap_to
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire.dialect import Kind
from gapura.wire.openai import ChatRequest, fields, splice


class Answer(msgspec.Struct):
    """As much of an answer as the gateway looks at."""

    choices: list[msgspec.Raw] = []
    usage: Any = None
    error: Any = None


_ANSWER = msgspec.json.Decoder(Answer)


class OpenAI(msgspec.Struct, frozen=True, kw_only=True):
    name: str = "openai"
    path: str = "/chat/completions"
    clock: Clock = system_clock
    expires: bool = False
    others: Mapping[Kind, Operation] = {}

    def operation(self, kind: Kind) -> Operation | None:
        return self if kind == "chat" else self.others.get(kind)

    def translate(self, body: bytes, chat: ChatRequest, model: str, cap: int | None) -> Translation:
        """The very same bytes where nothing needs to change."""
        losses: list[Loss] = []
        changes = _limit(chat, model, cap, losses)
        if model != chat.model:
            changes["model"] = model
        if chat.stream and not chat.wants_usage:
            given = fields(body).get("stream_options")
            options = msgspec.json.decode(given) if given is not None else None
            changes["stream_options"] = {**(options or {}), "include_usage": True}
        return Translation(splice(body, changes) if changes else body, tuple(losses))

    def headers(self, key: str) -> Headers:
        return bearer(key)

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:  # noqa: ARG002 - a vendor may need it
        try:
            said = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.fault(200, (), body) from None
        if said.error or not said.choices:
            raise self.fault(200, (), body)
        return body, usage_of(said.usage)

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:  # noqa: ARG002 - as above
        return PassThrough(self.fault, include_usage=include_usage, choices=choices)

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        return fault(self.name, (), status, headers, body, self.clock, native=OPENAIS)


def _limit(chat: ChatRequest, model: str, cap: int | None, losses: list[Loss]) -> dict[str, Any]:
    """The output limit, where it must change: it is lowered to the cap, and goes by its newer name to a model that
    refuses the older one, if the caller's own model did not."""
    if cap is None and model == chat.model:
        return {}
    limit = cap_to(cap, chat.output_limit, lambda why: losses.append(Loss(_named(chat), why, "cosmetic")))
    renamed = model != chat.model and "max_tokens" in catalogue.model("openai", model).refuses
    if limit is None or (limit == chat.output_limit and not (renamed and chat.max_tokens)):
        return {}
    if chat.max_tokens is not None and not renamed:
        both = chat.max_completion_tokens is not None
        return {"max_tokens": limit} | ({"max_completion_tokens": limit} if both else {})
    return {"max_tokens": None, "max_completion_tokens": limit}


def _named(chat: ChatRequest) -> str:
    """The field by which the caller knows the limit."""
    return "max_completion_tokens" if chat.max_completion_tokens is not None else "max_tokens"


def _fault(status: int, headers: Headers, body: bytes) -> UpstreamFailed:
    return fault("openai", (), status, headers, body, system_clock, native=OPENAIS)


OPENAI = OpenAI(
    others={
        "responses": Responses(fault=_fault),
        "embeddings": Native(path="/embeddings", fault=_fault),
        "moderation": Native(path="/moderations", fault=_fault, costs=False),
    }
)
