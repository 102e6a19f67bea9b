"""Operations of a vendor that speaks the caller's dialect itself: bytes pass through, and what must change is spliced.

The model is the target's and the output limit at most the cap; OpenAI's Responses are also told to keep nothing, since
its store is shared by all who use our key there.
"""

import re
from typing import Any

import msgspec

from gapura.errors import GapuraError, UpstreamFailed
from gapura.providers.answers import usage_of
from gapura.providers.base import Reader, Translation
from gapura.providers.faults import error_in
from gapura.providers.said import decode
from gapura.providers.streams import EMPTY, Fault, Stream
from gapura.providers.vendor import cap_to
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire import openai
from gapura.wire.responses.request import ResponsesRequest
from gapura.wire.sse import events
from gapura.wire.tokens import estimate

NOTHING = Usage()

ENCRYPTED = "reasoning.encrypted_content"


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


ENDS = {"response.completed", "response.incomplete"}
FAILED = "response.failed"

# Deltas tell of output; the events before them only that the request was taken.
DELTA = re.compile(rb'"delta"\s*:\s*"([^"]*)')
NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d+)')


class ResponsesStream(Stream):
    """Whole events go on as they came; the last one is looked into, and errors."""

    _last = b""

    def _take(self, blocks: list[bytes], out: list[bytes]) -> None:
        for block in blocks:
            for event in events([block]):
                if event.name in ENDS or event.name == FAILED:
                    self._end(event.name, self._read(event))
                elif event.name == "error":
                    self._read(event)  # raises
                elif ".delta" in event.name:
                    self.begun = True
                    text = b"".join(DELTA.findall(block))
                    self.relayed += estimate(text.decode("utf-8", "replace"))
            out.append(block + b"\n\n")
            self._last = block
            if self.done:
                return

    def _end(self, name: str, said: dict[Any, Any]) -> None:
        response = said.get("response")
        response = response if isinstance(response, dict) else {}
        if name == FAILED:
            raise self._fault(
                200, (), msgspec.json.encode({"error": response.get("error") or {"code": "server_error"}})
            )
        if not response:
            raise UpstreamFailed(EMPTY)
        self.usage = usage_of(response.get("usage"))
        self.begun = self.done = True

    def close(self) -> bytes:
        """What came last is not handed on where the stream was cut."""
        last = self._last
        try:
            return super().close()
        except UpstreamFailed:
            self._last = last
            raise

    def _rest(self) -> bytes | None:
        return None

    def say(self, error: GapuraError) -> bytes:
        """Numbered on from what was handed on."""
        found = NUMBER.findall(self._last)
        said = {
            "type": "error",
            "code": error.code or error.kind,
            "message": error.message,
            "param": error.param,
            "sequence_number": int(found[-1]) + 1 if found else 0,
        }
        return b"event: error\ndata: " + msgspec.json.encode(said) + b"\n\n"
