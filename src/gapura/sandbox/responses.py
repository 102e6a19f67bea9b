"""OpenAI's POST /responses, over the same script as chat: items instead of messages, and typed, numbered events."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gapura.sandbox.script import Choice, Turn
from gapura.sandbox.shape import Call, Chat, Function, Message, Tool, Wrong, encode, mistyped

CREATED = 1_720_483_200

Item = dict[str, Any]

TEXTS = {"input_text", "output_text", "text"}


class Asked(msgspec.Struct):
    model: str = ""
    input: str | list[Item] = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[Item] | None = None
    tool_choice: str | Item | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Item | None = None
    text: Item | None = None
    store: bool | None = None
    include: list[str] | None = None
    metadata: Item | None = None
    user: str | None = None
    previous_response_id: str | None = None


_decode = msgspec.json.Decoder(Asked).decode


def read(call: Call) -> Asked:
    if call.method != "POST":
        raise Wrong("method")
    try:
        return _decode(call.body)
    except msgspec.ValidationError as error:
        raise mistyped(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong("malformed", f"The body is not valid JSON: {error}") from None


def as_chat(asked: Asked) -> Chat:
    """What the script reads.  Raises Wrong for what OpenAI refuses."""
    if asked.previous_response_id:
        raise Wrong("invalid", "Previous response not found.", "previous_response_id")
    messages = [Message("developer", asked.instructions)] if asked.instructions else []
    items = [{"role": "user", "content": asked.input}] if isinstance(asked.input, str) else asked.input
    for item in items:
        messages += _messages(item, messages)
    choice = asked.tool_choice
    if isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    return Chat(
        model=asked.model,
        messages=messages,
        stream=asked.stream,
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_completion_tokens=asked.max_output_tokens,
        tools=[_tool(tool) for tool in asked.tools or ()] or None,
        tool_choice=choice if asked.tools else None,
        parallel_tool_calls=asked.parallel_tool_calls,
        reasoning_effort=(asked.reasoning or {}).get("effort"),
        response_format=_format((asked.text or {}).get("format")),
    )


def _messages(item: Item, before: list[Message]) -> list[Message]:
    match item.get("type", "message"):
        case "message":
            content = item.get("content")
            if isinstance(content, list):
                content = [{"text": part["text"]} if part.get("type") in TEXTS else part for part in content]
            return [Message(str(item.get("role")), content)]
        case "function_call":
            call = {"id": item.get("call_id"), "type": "function", "function": {"name": item.get("name")}}
            if before and before[-1].tool_calls:
                before[-1].tool_calls.append(call)
                return []
            return [Message("assistant", None, [call])]
        case "function_call_output":
            return [Message("tool", str(item.get("output")), None, item.get("call_id"))]
        case "reasoning":
            if not item.get("encrypted_content"):
                raise Wrong("404", f"Item with id '{item.get('id')}' not found: it was not stored.", "input")
            return []
        case other:
            raise Wrong("invalid", f"Invalid value: '{other}'.", "input")


def _tool(tool: Item) -> Tool:
    if tool.get("type") != "function":
        return Tool(str(tool.get("type")))
    return Tool("function", Function(str(tool.get("name")), tool.get("description"), tool.get("parameters")))


def _format(shape: Any) -> Item | None:
    if isinstance(shape, dict) and shape.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": shape}
    return shape if isinstance(shape, dict) else None


def plain(asked: Asked, turn: Turn) -> Item:
    choice = turn.choices[0]
    complete = choice.finish != "length"
    return _response(asked, turn, "completed" if complete else "incomplete", _output(asked, turn, choice))


def frames(asked: Asked, turn: Turn) -> Iterator[bytes]:
    """Each item is added, said piece by piece, and done."""
    number = -1

    def event(kind: str, **said: Any) -> bytes:
        nonlocal number
        number += 1
        return f"event: {kind}\ndata: ".encode() + encode({"type": kind, "sequence_number": number, **said}) + b"\n\n"

    choice = turn.choices[0]
    begun = _response(asked, turn, "in_progress", [])
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    output = _output(asked, turn, choice)
    for at, item in enumerate(output):
        empty: Item = {"content": []} if item["type"] == "message" else {}
        empty |= {"arguments": ""} if item["type"] == "function_call" else {}
        yield event("response.output_item.added", output_index=at, item={**item, **empty, "status": "in_progress"})
        place: Item = {"item_id": item["id"], "output_index": at}
        if item["type"] == "message":
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield event("response.content_part.added", **place, content_index=0, part=part)
            for token in choice.tokens:
                yield event("response.output_text.delta", **place, content_index=0, delta=token, logprobs=[])
            yield event("response.output_text.done", **place, content_index=0, text=choice.text, logprobs=[])
            yield event("response.content_part.done", **place, content_index=0, part=item["content"][0])
        elif item["type"] == "function_call":
            called = next(call for call in choice.calls if call.id == item["call_id"])
            for token in called.arguments:
                yield event("response.function_call_arguments.delta", **place, delta=token)
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield event("response.function_call_arguments.done", **place, **done)
        yield event("response.output_item.done", output_index=at, item=item)
    last = plain(asked, turn)
    yield event(f"response.{last['status']}", response=last)


def _output(asked: Asked, turn: Turn, choice: Choice) -> list[Item]:
    status = "completed" if choice.finish != "length" else "incomplete"
    output: list[Item] = []
    if choice.thoughts:
        shown = (
            {"encrypted_content": f"sandbox:{turn.digest}"}
            if "reasoning.encrypted_content" in (asked.include or ())
            else {}
        )
        output.append({"id": f"rs_{turn.digest}", "type": "reasoning", "summary": [], **shown})
    if choice.tokens or not choice.calls:
        part = {"type": "output_text", "text": choice.text, "annotations": [], "logprobs": []}
        output.append(
            {"id": f"msg_{turn.digest}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        )
    output += [
        {
            "id": f"fc_{turn.digest}{at}",
            "type": "function_call",
            "status": status,
            "call_id": call.id,
            "name": call.name,
            "arguments": "".join(call.arguments),
        }
        for at, call in enumerate(choice.calls)
    ]
    return output


def _response(asked: Asked, turn: Turn, status: str, output: list[Item]) -> Item:
    usage = {
        "input_tokens": turn.input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": turn.output,
        "output_tokens_details": {"reasoning_tokens": turn.reasoning},
        "total_tokens": turn.input + turn.output,
    }
    return {
        "id": f"resp_{turn.digest}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": (asked.reasoning or {}).get("effort"), "summary": None},
        "service_tier": "default",
        "store": asked.store is not False,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "text": asked.text or {"format": {"type": "text"}},
        "tool_choice": asked.tool_choice or "auto",
        "tools": [{"strict": True, "parameters": None, **tool} for tool in asked.tools or ()],
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else usage,
        "user": asked.user,
        "metadata": asked.metadata or {},
    }
