"""OpenAI's messages as Anthropic's turns: neighbours of the same role make one, and each content is blocks."""

import re
from typing import Any

import msgspec

from gapura.errors import BadRequest
from gapura.providers.ask import Ask

Item = dict[str, Any]

DATA = re.compile(r"data:([\w.+/-]+)(?:;[\w=.-]+)*;base64,(.*)", re.DOTALL)

# A conversation begins with the user there.
OPENING = {"role": "user", "content": [{"type": "text", "text": "(The conversation begins with the answer below.)"}]}


def carry_turns(ask: Ask) -> None:
    """A step: what `carry_messages` left becomes `system` and `messages`."""
    given = ask.body["messages"]
    messages: list[Item] = given if isinstance(given, list) else ask.value("messages", list[dict[str, Any]])
    system: list[Item] = []
    turns: list[Item] = []
    for number, message in enumerate(messages):
        if message["role"] == "system":
            system += _blocks(message.get("content"))
            if turns:
                ask.lose("messages.role", "a later system message went to the beginning", "behavioural")
            continue
        if message.get("name"):
            ask.lose("messages.name", "names of speakers are not supported", "cosmetic")
        role, blocks = _turn(number, message)
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += blocks
    turns = [turn for turn in turns if turn["content"]]
    if not turns:
        raise BadRequest("Invalid value for 'messages': it holds no words of the user.", param="messages")
    if turns[0]["role"] == "assistant":
        ask.lose("messages", "begin with the user, so a line of theirs was put before", "behavioural")
        turns.insert(0, OPENING)
    if turns[-1]["role"] == "assistant" and turns[-1]["content"][-1]["type"] == "text":
        last = turns[-1]["content"][-1]
        last["text"] = last["text"].rstrip()  # refused otherwise
    if system:
        ask.body["system"] = system if len(system) > 1 or "cache_control" in system[0] else system[0]["text"]
    ask.body["messages"] = turns


def document(part: Item) -> Item | None:
    """A file in the request as Anthropic's block; None for one that only OpenAI has."""
    file = part.get("file")
    found = DATA.fullmatch(str(file.get("file_data", ""))) if isinstance(file, dict) else None
    if found is None or found[1] != "application/pdf":
        return None
    block = {"type": "document", "source": {"type": "base64", "media_type": found[1], "data": found[2]}}
    return block | ({"title": file["filename"]} if isinstance(file, dict) and file.get("filename") else {})


def _turn(number: int, message: Item) -> tuple[str, list[Item]]:
    content = message.get("content")
    if message["role"] == "tool":
        called = message.get("tool_call_id")
        result: Item = {"type": "tool_result", "tool_use_id": called if isinstance(called, str) else ""}
        if blocks := _blocks(content):
            result["content"] = content if isinstance(content, str) else blocks
        return "user", [result]
    if message["role"] == "user":
        return "user", _blocks(content)
    thoughts = message.get("thinking_blocks")
    blocks = [block for block in thoughts if isinstance(block, dict)] if isinstance(thoughts, list) else []
    blocks += _blocks(content)
    for place, call in enumerate(message.get("tool_calls") or ()):
        blocks.append(_use(f"messages[{number}].tool_calls[{place}]", call))
    return "assistant", blocks


def _use(where: str, call: Any) -> Item:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise BadRequest(f"Invalid value for '{where}': expected a call of a function.", param=where)
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError):
        arguments = {"arguments": function.get("arguments")}  # what a model wrote that is no JSON
    given = arguments if isinstance(arguments, dict) else {"arguments": arguments}
    return {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": given}


def _blocks(content: Any) -> list[Item]:
    """Blocks, without empty texts, which the API refuses."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return [block for part in content or () if (block := _block(part))]


def _block(part: Item) -> Item | None:
    if part["type"] == "text":
        return part if str(part.get("text") or "").strip() else None
    if part["type"] != "image_url":
        return part
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if found := DATA.fullmatch(str(url)):
        return {"type": "image", "source": {"type": "base64", "media_type": found[1], "data": found[2]}}
    return {"type": "image", "source": {"type": "url", "url": url}}
