"""Plain answers: OpenAI's form to the letter, the vendor's words in it, and what they cost, once."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from gapura.errors import UpstreamFailed
from gapura.providers.base import Provider
from gapura.terms.usage import Usage
from gapura.testing.cases import Cases, Said

Finish = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class Function(msgspec.Struct):
    name: str
    arguments: str


class Call(msgspec.Struct):
    id: str
    function: Function
    type: Literal["function"]


class Message(msgspec.Struct):
    role: Literal["assistant"]
    content: str | None
    tool_calls: list[Call] | None = None
    reasoning_content: str | None = None


class Choice(msgspec.Struct):
    index: int
    message: Message
    finish_reason: Finish


class Counts(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(msgspec.Struct):
    """What OpenAI's specification requires (2.3.0), and what nearly all applications read."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Counts | None = None


def answers(provider: Provider, cases: Cases) -> Iterator[str]:
    for number, case in enumerate(cases.answers):
        try:
            body, usage = provider.answer(case.wire, cases.model)
            said = msgspec.json.decode(body, type=Completion)
        except UpstreamFailed as failure:
            yield f"answers: a whole answer is taken for a failure ({number}): {failure.message}"
        except msgspec.ValidationError as error:
            yield f"answers: it is not in OpenAI's form ({number}): {error}"
        else:
            yield from (f"answers: {what} ({number})" for what in _compared(case, said, usage))
    for wire in (b"", b"{}", b"[]", b'"?"', b"<html>", b'{"choices":[]}', b'{"choices":', b"\xff\xfe"):
        try:
            provider.answer(wire, cases.model)
            yield f"answers: {wire!r} is passed on as an answer"
        except UpstreamFailed:
            pass


def _compared(case: Said, said: Completion, usage: Usage | None) -> Iterator[str]:
    if not said.choices or not said.id:
        yield "it has no choice, or no id"
        return
    choice = said.choices[0]
    if (choice.message.content or "") != case.text:
        yield "its text is another"
    if (choice.message.reasoning_content or "") != case.reasoning:
        yield "its reasoning is another"
    calls = [(one.function.name, _plain(one.function.arguments)) for one in choice.message.tool_calls or ()]
    if calls != [(name, _plain(arguments)) for name, arguments in case.calls]:
        yield "the tools that it calls are others"
    if choice.finish_reason != case.finish:
        yield f"it ends with {choice.finish_reason}, not with {case.finish}"
    yield from counted(case, usage, [said.usage] if said.usage else [])


def counted(case: Said, usage: Usage | None, told: list[Counts]) -> Iterator[str]:
    """Usage as the gateway charges it, and as the caller is told of it."""
    if case.usage is None:
        return
    if usage is None or (usage.input, usage.output) != (case.usage.input, case.usage.output):
        yield f"usage is miscounted: {usage} is charged, and the vendor said {case.usage}"
    elif (usage.cached, usage.reasoning) != (case.usage.cached, case.usage.reasoning):
        yield "cached or reasoning tokens are miscounted"
    if len(told) > 1:
        yield "usage is told more than once"
    for one in told:
        if (one.prompt_tokens, one.completion_tokens) != (case.usage.input, case.usage.output):
            yield "the caller is told another usage than the vendor's"


def _plain(arguments: str) -> Any:
    """Arguments are compared as JSON: its spaces are nobody's business."""
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments
