"""The chunk of which nearly all of a stream is made: the one choice says some more of its text, and nothing else.

>>> said(b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" kata"}}]}')
('content', ' kata')
>>> said(b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" kata"},"finish_reason":"stop"}]}')
"""

from typing import Literal

import msgspec


class Delta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """`flag` and so on: Qianfan's."""

    delta: Delta
    index: Literal[0] = 0
    logprobs: None = None
    finish_reason: Literal[""] | None = None
    flag: Literal[0] = 0
    ban_round: int = 0
    need_clear_history: bool = False


class Chunk(msgspec.Struct, forbid_unknown_fields=True):
    choices: tuple[Choice]
    id: str = ""
    object: str = ""
    created: int = 0
    model: str = ""
    usage: None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    request_id: str = ""


_CHUNK = msgspec.json.Decoder(Chunk)


def said(block: bytes) -> tuple[str, str] | None:
    """The field of the delta, and what it says; None for every other event."""
    if not block.startswith(b"data: {") or b"\n" in block:
        return None
    try:
        choice = _CHUNK.decode(block[6:]).choices[0]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if choice.need_clear_history:
        return None
    delta = choice.delta
    content, thought = delta.content, delta.reasoning_content
    if content:
        return None if thought else ("content", content)
    return ("reasoning_content", thought) if thought else None
