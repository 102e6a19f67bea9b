"""Chat streams as other dialects tell them: however they are cut, a whole answer or a stated error, and the same answer
as a plain one."""

import json
from itertools import pairwise
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.providers.test_payloads import STREAMS, VENDORS, body_of, named

from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.providers.outbound import Retold
from gapura.terms.usage import Usage
from gapura.wire.completions import COMPLETIONS
from gapura.wire.dialect import Carried, Dialect
from gapura.wire.messages import MESSAGES
from gapura.wire.responses import RESPONSES
from gapura.wire.sse import Decoder

ASKS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "responses": (RESPONSES, {"model": "m", "input": "Halo"}),
    "summary": (RESPONSES, {"model": "m", "input": "Halo", "reasoning": {"summary": "auto"}}),
    "messages": (
        MESSAGES,
        {
            "model": "m",
            "max_tokens": 9000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "messages": [{"role": "user", "content": "Halo"}],
        },
    ),
    "completions": (COMPLETIONS, {"model": "m", "prompt": "Halo", "stream_options": {"include_usage": True}}),
}
ENDS = {
    "responses": ("response.completed", "response.incomplete"),
    "summary": ("response.completed", "response.incomplete"),
    "messages": ("message_stop",),
    "completions": ("[DONE]",),
}

RESPONSES_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MESSAGES_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def carried(name: str) -> Carried:
    dialect, ask = ASKS[name]
    assert dialect.into_chat is not None
    return dialect.into_chat(json.dumps(ask).encode())


def told(name: str, provider: str, pieces: list[bytes]) -> tuple[bytes, Usage | None, str]:
    """All that the caller gets, what it cost, and the failure, if any, which stands at its end."""
    chat = PROVIDERS[provider].reader("m", include_usage=False)
    reader = Retold(chat, carried(name).retelling(7), lambda: 7)
    out, failure = b"", None
    for piece in [*pieces, None]:
        try:
            if not reader.done:
                out += reader.close() if piece is None else reader.feed(piece)
            failure = reader.failure
        except UpstreamFailed as error:
            failure = error
        if failure is not None:
            return out + reader.say(failure), reader.usage, failure.message
    return out, reader.usage, ""


def events(out: bytes) -> list[Any]:
    return [json.loads(event.data) if event.data != "[DONE]" else "[DONE]" for event in Decoder().feed(out)]


def kind(event: Any) -> str:
    return event if isinstance(event, str) else str(event.get("type", ""))


def final(name: str, said: list[Any]) -> dict[str, Any]:
    """What the vendors' SDKs put together of the events, each of which is checked by their types."""
    if name in {"responses", "summary"}:
        for number, event in enumerate(said):
            RESPONSES_EVENT.validate_python(event)
            assert event["sequence_number"] == number
        return Response.model_validate(said[-1]["response"]).to_dict()
    if name == "messages":
        snapshot: Any = None
        pieces: dict[int, bytes] = {}
        for event in said:
            parsed = MESSAGES_EVENT.validate_python(event) if kind(event) != "ping" else None
            if parsed is not None:
                snapshot = accumulate_event(event=parsed, current_snapshot=snapshot, json_bufs=pieces)
        assert isinstance(snapshot, Message)
        return snapshot.to_dict()
    text = "".join(event["choices"][0]["text"] for event in said[:-1] if event["choices"])
    for event in said[:-1]:
        done = [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in event["choices"]]
        Completion.model_validate(event | {"choices": done})
    return {"text": text}


@pytest.mark.parametrize("name", ASKS)
@named(STREAMS)
def test_however_a_stream_is_cut_it_is_told_the_same(name: str, file: Any) -> None:
    wire, provider = body_of(file), VENDORS[file.parent.name]
    out = told(name, provider, [wire])
    assert told(name, provider, [bytes([byte]) for byte in wire]) == out


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c-1", "created": 5, "model": "m", "choices": [choice]}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}
COST = b"data: " + json.dumps({"id": "c-1", "choices": [], "usage": USAGE}).encode() + b"\n\n"
DONE = b"data: [DONE]\n\n"

TEXT = st.text(min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(TEXT, st.integers() | TEXT, max_size=3).map(json.dumps)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[bytes], dict[str, Any]]:
    """A chat stream, and the plain answer that says the same."""
    thought, content = draw(st.lists(TEXT, max_size=3)), draw(st.lists(TEXT, max_size=4))
    calls = draw(st.lists(ARGUMENTS, max_size=3))
    pieces = [chunk({"role": "assistant", "content": ""})]
    pieces += [chunk({"reasoning_content": text}) for text in thought] + [chunk({"content": text}) for text in content]
    for index, arguments in enumerate(calls):
        function: dict[str, Any] = {"name": f"f{index}", "arguments": ""}
        pieces.append(chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "function": function}]}))
        at = draw(st.integers(0, len(arguments)))
        pieces += [
            chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
            for part in (arguments[:at], arguments[at:])
            if part
        ]
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    message = {
        "role": "assistant",
        "content": "".join(content) or None,
        "reasoning_content": "".join(thought) or None,
        "tool_calls": [
            {"id": f"call_{index}", "function": {"name": f"f{index}", "arguments": arguments}}
            for index, arguments in enumerate(calls)
        ],
    }
    plain = {"id": "c-1", "created": 5, "model": "m", "choices": [{"message": message, "finish_reason": finish}]}
    return [*pieces, chunk({}, finish), COST, DONE], plain


