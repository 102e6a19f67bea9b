"""Conversations for a vendor that wants user and assistant to take turns, as Qianfan's own SDK checks it
(bce-qianfan-sdk@6cacf60, mock_server.check_messages_v2: an odd number, the user first and last)."""

from typing import Any

import msgspec
from msgspec import Raw

from gapura.providers.ask import Ask

Item = dict[str, Any]

OPENING: Item = {"role": "user", "content": "(The conversation begins with the answer below.)"}
CONTINUE: Item = {"role": "user", "content": "Continue."}


def carry_turns(ask: Ask) -> None:
    """A step after `carry_messages`: one system message at the front, no two neighbours of one role, and the user has
    the first and the last word.  Where that is so already no byte is touched."""
    given = ask.body["messages"]
    given = given if isinstance(given, list) else ask.value("messages", list[Raw])
    messages: list[Item] = [msgspec.json.decode(one) if isinstance(one, Raw) else one for one in given]
    system = [one for one in messages if one["role"] == "system"]
    turns: list[Item] = []
    for one in messages:
        if one["role"] == "system":
            continue
        if turns and _joins(turns[-1], one):
            ask.lose("messages", "neighbours of one role became one message", "cosmetic")
            turns[-1] = {**turns[-1], "content": _both(turns[-1], one)}
        else:
            turns.append(one)
    if len(system) > 1:
        ask.lose("messages", "several system messages became one", "cosmetic")
        system = [{**system[0], "content": "\n\n".join(_prose(one) for one in system)}]
    if system and messages[0]["role"] != "system":
        ask.lose("messages.role", "a later system message went to the beginning", "behavioural")
    if turns and turns[0]["role"] == "assistant":
        ask.lose("messages", "begin with the user, so a line of theirs was put before", "behavioural")
        turns.insert(0, OPENING)
    if turns and turns[-1]["role"] == "assistant":
        ask.lose("messages", "end with the user, so they were made to ask for more", "behavioural")
        turns.append(CONTINUE)
    if [*system, *turns] != messages:
        ask.body["messages"] = [*system, *turns]


def _joins(before: Item, one: Item) -> bool:
    """Two of the user's, or two of the assistant's that call no tool."""
    return before["role"] == one["role"] in {"user", "assistant"} and not (
        before.get("tool_calls") or one.get("tool_calls")
    )


def _both(before: Item, one: Item) -> Any:
    parts = [one.get("content") or "" for one in (before, one)]
    if all(isinstance(part, str) for part in parts):
        return "\n\n".join(part for part in parts if part)
    return [piece for part in parts for piece in ([{"type": "text", "text": part}] if isinstance(part, str) else part)]


def _prose(message: Item) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return content if isinstance(content, str) else ""
