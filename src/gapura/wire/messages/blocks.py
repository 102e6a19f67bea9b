"""The messages of Anthropic's API as chat messages: blocks become parts, tool calls and the messages of tools."""

from collections.abc import Callable, Mapping
from typing import Any

from gapura.wire.fates import Draft, list_at, object_at, of, said, text_at, wrong

Item = dict[str, Any]

# What is known of each kind of block.
KNOWN: Mapping[str, frozenset[str]] = {
    "text": of("type", "cache_control", "text", "citations"),
    "image": of("type", "cache_control", "source"),
    "document": of("type", "cache_control", "source", "title", "context", "citations"),
    "tool_use": of("type", "cache_control", "id", "name", "input"),
    "tool_result": of("type", "cache_control", "tool_use_id", "content", "is_error"),
}


def messages_of(draft: Draft) -> list[Item]:
    """`system` and `messages`.  Raises BadRequest naming what is malformed."""
    found: list[Item] = []
    if (system := draft.given.get("system")) is not None:
        found.append({"role": "system", "content": texts_of(draft, system, "system")})
    for number, message in enumerate(list_at(draft.given.get("messages"), "messages")):
        where = f"messages[{number}]"
        role, content = text_at(object_at(message, where), "role", where), message.get("content")
        draft.rest(message, of("role", "content"), "messages")
        if role not in {"user", "assistant", "system"}:
            raise wrong(f"{where}.role", "expected user or assistant")
        if isinstance(content, str):
            found.append({"role": role, "content": content})
        elif role == "system":
            found.append({"role": role, "content": texts_of(draft, content, f"{where}.content")})
        else:
            blocks = _blocks(draft, content, f"{where}.content")
            found += _assistant(draft, blocks) if role == "assistant" else _user(draft, blocks)
    return found


def texts_of(draft: Draft, content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join([text_at(block, "text", at) for at, block in _blocks(draft, content, where)])


def _blocks(draft: Draft, content: Any, where: str) -> list[tuple[str, Item]]:
    """Each with its place.  What is said of caches costs or saves money, and nothing else."""
    blocks = []
    for number, block in enumerate(list_at(content, where)):
        at = f"{where}[{number}]"
        kind = object_at(block, at).get("type")
        if (known := KNOWN.get(str(kind))) is not None:
            draft.rest(block, known, f"messages.{kind}")
        if block.get("cache_control") is not None:
            draft.lose("cache_control", "the provider caches as it likes", "cosmetic")
        blocks.append((at, block))
    return blocks


def _assistant(draft: Draft, blocks: list[tuple[str, Item]]) -> list[Item]:
    texts: list[str] = []
    calls: list[Item] = []
    for at, block in blocks:
        match block.get("type"):
            case "text":
                _uncited(draft, block)
                texts.append(text_at(block, "text", at))
            case "tool_use":
                function = {"name": text_at(block, "name", at), "arguments": said(block.get("input") or {})}
                calls.append({"id": text_at(block, "id", at), "type": "function", "function": function})
            case "thinking" | "redacted_thinking":
                draft.lose("messages.thinking", "thoughts of former turns are not sent", "cosmetic")
            case other:
                _unknown(draft, other)
    message: Item = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    return [message | {"tool_calls": calls}] if calls else [message]


def _user(draft: Draft, blocks: list[tuple[str, Item]]) -> list[Item]:
    """What tools gave comes first, each in a message of its own; then all that the user says."""
    tools: list[Item] = []
    parts: list[Item] = []
    for at, block in blocks:
        if block.get("type") == "tool_result":
            tools.append(_result(draft, at, block, parts))
        else:
            parts += _part(draft, at, block)
    if not parts:
        return tools or [{"role": "user", "content": ""}]
    if all(part["type"] == "text" for part in parts):
        return [*tools, {"role": "user", "content": "\n".join(part["text"] for part in parts)}]
    return [*tools, {"role": "user", "content": parts}]


def _result(draft: Draft, at: str, block: Item, parts: list[Item]) -> Item:
    """A tool's answer; its images go into the user's message after it, since a tool's has none."""
    content = block.get("content", "")
    texts = [content] if isinstance(content, str) else []
    for where, inner in _blocks(draft, content, f"{at}.content") if isinstance(content, list) else ():
        for part in _part(draft, where, inner):
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                draft.lose("messages.tool_result.image", "shown after the tool's answer", "behavioural")
                parts.append(part)
    if block.get("is_error"):
        draft.lose("messages.tool_result.is_error", "the text tells of the error", "cosmetic")
    return {"role": "tool", "tool_call_id": text_at(block, "tool_use_id", at), "content": "\n".join(texts)}


def _part(draft: Draft, at: str, block: Item) -> list[Item]:
    read = PARTS.get(str(block.get("type")))
    if read is None:
        _unknown(draft, block.get("type"))
        return []
    return read(draft, at, block)


def _text(draft: Draft, at: str, block: Item) -> list[Item]:
    _uncited(draft, block)
    return [{"type": "text", "text": text_at(block, "text", at)}]


def _image(draft: Draft, at: str, block: Item) -> list[Item]:
    source = object_at(block.get("source"), f"{at}.source")
    match source.get("type"):
        case "base64":
            draft.rest(source, of("type", "media_type", "data"), "messages.image.source")
            data = text_at(source, "data", f"{at}.source")
            url = f"data:{text_at(source, 'media_type', f'{at}.source')};base64,{data}"
        case "url":
            draft.rest(source, of("type", "url"), "messages.image.source")
            url = text_at(source, "url", f"{at}.source")
        case _:
            draft.lose("messages.image.file", "files are not kept here", "contract")
            return []
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(draft: Draft, at: str, block: Item) -> list[Item]:
    source = object_at(block.get("source"), f"{at}.source")
    if source.get("type") != "text":
        draft.lose("messages.document", "only documents of plain text are understood", "contract")
        return []
    draft.rest(source, of("type", "media_type", "data"), "messages.document.source")
    if isinstance(citations := block.get("citations"), dict) and citations.get("enabled"):
        draft.lose("messages.document.citations", "nothing is cited", "behavioural")
    heads = [block[name] for name in ("title", "context") if isinstance(block.get(name), str)]
    return [{"type": "text", "text": "\n\n".join([*heads, text_at(source, "data", f"{at}.source")])}]


def _uncited(draft: Draft, block: Item) -> None:
    if block.get("citations"):
        draft.lose("messages.text.citations", "what was cited in former turns is not sent", "cosmetic")


def _unknown(draft: Draft, kind: object) -> None:
    draft.lose(f"messages.{kind}", "unknown to this endpoint", "contract")


PARTS: Mapping[str, Callable[[Draft, str, Item], list[Item]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
}
