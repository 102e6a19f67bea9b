"""What a chat answer says, as deep as other dialects retell it: of one choice, since none of them has more."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gapura.errors import UpstreamFailed
from gapura.wire.sse import events


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    """A tool call, or a fragment of one."""

    index: int = 0
    id: str | None = None
    function: Function | None = None

    @property
    def name(self) -> str:
        return (self.function.name if self.function else "") or ""

    @property
    def text(self) -> str:
        """Its arguments: JSON in a string."""
        return (self.function.arguments if self.function else "") or ""


class Message(msgspec.Struct):
    """A message, or what is new of one."""

    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct):
    index: int = 0
    delta: Message | None = None
    message: Message | None = None
    logprobs: Any = None
    finish_reason: str | None = None


class Chat(msgspec.Struct):
    """A chat completion, or a chunk of one."""

    id: str = ""
    created: int = 0
    model: str = ""
    choices: list[Choice] = []


_CHAT = msgspec.json.Decoder(Chat)


def chat(body: bytes) -> Chat:
    """A chat completion.  Raises UpstreamFailed where it is none."""
    return _decoded(body)


def whole(body: bytes) -> tuple[Chat, Choice, Message]:
    """A chat completion, its first choice, and what that says.  Raises UpstreamFailed where there is none."""
    said = _decoded(body)
    choice = said.choices[0] if said.choices else Choice()
    if choice.message is None:
        raise UpstreamFailed("The provider's answer has no message.")
    return said, choice, choice.message


def logprobs_of(said: Any) -> list[dict[str, Any]]:
    """The entries of the text: token, logprob, bytes, top_logprobs."""
    return (said.get("content") or []) if isinstance(said, dict) else []


def chunks(data: bytes) -> Iterator[Chat]:
    """The chunks of whole events.  Raises UpstreamFailed where one is none."""
    for block in data.split(b"\n\n"):
        if block.startswith(b"data: {") and b"\n" not in block:
            yield _decoded(block[6:])
        elif block:
            yield from (_decoded(event.data.encode()) for event in events([block]) if event.data.startswith("{"))


def _decoded(data: bytes) -> Chat:
    try:
        return _CHAT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"The provider's answer is no chat completion: {error}.") from None
