"""OpenAI's own Responses, embeddings and moderation, and Anthropic's own Messages, handed on as they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.errors import GapuraError, UpstreamFailed
from gapura.providers.anthropic import ANTHROPIC
from gapura.providers.base import Operation
from gapura.providers.openai import OPENAI
from gapura.terms.usage import Usage
from gapura.wire import embeddings, moderation
from gapura.wire.messages import MESSAGES
from gapura.wire.responses import RESPONSES
from gapura.wire.sse import Decoder


def operation(kind: Any) -> Operation:
    found = (ANTHROPIC if kind == "messages" else OPENAI).operation(kind)
    assert found is not None
    return found


def event(number: int, kind: str, **said: Any) -> bytes:
    data = {"type": kind, "sequence_number": number, **said}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


SPENT = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 2},
}
BEGUN = event(0, "response.created", response={"id": "resp_1"}) + event(1, "response.output_item.added", item={})
SAID = event(2, "response.output_text.delta", delta="Selamat") + event(3, "response.output_text.delta", delta=" pagi")
ENDED = event(4, "response.completed", response={"id": "resp_1", "usage": SPENT})
FAILED = event(4, "response.failed", response={"error": {"code": "rate_limit_exceeded", "message": "Slow down."}})


def read(pieces: list[bytes], kind: str = "responses") -> tuple[bytes, Any, str]:
    reader, out = operation(kind).reader("m", include_usage=False), b""
    for piece in [*pieces, None]:
        try:
            if not reader.done:
                out += reader.close() if piece is None else reader.feed(piece)
            failure = reader.failure
        except UpstreamFailed as error:
            failure = error
        if failure is not None:
            return out + reader.say(failure), reader, failure.message
    return out, reader, ""


@given(at=st.lists(st.integers(0, len(BEGUN + SAID + ENDED)), max_size=5).map(sorted))
def test_a_stream_goes_on_as_it_came_however_it_is_cut(at: list[int]) -> None:
    wire = BEGUN + SAID + ENDED
    out, reader, failure = read([wire[a:b] for a, b in zip([0, *at], [*at, len(wire)], strict=True)])
    assert (out, failure, reader.begun, reader.done) == (wire, "", True, True)
    assert (reader.usage, reader.relayed > 0) == (Usage(11, 3, 4, 2), True)


@given(at=st.integers(0, len(BEGUN + SAID + ENDED) - 4))
def test_a_stream_that_breaks_off_says_so_with_the_next_number(at: int) -> None:
    out, _, failure = read([(BEGUN + SAID + ENDED)[:at]])
    said = [json.loads(one.data) for one in Decoder().feed(out)]
    assert failure and (said[-1]["type"], said[-1]["message"]) == ("error", failure)
    assert [one["sequence_number"] for one in said] == list(range(len(said)))


def test_a_failure_inside_a_stream_is_the_vendors() -> None:
    out, _, failure = read([BEGUN, SAID, FAILED])
    assert failure == "Slow down." and b"response.failed" not in out
    reader = operation("responses").reader("m", include_usage=False)
    with pytest.raises(UpstreamFailed, match="Slow down") as caught:
        reader.feed(BEGUN + FAILED)
    assert caught.value.status == 429
    out, _, failure = read([SAID, event(4, "error", code="server_error", message="Gone.", param=None)])
    assert failure == "Gone."


def test_that_a_request_was_taken_is_no_token() -> None:
    reader = operation("responses").reader("m", include_usage=False)
    reader.feed(BEGUN)
    assert not reader.begun
    reader.feed(SAID)
    assert reader.begun


ASK = {"model": "gpt-5.4", "input": "Halo"}


@pytest.mark.parametrize(
    ("given", "model", "cap", "changed"),
    [
        ({"store": False}, "gpt-5.4", None, {}),
        ({}, "gpt-5.4", None, {"store": False, "include": ["reasoning.encrypted_content"]}),
        ({"store": True, "include": ["reasoning.encrypted_content"]}, "gpt-5.4", None, {"store": False}),
        ({"store": False}, "gpt-6-sol", 50, {"model": "gpt-6-sol", "max_output_tokens": 50}),
        ({"store": False, "max_output_tokens": 20}, "gpt-5.4", 50, {}),
        ({"store": False, "max_output_tokens": 90}, "gpt-5.4", 50, {"max_output_tokens": 50}),
    ],
)
def test_nothing_is_kept_at_openai(given: dict[str, Any], model: str, cap: int | None, changed: dict[str, Any]) -> None:
    body = json.dumps(ASK | given).encode()
    done = operation("responses").translate(body, RESPONSES.read(body), model, cap)
    assert json.loads(done.body) == ASK | given | changed
    assert changed or done.body is body
    lost = {loss.field for loss in done.losses}
    assert lost == ({"store"} if given.get("store") else set()) | ({"max_output_tokens"} & changed.keys())


def test_embeddings_and_moderation_pass_with_their_usage() -> None:
    body = json.dumps({"model": "a", "input": ["x"]}).encode()
    done = operation("embeddings").translate(body, embeddings.read(body), "b", None)
    assert json.loads(done.body) == {"model": "b", "input": ["x"]}
    assert operation("embeddings").translate(body, embeddings.read(body), "a", None).body is body
    assert operation("moderation").translate(body, moderation.read(body), "a", None).body is body
    answer = b'{"data":[{"index":0,"embedding":[1.0]}],"usage":{"prompt_tokens":8,"total_tokens":8}}'
    assert operation("embeddings").answer(answer, "b") == (answer, Usage(8))
    assert operation("moderation").answer(b'{"results":[]}', "b")[1] == Usage()


@pytest.mark.parametrize("kind", ["responses", "embeddings", "moderation"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":{"message":"no","code":"server_error"}}'])
def test_what_is_no_answer_is_a_failure(kind: str, body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        operation(kind).answer(body, "m")


def test_what_has_no_streams_says_so() -> None:
    with pytest.raises(GapuraError, match="no streams"):
        operation("embeddings").reader("m", include_usage=False)


STARTED = event(0, "message_start", message={"id": "msg_1", "usage": {"input_tokens": 9, "cache_read_input_tokens": 4}})
BLOCK = event(0, "content_block_delta", index=0, delta={"type": "text_delta", "text": "Selamat pagi"})
STOPPED = event(0, "message_delta", delta={}, usage={"output_tokens": 5}) + event(0, "message_stop")


@given(at=st.lists(st.integers(0, len(STARTED + BLOCK + STOPPED)), max_size=5).map(sorted))
def test_messages_go_on_as_they_came_however_they_are_cut(at: list[int]) -> None:
    wire = STARTED + BLOCK + STOPPED
    out, reader, failure = read([wire[a:b] for a, b in zip([0, *at], [*at, len(wire)], strict=True)], "messages")
    assert (out, failure, reader.done) == (wire, "", True)
    assert (reader.usage, reader.relayed > 0) == (Usage(13, 5, 4), True)


@given(at=st.integers(0, len(STARTED + BLOCK + STOPPED) - 5))
def test_messages_that_break_off_say_so(at: int) -> None:
    out, _, failure = read([(STARTED + BLOCK + STOPPED)[:at]], "messages")
    said = [json.loads(one.data) for one in Decoder().feed(out)]
    assert failure and said[-1] == {"type": "error", "error": {"type": "api_error", "message": failure}}
    overloaded = event(0, "error", error={"type": "overloaded_error", "message": "Overloaded"})
    assert read([STARTED, BLOCK, overloaded], "messages")[2] == "Overloaded"


def test_messages_are_sent_as_they_came_but_for_model_and_limit() -> None:
    ask = {"model": "a", "max_tokens": 90, "messages": [{"role": "user", "content": "Halo"}], "top_k": 3}
    body = json.dumps(ask).encode()
    sent = operation("messages").translate(body, MESSAGES.read(body), "b", 50)
    assert json.loads(sent.body) == ask | {"model": "b", "max_tokens": 50}
    assert [loss.field for loss in sent.losses] == ["max_tokens"]
    assert operation("messages").translate(body, MESSAGES.read(body), "a", None).body is body
