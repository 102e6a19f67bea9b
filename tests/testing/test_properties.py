"""Whatever a vendor says and however the network cuts it: a whole answer or a stated error, and usage once."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.testing.cases import block, chunk, event, frame, spoken

from gapura.providers import PROVIDERS
from gapura.providers.kinds import provider
from gapura.testing.streams import read
from gapura.wire.sse import Decoder


class Answer(NamedTuple):
    """Pieces of reasoning and of text, and calls with the pieces of their arguments."""

    thoughts: list[str]
    texts: list[str]
    calls: list[list[str]]
    output: int

    @property
    def reason(self) -> str:
        return "tool_calls" if self.calls else "stop"


PIECE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
ANSWERS = st.builds(
    Answer,
    st.lists(PIECE, max_size=2),
    st.lists(PIECE, min_size=1, max_size=3),
    st.lists(st.lists(st.sampled_from(['{"a":', "1", "}", '"é你"']), min_size=1, max_size=3), max_size=2),
    st.integers(1, 99),
)


def as_openai(said: Answer) -> bytes:
    usage = {"prompt_tokens": 7, "completion_tokens": said.output, "total_tokens": 7 + said.output}
    deltas: list[Any] = [{"reasoning_content": one} for one in said.thoughts] + [{"content": one} for one in said.texts]
    for n, pieces in enumerate(said.calls):
        first = {"index": n, "id": f"c{n}", "type": "function", "function": {"name": f"f{n}", "arguments": ""}}
        deltas.append({"tool_calls": [first]})
        deltas += [{"tool_calls": [{"index": n, "function": {"arguments": one}}]} for one in pieces]
    last = event(
        {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
    )
    return b"".join([*map(chunk, deltas), chunk({}, said.reason), last, b"data: [DONE]\n\n"])


def as_dashscope(said: Answer) -> bytes:
    messages: list[Any] = [{"content": "", "reasoning_content": one} for one in said.thoughts]
    messages += [{"content": [{"text": one}]} for one in said.texts]
    for n, pieces in enumerate(said.calls):
        for at, one in enumerate(pieces):
            function = {"arguments": one} if at else {"name": f"f{n}", "arguments": one}
            messages.append({"tool_calls": [{"index": n, "id": "" if at else f"c{n}", "function": function}]})
    spent = {"input_tokens": 7, "output_tokens": said.output}
    frames = [frame(n, one, "null", {"input_tokens": 7, "output_tokens": n}) for n, one in enumerate(messages)]
    return b"".join([*frames, frame(99, {"content": ""}, said.reason, spent)])


def as_anthropic(said: Answer) -> bytes:
    blocks = [
        block(
            0,
            {"type": "thinking", "thinking": ""},
            *({"type": "thinking_delta", "thinking": one} for one in said.thoughts),
        ),
        block(1, {"type": "text", "text": ""}, *({"type": "text_delta", "text": one} for one in said.texts)),
    ]
    for n, pieces in enumerate(said.calls):
        deltas = [{"type": "input_json_delta", "partial_json": one} for one in pieces]
        blocks.append(block(2 + n, {"type": "tool_use", "id": f"c{n}", "name": f"f{n}", "input": {}}, *deltas))
    wire = spoken(*blocks, reason="tool_use" if said.calls else "end_turn")
    usage = b'"usage": {"output_tokens": 5}'
    assert wire.count(usage) == 1
    return wire.replace(usage, b'"usage": {"output_tokens": %d}' % said.output)


DIALECTS: dict[str, Callable[[Answer], bytes]] = {
    **dict.fromkeys(PROVIDERS, as_openai),
    "dashscope": as_dashscope,
    "anthropic": as_anthropic,
    "vllm": as_openai,
}


def understood(out: bytes) -> tuple[Answer, list[int]]:
    """As a client puts it together, and every usage that it was told."""
    texts = {"reasoning_content": "", "content": ""}
    calls: dict[int, str] = {}
    told: list[int] = []
    for one in Decoder().feed(out):
        if one.data == "[DONE]":
            continue
        said = json.loads(one.data)
        told += [said["usage"]["completion_tokens"]] if said.get("usage") else []
        for choice in said["choices"]:
            for name in texts:
                texts[name] += choice["delta"].get(name) or ""
            for call in choice["delta"].get("tool_calls") or []:
                calls[call["index"]] = calls.get(call["index"], "") + (call["function"].get("arguments") or "")
    return Answer([texts["reasoning_content"]], [texts["content"]], [[calls[n]] for n in sorted(calls)], 0), told


def same(one: Answer, other: Answer) -> bool:
    def joined(said: Answer) -> tuple[str, str, list[str]]:
        return "".join(said.thoughts), "".join(said.texts), ["".join(pieces) for pieces in said.calls]

    return joined(one) == joined(other)


@pytest.mark.parametrize("kind", DIALECTS)
@settings(max_examples=40, deadline=None)
@given(said=ANSWERS, data=st.data())
def test_a_stream_is_whole_or_an_error_wherever_it_is_cut(kind: str, said: Answer, data: st.DataObject) -> None:
    wire, speaker = DIALECTS[kind](said), provider(kind)
    at = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    pieces = [wire[start:end] for start, end in zip([0, *at], [*at, len(wire)], strict=True)]
    reader = speaker.reader("m", include_usage=True)
    out, well = read(reader, pieces)
    found, told = understood(out)
    assert well and same(found, said)
    assert told == [said.output] and reader.usage is not None and reader.usage.output == said.output
    end = data.draw(st.integers(0, len(wire) - 1))
    cut, well = read(speaker.reader("m", include_usage=True), [wire[:end]])
    assert not well or same(understood(cut)[0], said)
