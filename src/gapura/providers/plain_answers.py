"""The answer of which nearly all are: one choice that said a text and ended, with its usage.  To decode it by its shape
takes a third of the time of looking at each field; what has anything else in it is none of these.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gapura.terms.usage import Usage

# No model takes or gives so much at once: the longest context that any vendor states is ten million tokens.
MOST_TOKENS = 100_000_000

Count = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]
Some = Annotated[str, Meta(min_length=1)]


class Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str
    role: str | None = None
    reasoning_content: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """`flag` and so on: Qianfan's."""

    message: Message
    finish_reason: Literal["stop", "length", "content_filter"]
    index: Literal[0] = 0
    logprobs: None = None
    flag: Literal[0] = 0
    ban_round: int = 0


class Details(msgspec.Struct, gc=False):
    """Of the input, or of the output; what else vendors count there is a part of these."""

    cached_tokens: Count = 0
    reasoning_tokens: Count = 0


class Counts(msgspec.Struct, forbid_unknown_fields=True):
    prompt_tokens: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    completion_tokens: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    total_tokens: int = 0
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    id: Some
    created: Annotated[int, Meta(ge=1, lt=1 << 53)]
    model: Some
    choices: tuple[Choice]
    usage: Counts
    object: str = ""
    system_fingerprint: str | None = None
    request_id: str = ""


_ANSWER = msgspec.json.Decoder(Answer)


def said(body: bytes) -> tuple[dict[str, Any], Usage] | None:
    """OpenAI's object of it without its usage, and that; None for every other answer."""
    try:
        found = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    (choice,), counts = found.choices, found.usage
    message: dict[str, Any] = {"role": "assistant", "content": choice.message.content, "refusal": None}
    if thought := choice.message.reasoning_content:
        message["reasoning_content"] = thought
    told = {"index": 0, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}
    answer: dict[str, Any] = {
        "id": found.id,
        "object": "chat.completion",
        "created": found.created,
        "model": found.model,
    }
    if found.system_fingerprint:
        answer["system_fingerprint"] = found.system_fingerprint
    answer["choices"] = [told]
    read, written = counts.prompt_tokens_details, counts.completion_tokens_details
    return answer, Usage(
        counts.prompt_tokens,
        counts.completion_tokens,
        read.cached_tokens if read is not None else 0,
        written.reasoning_tokens if written is not None else 0,
    )
