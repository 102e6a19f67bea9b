"""What vendors check, as tables: ranges in the notation of their own documents, and the order of messages."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from gapura.sandbox.shape import Chat, Wrong


class Interval(NamedTuple):
    """A range of numbers with open and closed ends.

    >>> 2 in Interval.of("[0, 2)"), 0 in Interval.of("[0, 2)")
    (False, True)
    """

    low: float
    high: float
    low_open: bool
    high_open: bool
    text: str

    @classmethod
    def of(cls, text: str) -> Self:
        low, high = text[1:-1].split(",")
        return cls(float(low), float(high), text[0] == "(", text[-1] == ")", text)

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float):
            return False
        above = self.low < value if self.low_open else self.low <= value
        below = value < self.high if self.high_open else value <= self.high
        return above and below


def intervals(**ranges: str) -> Mapping[str, Interval]:
    return {name: Interval.of(text) for name, text in ranges.items()}


def check_ranges(chat: Chat, ranges: Mapping[str, Interval]) -> None:
    for name, interval in ranges.items():
        value = getattr(chat, name)
        if value is not None and value not in interval:
            raise Wrong("invalid", f"'{name}' must be in {interval.text}, got {value}.", name)


def check_messages(chat: Chat, roles: frozenset[str]) -> None:
    """Known roles, and each tool result an answer to a call made before it."""
    called: set[str] = set()
    for at, message in enumerate(chat.turns):
        if message.role not in roles:
            raise Wrong("messages", f"Role must be in {sorted(roles)}, got '{message.role}'.", f"messages[{at}].role")
        if message.role == "tool" and message.tool_call_id not in called:
            raise Wrong("messages", "A tool message must answer a preceding tool call.", f"messages[{at}].tool_call_id")
        called.update(str(call.get("id")) for call in message.tool_calls or ())


def check_says_json(chat: Chat) -> None:
    """JSON mode of OpenAI and DashScope wants the word in a message, lest the model fill the page with spaces."""
    if chat.format == "json_object" and not any("json" in message.text.lower() for message in chat.turns):
        raise Wrong("invalid", "'messages' must contain the word 'json' to use a json_object format.", "messages")


def check_choice(chat: Chat, words: frozenset[str]) -> None:
    """`tool_choice` is one of the words, or names a tool that is there."""
    choice = chat.tool_choice
    if isinstance(choice, str) and choice not in words:
        raise Wrong("invalid", f"'tool_choice' must be one of {sorted(words)}.", "tool_choice")
    if isinstance(choice, dict):
        name = named_tool(chat)
        if name not in {tool.function.name for tool in chat.tools or () if tool.function}:
            raise Wrong("invalid", f"'tool_choice' names '{name}', which is not among the tools.", "tool_choice")


def named_tool(chat: Chat) -> str | None:
    """The one tool that the caller forces, by the name inside {"type": "function", "function": {"name": …}}."""
    if not isinstance(chat.tool_choice, dict):
        return None
    function = chat.tool_choice.get("function")
    return str(function.get("name")) if isinstance(function, dict) else ""