def content(name: str, found: dict[str, Any]) -> Any:
    return found[{"messages": "content", "completions": "text"}.get(name, "output")]


@pytest.mark.parametrize("name", ASKS)
@settings(max_examples=60)
@given(answer=answers(), data=st.data())
def test_a_stream_says_what_a_plain_answer_says_and_a_cut_one_says_that_it_was_cut(
    name: str, answer: tuple[list[bytes], dict[str, Any]], data: st.DataObject
) -> None:
    pieces, plain = answer
    wire = b"".join(pieces)
    out, usage, failure = told(name, "openai", [wire])
    assert (usage, failure) == (Usage(11, 22), "")
    said = events(out)
    found, whole = final(name, said), json.loads(carried(name).answer(json.dumps(plain).encode(), Usage(11, 22)))
    if name == "completions":
        assert found["text"] == whole["choices"][0]["text"]
        assert [event["usage"] for event in said[:-1] if "usage" in event] == [whole["usage"]]
    elif name == "messages":
        assert found == whole | {"stop_details": None}
        told_twice = [event for event in said if "usage" in event]
        assert [event["type"] for event in told_twice] == ["message_delta"]
    else:
        assert (found["output"], found["usage"], found["status"]) == (whole["output"], whole["usage"], whole["status"])
        assert [kind(event) for event in said if (event.get("response") or {}).get("usage")] == [kind(said[-1])]
    at = data.draw(st.integers(0, len(wire)))
    short, _, failed = told(name, "openai", [wire[:at]])
    ended = [kind(event) in ENDS[name] for event in events(short)]
    if failed:
        assert not any(ended) and not short.startswith(out)
        assert kind(events(short)[-1]) in {"error", "response.failed", ""} and failed in short.decode()
    else:  # only the usage may be missing, and the last word
        assert content(name, final(name, events(short))) == content(name, found)


@pytest.mark.parametrize("name", ASKS)
def test_usage_that_nobody_told_is_estimated_and_said_to_be(name: str) -> None:
    out, usage, failure = told(name, "openai", [chunk({"content": "Selamat pagi"}), chunk({}, "stop"), DONE])
    assert failure == "" and usage is not None and usage.estimated and (usage.input, usage.output > 0) == (7, True)
    assert out.count(b'"estimated":true') == 1


def test_logprobs_go_with_the_deltas_and_at_the_end() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [entry]}, "finish_reason": None}
    piece = b"data: " + json.dumps({"id": "c-1", "choices": [choice]}).encode() + b"\n\n"
    assert RESPONSES.into_chat is not None
    asked = RESPONSES.into_chat(b'{"model":"m","input":"a","top_logprobs":1}')
    reader = Retold(PROVIDERS["openai"].reader("m", include_usage=False), asked.retelling(7), lambda: 7)
    said = events(reader.feed(piece + chunk({}, "stop") + DONE))
    assert [event["logprobs"] for event in said if kind(event) == "response.output_text.delta"] == [[entry]]
    assert said[-1]["response"]["output"][0]["content"][0]["logprobs"] == [entry]
    assert told("messages", "openai", [piece, chunk({}, "stop"), DONE])[2] == ""


@settings(max_examples=60)
@given(pieces=st.lists(st.binary(max_size=30) | st.sampled_from([chunk({"content": "a"}), DONE, COST]), max_size=6))
@pytest.mark.parametrize("name", ASKS)
def test_garbage_is_a_stated_failure(name: str, pieces: list[bytes]) -> None:
    out, _, failure = told(name, "openai", pieces)
    ended = [kind(event) in ENDS[name] for event in events(out)]
    assert any(ended) is (failure == "")


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[bytes], str, list[tuple[str, str]]]:
    """Text, thoughts and fragments of several calls in any order, a call's name and id in the first of its fragments or
    in the second: the stream, all of its text, and the calls."""
    queues: list[list[Any]] = []
    calls = []
    for index in range(draw(st.integers(0, 3))):
        arguments = draw(ARGUMENTS | st.just(""))
        calls.append((f"f{index}", arguments))
        parts = draw(st.lists(st.integers(0, len(arguments)), max_size=2).map(sorted))
        ends = [0, *parts, len(arguments)]
        fragments: list[Any] = [{"arguments": arguments[a:b]} for a, b in pairwise(ends)]
        named = {"name": f"f{index}"}
        if draw(st.integers(0, 4)):
            fragments[0] |= named
        else:
            fragments = [{"arguments": ""}, {"arguments": "", **named}, *fragments]
        queues.append(
            [
                {"tool_calls": [{"index": index, **({} if n else {"id": f"call_{index}"}), "function": one}]}
                for n, one in enumerate(fragments)
            ]
        )
    texts = draw(st.lists(TEXT, max_size=3))
    queues.append([{"content": text} for text in texts])
    queues.append([{"reasoning_content": text} for text in draw(st.lists(TEXT, max_size=2))])
    order = draw(st.permutations([n for n, queue in enumerate(queues) for _ in queue]))
    pieces = [chunk(queues[n].pop(0)) for n in order]
    return [*pieces, chunk({}, "tool_calls" if calls else "stop"), COST, DONE], "".join(texts), calls


