"""Operations of a vendor that speaks the caller's dialect itself: bytes pass through, and what must change is spliced.

The model is the target's and the output limit at most the cap; OpenAI's Responses are also told to keep nothing, since
its store is shared by all who use our key there.
"""

from typing import Any

import msgspec

from gapura.errors import UpstreamFailed
from gapura.providers.answers import usage_of
from gapura.providers.base import Reader, Translation
from gapura.providers.faults import error_in
from gapura.providers.native_streams import MessagesStream, ResponsesStream
from gapura.providers.said import decode
from gapura.providers.streams import Fault
from gapura.providers.vendor import cap_to
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire import openai
from gapura.wire.messages.request import MessagesRequest
from gapura.wire.responses.request import ENCRYPTED, ResponsesRequest

NOTHING = Usage()


class Native(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings, moderation and what else is answered at once.  `costs`: whether an answer without usage is free
    (OpenAI's moderation), or one that must be estimated."""

    path: str
    fault: Fault
    costs: bool = True

    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:  # noqa: ARG002
        return Translation(openai.splice(body, {"model": model}) if model != asked.model else body)

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:  # noqa: ARG002 - a vendor may need it
        try:
            said = decode(body)
        except ValueError:
            raise self.fault(200, (), body) from None
        if error_in(said) or not isinstance(said, dict):
            raise self.fault(200, (), body)
        return body, usage_of(said.get("usage")) or (None if self.costs else NOTHING)

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        del model, include_usage, choices
        raise UpstreamFailed(f"{self.path} has no streams.", advance=False, trips=False)


class Responses(Native, frozen=True, kw_only=True):
    path: str = "/responses"

    def translate(self, body: bytes, asked: ResponsesRequest, model: str, cap: int | None) -> Translation:
        """What is not kept must come with the answer, or the next turn could not build on it."""
        losses: list[Loss] = []
        changes: dict[str, Any] = {"store": False} if asked.store is not False else {}
        if changes and ENCRYPTED not in (asked.include or ()):
            changes["include"] = [*(asked.include or ()), ENCRYPTED]
        if asked.store:
            losses.append(Loss("store", "nothing is kept here", "cosmetic"))
        if model != asked.model:
            changes["model"] = model
        limit = cap_to(
            cap, asked.max_output_tokens, lambda why: losses.append(Loss("max_output_tokens", why, "cosmetic"))
        )
        if limit != asked.max_output_tokens:
            changes["max_output_tokens"] = limit
        return Translation(openai.splice(body, changes) if changes else body, tuple(losses))

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:  # noqa: ARG002 - as above
        return ResponsesStream(self.fault)


class Messages(Native, frozen=True, kw_only=True):
    path: str = "/messages"

    def translate(self, body: bytes, asked: MessagesRequest, model: str, cap: int | None) -> Translation:
        losses: list[Loss] = []
        changes: dict[str, Any] = {"model": model} if model != asked.model else {}
        limit = cap_to(cap, asked.max_tokens, lambda why: losses.append(Loss("max_tokens", why, "cosmetic")))
        if limit != asked.max_tokens:
            changes["max_tokens"] = limit
        return Translation(openai.splice(body, changes) if changes else body, tuple(losses))

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:  # noqa: ARG002 - as above
        return MessagesStream(self.fault)
