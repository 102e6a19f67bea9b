"""What the simulated model says: a function of the request alone.

    user text            → a sentence that names vendor and model and repeats the first words
    tools, a user's turn → calls: every tool where parallel calls are allowed, else the first; arguments by schema
    a tool's result      → a sentence that repeats it
    JSON mode, a schema  → an object, by schema, also by one that a system message states in words

A token is a word of up to eight letters, or a sign, with the white space before it.  Vendors differ only in how
this is written down, in whether they think aloud, and in what their limit on tokens counts.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from json import JSONDecoder
from typing import Any
from zlib import crc32

import msgspec

from gapura.sandbox.fill import fill
from gapura.sandbox.limits import named_tool
from gapura.sandbox.shape import Chat, Message, Tool

# What every chat dialect of today adds to a message and to a request (OpenAI's own count for its models).
PER_MESSAGE, PER_REQUEST, PER_IMAGE = 3, 3, 85

_TOKEN = re.compile(r"\s*(?:\w{1,8}|[^\w\s])|\s+")
_WORDS = re.compile(r"\S+(?:\s+\S+){0,11}")
_decoder = JSONDecoder()
_SCHEMA = re.compile(r"\bschema:\s*(?=\{)", re.IGNORECASE)


class Manner(msgspec.Struct, frozen=True):
    """How this vendor's model behaves for this request."""

    label: str
    thinks: bool = False
    parallel: bool = True
    answer_cap: int | None = None  # bounds what is said
    total_cap: int | None = None  # bounds what is thought and said
    thought_cap: int | None = None
    prefix: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    name: str
    arguments: Sequence[str]  # tokens of a JSON text


class Choice(msgspec.Struct, frozen=True):
    """`tokens` joined are the text; `finish` is OpenAI's word, which the vendor translates."""

    tokens: Sequence[str]
    thoughts: Sequence[str]
    calls: Sequence[ToolCall]
    finish: str

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def reasoning(self) -> str:
        return "".join(self.thoughts)

    @property
    def length(self) -> int:
        return len(self.tokens) + len(self.thoughts) + sum(1 + len(call.arguments) for call in self.calls)


class Turn(msgspec.Struct, frozen=True):
    """One whole answer, before any vendor wrote it down.  `digest` seeds the ids."""

    chat: Chat
    digest: str
    choices: Sequence[Choice]
    input: int

    @property
    def output(self) -> int:
        return sum(choice.length for choice in self.choices)

    @property
    def reasoning(self) -> int:
        return sum(len(choice.thoughts) for choice in self.choices)


def tokens(text: str) -> list[str]:
    """
    >>> tokens("Selamat pagi, dunia")
    ['Selamat', ' pagi', ',', ' dunia']
    """
    return _TOKEN.findall(text)


def weigh(chat: Chat) -> int:
    """Input tokens."""
    count = PER_REQUEST
    for message in chat.turns:
        count += PER_MESSAGE + len(tokens(message.text)) + message.images * PER_IMAGE
        if message.tool_calls:
            count += len(tokens(str(message.tool_calls)))
    if chat.tools:
        count += len(tokens(msgspec.json.encode(chat.tools).decode()))
    return count


def compose(chat: Chat, digest: str, manner: Manner) -> Turn:
    count = chat.n or 1
    return Turn(chat, digest, [_choice(chat, digest, manner, at) for at in range(count)], weigh(chat))


def recite(chat: Chat, digest: str, words: int) -> Turn:
    """An answer of that many tokens, for streams of a chosen length."""
    return Turn(chat, digest, [Choice(["gapura", *[" gate"] * (words - 1)], (), (), "stop")], weigh(chat))


def first_words(message: Message) -> str:
    found = _WORDS.search(message.text)
    return found[0][:80] if found else "nothing"


def _choice(chat: Chat, digest: str, manner: Manner, at: int) -> Choice:
    last = chat.turns[-1]
    words = first_words(last)
    thoughts = tokens(f"The last message has {len(last.text)} characters; repeat the first.") if manner.thinks else []
    thoughts = thoughts[: manner.thought_cap]
    room = manner.total_cap
    if room is not None:
        thoughts = thoughts[:room]
        room -= len(thoughts)
    caps = [cap for cap in (room, manner.answer_cap) if cap is not None]
    cap = min(caps) if caps else None
    wanted = _wanted(chat, last, parallel=manner.parallel)
    if wanted:
        calls, complete = _calls(wanted, words, f"{digest}{at}", cap)
        return Choice((), thoughts, calls, "tool_calls" if complete else "length")
    text = manner.prefix + _text(chat, last, words, manner.label)
    if at:
        text += f" Choice {at}."
    spoken = tokens(_stopped(text, chat.stop))
    complete = cap is None or len(spoken) <= cap
    return Choice(spoken[:cap], thoughts, (), "stop" if complete else "length")


def _wanted(chat: Chat, last: Message, *, parallel: bool) -> list[Tool]:
    """The tools to call: none after a tool's result, so that an agent's loop comes to an end."""
    offered = [tool for tool in chat.tools or () if tool.function]
    if chat.tool_choice == "none" or last.role == "tool":
        return []
    if name := named_tool(chat):
        return [tool for tool in offered if tool.function and tool.function.name == name]
    return offered if parallel else offered[:1]


def _calls(wanted: list[Tool], words: str, seed: str, cap: int | None) -> tuple[list[ToolCall], bool]:
    """The calls, and whether the limit had room for all of them."""
    calls: list[ToolCall] = []
    room = cap if cap is not None else 1 << 60
    for at, tool in enumerate(wanted):
        if tool.function is None or room < 1:
            return calls, False
        arguments = tokens(msgspec.json.encode(fill(tool.function.parameters, words)).decode())
        identity = f"call_{crc32(f'{seed}{at}'.encode()):08x}{seed[:14]}"
        calls.append(ToolCall(identity, tool.function.name, arguments[: room - 1]))
        room -= 1 + len(arguments)
        if room < 0:
            return calls, False
    return calls, True


def _text(chat: Chat, last: Message, words: str, label: str) -> str:
    if chat.format != "json_schema" and (stated := _stated(chat)) is not None:
        return msgspec.json.encode(fill(stated, words)).decode()
    match chat.format:
        case "json_object":
            return msgspec.json.encode({"sandbox": label, "model": chat.model, "heard": words}).decode()
        case "json_schema":
            schema = (chat.response_format or {}).get("json_schema") or {}
            return msgspec.json.encode(fill(schema.get("schema"), words)).decode()
    if last.role == "tool":
        return f"The {label} sandbox, {chat.model}, read the tool's answer: {words}"
    seen = f" and saw {last.images} images" if last.images else ""
    return f"The {label} sandbox, {chat.model}, heard{seen}: {words}"


def _stated(chat: Chat) -> dict[str, Any] | None:
    """The schema that a system message asks to follow: a model does, though no field of the request says so."""
    for message in reversed(chat.turns):
        if message.role == "system" and (found := _SCHEMA.search(message.text)):
            with suppress(ValueError):
                schema, _ = _decoder.raw_decode(message.text, found.end())
                return dict(schema)
    return None


def _stopped(text: str, stop: str | list[object] | None) -> str:
    """Up to the first stop sequence; DashScope's token ids stop nothing here."""
    words = [stop] if isinstance(stop, str) else [word for word in stop or () if isinstance(word, str)]
    ends = [at for word in words if word and (at := text.find(word)) >= 0]
    return text[: min(ends)] if ends else text
