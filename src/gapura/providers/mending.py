"""A plain answer whose form the vendor does not see to: looked at, and asked for once more where it is wrong."""

from typing import Any, NamedTuple

import msgspec

from gapura.errors import UpstreamFailed
from gapura.providers.answers import usage_said
from gapura.providers.base import Form, Translation
from gapura.providers.outbound import Outbound
from gapura.terms.usage import Usage
from gapura.wire import openai, tokens

MENDED = (b"gapura-mended", b"response_format")
"""Told where the second answer is the one that the caller gets."""

# Output tokens that a second answer must be allowed, whatever the first one had.
LEAST = 64

_ANSWER = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


class Looked(NamedTuple):
    """`body` with its JSON freed of fences; what is wrong with the first choice that is wrong ("": nothing), and what
    that one said."""

    body: bytes
    problem: str = ""
    said: str = ""
    choices: int = 1


def look(body: bytes, form: Form) -> Looked:
    """Only what ended by itself is looked at: an answer that was cut, refused, or calls a tool is no JSON at OpenAI
    either."""
    answer = _ANSWER.decode(body)
    wrong = changed = ""
    said = ""
    for choice in answer["choices"]:
        message = choice["message"]
        content = message.get("content")
        if choice["finish_reason"] != "stop" or not isinstance(content, str) or message.get("tool_calls"):
            continue
        message["content"], problem = form.read(content)
        changed = changed or (message["content"] if message["content"] != content else "")
        if problem and not wrong:
            wrong, said = problem, content
    return Looked(_ENCODER.encode(answer) if changed else body, wrong, said, len(answer["choices"]))


def again(outbound: Outbound, form: Form, looked: Looked, usage: Usage | None) -> Translation:
    """What to send for the same in the right form.  Raises UpstreamFailed where that cannot be: several choices, or an
    account whose hold does not pay for a second request."""
    body = form.again(looked.said, looked.problem)
    cap: int | None = None
    if looked.choices > 1:
        raise failed(looked.problem)
    if outbound.held is not None:
        inputs, outputs = outbound.held
        if usage is None or tokens.bound(body) > inputs - usage.input:
            raise failed(looked.problem)
        if outputs and (cap := outputs - usage.output) < max(LEAST, tokens.estimate(looked.said)):
            raise failed(looked.problem)
    return outbound.operation.translate(body, openai.read(body), outbound.target.model, cap)


def joined(
    first: tuple[bytes, Usage | None], second: tuple[bytes, Usage | None], form: Form
) -> tuple[bytes, Usage | None]:
    """The first answer with the text of the second, and what both cost.  Raises UpstreamFailed where that is wrong,
    too."""
    looked = look(second[0], form)
    if looked.problem:
        raise failed(looked.problem)
    answer, better = _ANSWER.decode(first[0]), _ANSWER.decode(looked.body)
    answer["choices"][0]["message"]["content"] = better["choices"][0]["message"]["content"]
    one, other = first[1], second[1]
    if one is None or other is None:
        return _ENCODER.encode(answer), None
    usage = one.plus(other)
    return _ENCODER.encode({**answer, "usage": usage_said(usage)}), usage


def failed(problem: str) -> UpstreamFailed:
    """Another target may do better; it is no sign of ill health."""
    return UpstreamFailed(
        f"The provider's answer is not what response_format asks for ({problem}), and it has no way to be held to it.",
        code="schema_not_met",
        trips=False,
    )
