"""A chat answer as a message of Anthropic's."""

from typing import Any

import msgspec

from gapura.errors import UpstreamFailed
from gapura.terms.usage import Usage
from gapura.wire.chunks import Call, Choice, Message, whole

Item = dict[str, Any]

STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}

_ENCODER = msgspec.json.Encoder()
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def answer(body: bytes, usage: Usage, *, thinks: bool) -> bytes:
    """`thinks`: whether thoughts were asked for; they carry no signature, since only Anthropic can sign them.

    Raises UpstreamFailed where the model called a tool with something that is no JSON object.
    """
    chat, choice, message = whole(body)
    content = [*_thoughts(message, thinks=thinks), *_texts(message), *_calls(message, choice)]
    return _ENCODER.encode(
        envelope(chat.id, chat.model)
        | {
            "content": content,
            "stop_reason": stop_reason(choice.finish_reason, called=bool(message.tool_calls), refused=message.refusal),
            "usage": usage_said(usage),
        }
    )


def envelope(chat: str, model: str) -> Item:
    name = chat.removeprefix("chatcmpl-")
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def stop_reason(finish: str | None, *, called: bool, refused: object) -> str:
    """With a forced tool OpenAI itself says `stop`, though a tool was called."""
    if refused:
        return "refusal"
    if called and finish != "length":
        return "tool_use"
    return STOPS.get(finish or "stop", "end_turn")


def usage_said(usage: Usage) -> Item:
    """Anthropic counts what was read from a cache apart from the input."""
    said: Item = {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    return said | {"estimated": True} if usage.estimated else said


def _thoughts(message: Message, *, thinks: bool) -> list[Item]:
    if not thinks or not message.reasoning_content:
        return []
    return [{"type": "thinking", "thinking": message.reasoning_content, "signature": ""}]


def _texts(message: Message) -> list[Item]:
    return [{"type": "text", "text": text} for text in (message.content, message.refusal) if text]


def _calls(message: Message, choice: Choice) -> list[Item]:
    """A call that the limit cut in two is left out: the stop reason tells of it."""
    calls = message.tool_calls or []
    found = []
    for number, call in enumerate(calls):
        given = arguments(call.text)
        if given is None and choice.finish_reason == "length" and number == len(calls) - 1:
            break
        found.append(tool_use(call, number) | {"input": given if given is not None else broken(call.name)})
    return found


def tool_use(call: Call, number: int) -> Item:
    return {"type": "tool_use", "id": call.id or f"call_{number}", "name": call.name, "input": {}}


def arguments(text: str) -> Item | None:
    """None where it is no JSON object."""
    try:
        return _OBJECT.decode(text) if text else {}
    except msgspec.MsgspecError:
        return None


def broken(name: str) -> Any:
    raise UpstreamFailed(f"The model called {name} with arguments that are no JSON object.")