@pytest.mark.parametrize("name", ["responses", "summary", "messages"])
@settings(max_examples=150)
@given(mixture=mixtures())
def test_however_pieces_are_mixed_all_is_told_or_it_is_a_failure(
    name: str, mixture: tuple[list[bytes], str, list[tuple[str, str]]]
) -> None:
    pieces, text, calls = mixture
    out, usage, failure = told(name, "openai", pieces)
    said = events(out)
    if failure:
        assert name == "messages" and not any(kind(event) in ENDS[name] for event in said)
        return
    assert usage == Usage(11, 22)
    found = final(name, said)
    if name == "messages":
        blocks = found["content"]
        assert "".join(block["text"] for block in blocks if block["type"] == "text") == text
        made = [(one["name"], one["input"]) for one in blocks if one["type"] == "tool_use"]
        assert sorted(made, key=str) == [(name, json.loads(said or "{}")) for name, said in calls]
        return
    items = found["output"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    assert "".join(part["text"] for part in parts) == text
    made = [(item["name"], item["arguments"]) for item in items if item["type"] == "function_call"]
    assert sorted(made) == calls
    check_events(said)


def check_events(said: list[Any]) -> None:
    """As OpenAI's own: each item is added once and done once under one id, its deltas are its text, and the last event
    has the items as they were done."""
    added: dict[int, Any] = {}
    deltas: dict[tuple[str, str], str] = {}
    done: dict[int, Any] = {}
    for event in said:
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(added)
                added[event["output_index"]] = event["item"]
            case "output_item.done":
                assert event["output_index"] not in done
                done[event["output_index"]] = event["item"]
                assert event["item"]["id"] == added[event["output_index"]]["id"]
            case (
                "output_text.delta"
                | "reasoning_text.delta"
                | "reasoning_summary_text.delta"
                | "function_call_arguments.delta"
            ):
                item = added[event["output_index"]]
                assert event["item_id"] == item["id"] and event["output_index"] not in done
                what = (event["item_id"], event["type"].removesuffix(".delta"))
                deltas[what] = deltas.get(what, "") + event["delta"]
            case "output_text.done" | "reasoning_text.done" | "reasoning_summary_text.done":
                assert deltas.get((event["item_id"], event["type"].removesuffix(".done")), "") == event["text"]
            case "function_call_arguments.done":
                item = added[event["output_index"]]
                assert deltas.get((event["item_id"], event["type"].removesuffix(".done")), "") == event["arguments"]
                assert event["name"] == item["name"]
    assert said[-1]["response"]["output"] == [done[number] for number in sorted(added)]


def test_calls_whose_fragments_come_mixed_are_put_in_order() -> None:
    """Blocks of Messages come one after the other: what belongs to a later call waits."""

    def fragment(index: int, text: str, **more: Any) -> bytes:
        return chunk({"tool_calls": [{"index": index, "function": {"arguments": text, **more}}]})

    pieces = [
        fragment(0, '{"a":', name="f"),
        fragment(1, '{"b":', name="g"),
        fragment(0, "1}"),
        fragment(1, "2}"),
        chunk({}, "tool_calls"),
        DONE,
    ]
    out, _, failure = told("messages", "openai", pieces)
    assert failure == ""
    found = final("messages", events(out))["content"]
    assert [(block["name"], block["input"]) for block in found] == [("f", {"a": 1}), ("g", {"b": 2})]


@pytest.mark.parametrize("finish", ["tool_calls", "length"])
def test_arguments_that_are_no_object_are_a_failure_unless_the_limit_cut_them(finish: str) -> None:
    function = {"name": "f", "arguments": '{"a":'}
    pieces = [chunk({"tool_calls": [{"index": 0, "id": "c", "function": function}]}), chunk({}, finish), DONE]
    _, _, failure = told("messages", "openai", pieces)
    assert bool(failure) is (finish == "tool_calls")
