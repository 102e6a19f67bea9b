"""Structured answers at vendors that have none: asked for in words, checked here, and asked for once more.

Only plain answers: of a stream the first half is with the caller before the second can be checked, so there a form that
the vendor does not see to is a contract loss.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from gapura.providers.ask import Ask
from gapura.providers.schema import Schema

ASKED = "Answer with JSON and nothing else."
AGAIN = (
    "Somebody wanted JSON and got what the user sends. Send the same content as JSON that is right. "
    "Change nothing but the form, and write nothing else."
)
WHY = "the provider has none: it is asked for in words, checked here, and asked for once more where it is wrong"

FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)

Item = dict[str, Any]

_ENCODER = msgspec.json.Encoder()


class Form(msgspec.Struct, frozen=True):
    """What an answer must be."""

    schema: Schema

    def read(self, said: str) -> tuple[str, str]:
        """The JSON in what was said, without a fence around it, and what is wrong with it ("": nothing)."""
        found = FENCED.fullmatch(said)
        text = found[1] if found else said
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            return text, f"it is no JSON: {error}"
        return text, self.schema.problem(value)

    def again(self, said: str, problem: str) -> bytes:
        """A chat request for the same in the right form: without the conversation, so that it costs little."""
        wanted = f"{AGAIN} The schema: {_ENCODER.encode(self.schema.root).decode()}"
        messages = [
            {"role": "system", "content": wanted},
            {"role": "user", "content": f"{said}\n\n(What is wrong: {problem})"},
        ]
        return _ENCODER.encode({"model": "again", "messages": messages, "response_format": {"type": "json_object"}})


def carry_form(ask: Ask, given: Item, tell: Callable[[Ask, str], None]) -> bool:
    """Whether the form that `given` asks for is seen to here: `tell` puts a sentence before the conversation.  It is
    told as lost either way."""
    schema = given.get("json_schema")
    wanted: Any = {"type": "object"}
    if given.get("type") == "json_schema":
        wanted = schema.get("schema") if isinstance(schema, dict) else {}
    known = Schema.of(wanted)
    if ask.stream or known is None:
        why = "in a stream nobody can check it" if ask.stream else "it has more than is checked here"
        ask.lose("response_format", f"{given.get('type')} is not supported, and {why}", "contract")
        return False
    ask.form = Form(known)
    ask.lose("response_format", f"{given.get('type')}: {WHY}", "behavioural")
    tell(ask, f"{ASKED} The schema: {_ENCODER.encode(wanted).decode()}" if wanted != {"type": "object"} else ASKED)
    return True


def before_messages(ask: Ask, sentence: str) -> None:
    """As a system message of its own, at the front."""
    messages = ask.body["messages"]
    messages = messages if isinstance(messages, list) else ask.value("messages", list[msgspec.Raw])
    ask.body["messages"] = [{"role": "system", "content": sentence}, *messages]
