"""The input of a Responses request as chat messages: items become messages, tool calls and the messages of tools."""

from collections.abc import Callable, Mapping
from typing import Any

from gapura.wire.fates import Draft, kind_at, list_at, object_at, of, text_at, wrong

Item = dict[str, Any]

# What is known of each kind of item and part; ids and states are the business of who keeps them.
KEPT = of("type", "id", "status")
MESSAGE = KEPT | of("role", "content")
CALL = KEPT | of("call_id", "name", "arguments")
OUTPUT = KEPT | of("call_id", "output")
PARTS: Mapping[str, frozenset[str]] = {
    "input_text": of("type", "text"),
    "text": of("type", "text"),
    "output_text": of("type", "text", "annotations", "logprobs"),
    "refusal": of("type", "refusal"),
    "input_image": of("type", "image_url", "detail"),
    "input_file": of("type", "file_data", "filename"),
    "input_audio": of("type", "input_audio"),
}
# Without these they are refused whole.
SOURCES = {"input_image": "image_url", "input_file": "file_data"}

ROLES = {"user", "assistant", "system", "developer"}

# What hosted tools did in former turns; its gist stands in the answers, too.
HINTS = {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"}


def messages_of(draft: Draft) -> list[Item]:
    """`instructions` and `input`.  Raises BadRequest naming what is malformed."""
    found: list[Item] = []
    if (instructions := draft.given.get("instructions")) is not None:
        content = instructions if isinstance(instructions, str) else None
        if content is None:
            raise wrong("instructions", "expected a string")
        found.append({"role": "developer", "content": content})
    given = draft.given.get("input", [])
    if isinstance(given, str):
        return [*found, {"role": "user", "content": given}]
    for number, item in enumerate(list_at(given, "input")):
        where = f"input[{number}]"
        kind = kind_at(object_at(item, where), where, "message")
        if kind in HINTS:
            draft.lose(f"input.{kind}", "what hosted tools did in former turns is not sent", "behavioural")
        elif (take := ITEMS.get(kind)) is not None:
            take(draft, where, item, found)
        else:
            draft.lose(f"input.{kind}", "unknown to this endpoint", "contract")
    if not found and not any(loss.weight == "contract" for loss in draft.losses):
        raise wrong("input", "there is nothing in it to answer")
    return found


def _message(draft: Draft, where: str, item: Item, found: list[Item]) -> None:
    role, content = text_at(item, "role", where), item.get("content")
    if role not in ROLES:
        raise wrong(f"{where}.role", f"expected one of {', '.join(sorted(ROLES))}")
    draft.rest(item, MESSAGE, "input.message")
    if isinstance(content, str):
        _say(role, content, found)
        return
    parts = [
        part
        for number, given in enumerate(list_at(content, f"{where}.content"))
        for part in _part(draft, f"{where}.content[{number}]", given)
    ]
    if all(part["type"] == "text" for part in parts):
        _say(role, "".join(part["text"] for part in parts), found)
    else:
        found.append({"role": role, "content": parts})


def _say(role: str, text: str, found: list[Item]) -> None:
    """What was said in one turn after its calls stands before them: their answers must follow them."""
    if role == "assistant" and found and "tool_calls" in found[-1]:
        found[-1]["content"] = (found[-1]["content"] or "") + text
    else:
        found.append({"role": role, "content": text})


def _part(draft: Draft, at: str, part: Any) -> list[Item]:
    kind = object_at(part, at).get("type")
    if (known := PARTS.get(str(kind))) is not None and part.get(SOURCES.get(str(kind), "type")):
        draft.rest(part, known, f"input.{kind}")
        if part.get("annotations"):
            draft.lose("input.output_text.annotations", "what was cited in former turns is not sent", "cosmetic")
    match kind:
        case "input_text" | "output_text" | "text":
            return [{"type": "text", "text": text_at(part, "text", at)}]
        case "refusal":
            return [{"type": "text", "text": text_at(part, "refusal", at)}]
        case "input_image" if isinstance(part.get("image_url"), str):
            detail = {"detail": part["detail"]} if part.get("detail") else {}
            return [{"type": "image_url", "image_url": {"url": part["image_url"], **detail}}]
        case "input_file" if isinstance(part.get("file_data"), str):
            file = {name: part[name] for name in ("file_data", "filename") if part.get(name)}
            return [{"type": "file", "file": file}]
        case "input_audio":
            return [{"type": "input_audio", "input_audio": part.get("input_audio")}]
        case other:
            draft.lose(f"input.{other}", "only what stands in the request itself is understood", "contract")
            return []


def _call(draft: Draft, where: str, item: Item, found: list[Item]) -> None:
    """Calls of one turn stand in one message, the text before them, too."""
    draft.rest(item, CALL, "input.function_call")
    function = {"name": text_at(item, "name", where), "arguments": text_at(item, "arguments", where)}
    call = {"id": text_at(item, "call_id", where), "type": "function", "function": function}
    if found and found[-1]["role"] == "assistant":
        found[-1].setdefault("tool_calls", []).append(call)
    else:
        found.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _output(draft: Draft, where: str, item: Item, found: list[Item]) -> None:
    """What a tool gave.  Images go into a message of the user's after it, since a tool's has none."""
    draft.rest(item, OUTPUT, "input.function_call_output")
    output = item.get("output", "")
    texts = [output] if isinstance(output, str) else []
    shown: list[Item] = []
    if not isinstance(output, str):
        for number, given in enumerate(list_at(output, f"{where}.output")):
            for part in _part(draft, f"{where}.output[{number}]", given):
                if part["type"] == "text":
                    texts.append(part["text"])
                else:
                    draft.lose("input.function_call_output.image", "shown after the tool's answer", "behavioural")
                    shown.append(part)
    found.append({"role": "tool", "tool_call_id": text_at(item, "call_id", where), "content": "\n".join(texts)})
    if shown:
        found.append({"role": "user", "content": shown})


def _reasoning(draft: Draft, _where: str, _item: Item, _found: list[Item]) -> None:
    draft.lose("input.reasoning", "thoughts of former turns are not sent", "cosmetic")


ITEMS: Mapping[str, Callable[[Draft, str, Item, list[Item]], None]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _reasoning,
}
