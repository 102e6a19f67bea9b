"""The messages of a request, as vendors without OpenAI's newer roles and parts take them.

The bytes of a message that needs no change are left alone; so is the whole list where none does.
"""

import types
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from gapura.errors import BadRequest
from gapura.providers.ask import Ask
from gapura.terms.loss import Weight

Item = dict[str, Any]

ROLES = {"system", "developer", "user", "assistant", "tool", "function"}

# What OpenAI puts into its answers and apps send back as history.
ECHOES = ("refusal", "annotations", "audio", "function_call")

PARTS: Mapping[str, tuple[str, Weight]] = {
    "input_audio": ("the model takes no audio", "contract"),
    "file": ("files are not supported", "contract"),
}
UNHEARD_OF: tuple[str, Weight] = ("unknown to this provider", "contract")


class Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message that every vendor takes as it is."""

    role: Literal["system", "user", "assistant"]
    content: str


_PLAIN = msgspec.json.Decoder(list[Plain])


def _plain(messages: msgspec.Raw) -> bool:
    """Whether all of them are: of most conversations that is so, and looking takes a fifth of the time of the rest."""
    try:
        _PLAIN.decode(messages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


Part = Callable[[Item], Item | None]
Parts = Mapping[str, Part]


def carry_messages(*, takes: Parts = types.MappingProxyType({}), developer: str = "system") -> Callable[[Ask], None]:
    """A step that puts `messages` into the body.  `takes`: kinds of parts that the vendor takes in a form of its own
    (None: not this one).  `developer` is the role that it knows this one by."""

    def step(ask: Ask) -> None:
        if _plain(ask.given["messages"]):
            ask.body["messages"] = ask.given["messages"]
            return
        given: list[Item] = ask.value("messages", list[dict[str, Any]])
        done = [_message(ask, number, message, takes, developer) for number, message in enumerate(given)]
        ask.body["messages"] = ask.given["messages"] if done == given else done

    return step


def _message(ask: Ask, number: int, given: Item, takes: Parts, developer: str) -> Item:
    role, content = given.get("role"), given.get("content")
    if not isinstance(role, str) or role not in ROLES:
        raise _wrong(f"[{number}].role", f"expected one of {', '.join(sorted(ROLES))}")
    message = _echoes(ask, given) if role == "assistant" else dict(given)
    if role == "developer" != developer:
        ask.lose("messages.role", f"developer became {developer}", "cosmetic")
        message["role"] = developer
    elif role == "function":
        ask.lose("functions", "became tools; the answer has tool_calls", "contract")
        message = {"role": "tool", "tool_call_id": _call_id(given.get("name")), "content": content}
    if isinstance(content, list):
        parts = [_part(ask, f"[{number}].content[{n}]", part, takes) for n, part in enumerate(content)]
        message["content"] = [part for part in parts if part is not None] or ""
    elif content is not None and not isinstance(content, str):
        raise _wrong(f"[{number}].content", "expected a string or a list of parts")
    return message


def _echoes(ask: Ask, given: Item) -> Item:
    """An assistant's message without what only OpenAI knows."""
    message = {name: value for name, value in given.items() if name not in ECHOES}
    if given.get("refusal") and not given.get("content"):
        ask.lose("messages.refusal", "became content", "cosmetic")
        message["content"] = given["refusal"]
    if given.get("audio"):
        ask.lose("messages.audio", "audio of a former answer is not supported", "contract")
    if isinstance(call := given.get("function_call"), dict):
        ask.lose("functions", "became tools; the answer has tool_calls", "contract")
        message["tool_calls"] = [{"id": _call_id(call.get("name")), "type": "function", "function": call}]
    return message


def _call_id(name: object) -> str:
    """Functions of the old kind have no ids: the name ties a call to its result."""
    return f"call_{name}"


def _part(ask: Ask, where: str, part: Any, takes: Parts) -> Item | None:
    if not isinstance(part, dict) or not isinstance(kind := part.get("type"), str):
        raise _wrong(where, "expected an object with a type")
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal", "")}
    if kind in {"image_url", "video_url"} and ask.facts.vision is False:
        ask.lose(f"messages.{kind}", f"{ask.model} does not see", "contract")
        return None
    if kind in takes and (taken := takes[kind](part)) is not None:
        return taken
    if kind in {"text", "image_url", "video_url"}:
        return part
    why, weight = PARTS.get(kind, UNHEARD_OF)
    ask.lose(f"messages.{kind}", why, weight)
    return None


def _wrong(where: str, said: str) -> BadRequest:
    return BadRequest(f"Invalid value for 'messages{where}': {said}.", param=f"messages{where}")
