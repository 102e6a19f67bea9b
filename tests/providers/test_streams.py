"""Both readers, against everything that a vendor, or something in its place, may send."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.wire.sse import MAX_EVENT, Decoder

# Those whose streams are OpenAI's, or nearly so; the others' are in tests of their own.
NAMES = sorted({*PROVIDERS} - {"anthropic"})


def chunk(delta: Any, reason: Any = None, **more: Any) -> bytes:
    body = {
        "id": "s-1",
        "created": 1790000000,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }
    return b"data: " + json.dumps(body | more).encode() + b"\n\n"


HELLO = chunk({"role": "assistant", "content": "Halo"})
END = chunk({}, "stop") + b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}\n\n'


def read(name: str, pieces: list[bytes], *, usage: bool = True) -> tuple[bytes, str]:
    """Everything handed on, and the failure, if any."""
    reader, out = PROVIDERS[name].reader("m", include_usage=usage), b""
    try:
        for piece in pieces:
            out += reader.feed(piece)
        out += reader.close()
    except UpstreamFailed as failure:
        return out, f"{failure.status} {failure.code}"
    return out, ""


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    return [wire[start:end] for start, end in zip([0, *at], [*at, len(wire)], strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_handed_on_before_it_is_whole(name: str) -> None:
    reader = PROVIDERS[name].reader("m", include_usage=False)
    assert [reader.feed(bytes([byte])) for byte in HELLO[:-1]] == [b""] * (len(HELLO) - 1)
    assert not reader.begun
    assert reader.feed(HELLO[-1:]).count(b"\n\n") == 1
    assert reader.begun
    assert reader.relayed == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_error_before_anything_was_handed_on_is_raised_at_once(name: str) -> None:
    reader = PROVIDERS[name].reader("m", include_usage=False)
    with pytest.raises(UpstreamFailed) as caught:
        reader.feed(HELLO + ERROR)
    assert caught.value.status == 429
    with pytest.raises(UpstreamFailed):
        reader.close()


@pytest.mark.parametrize("name", NAMES)
def test_an_error_later_is_raised_after_what_came_before_it(name: str) -> None:
    reader = PROVIDERS[name].reader("m", include_usage=False)
    assert reader.feed(HELLO)
    assert b"lagi" in reader.feed(chunk({"content": "lagi"}) + ERROR + END)
    with pytest.raises(UpstreamFailed, match="Slow down"):
        reader.feed(END)
    with pytest.raises(UpstreamFailed, match="Slow down"):
        reader.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"", 502),
        (b"\xef\xbb\xbf \n", 502),
        (b"data: [DONE]\n\n", 502),
        (HELLO, 502),
        (HELLO + b'data: {"id":"s-1","choi', 502),
        (HELLO + b"data: [DO", 502),
        (b'{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}', 429),
        (b' \n{"error":{"message":"no","code":"context_length_exceeded"}}\n', 400),
        (b'{"id":"x","choices":[{"message":{"content":"not a stream"}}]}', 502),
        (b"<html><body>Bad Gateway</body></html>", 502),
        (b'event: error\ndata: {"message":"broken"}\n\n', 502),
        (b"data: [1, 2]\n\n", 502),
        (HELLO + b"data: " + b"x" * (MAX_EVENT + 1), 502),
    ],
)
def test_what_is_no_whole_stream_is_a_failure(name: str, wire: bytes, status: int) -> None:
    _, failed = read(name, [wire])
    assert failed.startswith(str(status))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("begun", [HELLO, HELLO + chunk({"content": " lagi"})])
@pytest.mark.parametrize(
    "broken", [b'data: {"id":"s-1","choi\n\n', b"data: Sorry.\n\n", b'data: "a"\n\n', b"data: [7]\n\n"]
)
def test_an_event_that_breaks_off_is_never_handed_on(name: str, begun: bytes, broken: bytes) -> None:
    out, failed = read(name, [begun, broken, END])
    assert failed == "502 upstream_failed"
    assert len(out.split(b"\n\n")) == len(begun.split(b"\n\n")) and b"Sorry" not in out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("delta", [{"role": "assistant"}, {"role": "assistant", "content": ""}, {"content": None}])
def test_who_speaks_is_no_token(name: str, delta: dict[str, Any]) -> None:
    reader = PROVIDERS[name].reader("m", include_usage=False)
    reader.feed(b": wait\n\n" + chunk(delta))
    assert not reader.begun
    reader.feed(chunk({"content": "Halo"}))
    assert reader.begun


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("told", [{"usage": None}, {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}])
def test_a_failure_that_comes_with_a_token_is_there_at_once(name: str, told: dict[str, Any]) -> None:
    reader = PROVIDERS[name].reader("m", include_usage=False)
    assert reader.feed(HELLO) and reader.feed(chunk({"content": "lagi"}, **told) + ERROR)
    assert reader.failure is not None and reader.failure.status == 429


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_of_several_choices_is_whole_when_all_have_ended(name: str) -> None:
    def of(index: int, reason: str | None) -> bytes:
        return chunk({}, choices=[{"index": index, "delta": {"content": "Halo"}, "finish_reason": reason}])

    for pieces, whole in (
        ([of(0, None), of(1, None), of(0, "stop")], False),
        ([of(0, "stop")], False),
        ([of(0, None), of(1, "stop"), of(0, "length")], True),
    ):
        reader = PROVIDERS[name].reader("m", include_usage=False, choices=2)
        for piece in pieces:
            reader.feed(piece)
        if whole:
            assert reader.close().endswith(b"data: [DONE]\n\n")
        else:
            with pytest.raises(UpstreamFailed):
                reader.close()


@pytest.mark.parametrize("name", sorted({*NAMES} - {"openai", "azure"}))
def test_a_choice_ends_once(name: str) -> None:
    out, _ = read(name, [HELLO + chunk({}, "stop") + chunk({}, "length") + END])
    assert out.count(b'"finish_reason":"') == out.count(b'"finish_reason":"stop"') == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_cut_unless_all_that_came_is_whole(name: str) -> None:
    finished = HELLO + chunk({}, "stop")
    assert read(name, [finished])[1] == ""
    assert read(name, [finished + b"data: [DONE]"])[1] == ""
    assert read(name, [finished + chunk({"content": "x"})[:-20]])[1] == "502 upstream_failed"
    assert read(name, [HELLO + chunk({}, "stop")[:-2]])[1] == ""


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_after_the_end_is_not_read(name: str) -> None:
    whole, failed = read(name, [HELLO + END])
    assert read(name, [HELLO + END + ERROR, b"data: {", b"x"]) == (whole, failed) == (whole, "")
    assert whole.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("name", NAMES)
def test_usage_is_known_whether_asked_for_or_not(name: str) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    wire = HELLO + chunk({}, "stop") + chunk({}, choices=[], usage=usage) + b"data: [DONE]\n\n"
    for asked in (True, False):
        reader = PROVIDERS[name].reader("m", include_usage=asked)
        said = [json.loads(event.data) for event in Decoder().feed(reader.feed(wire)) if event.data != "[DONE]"]
        assert [one["usage"]["completion_tokens"] for one in said if one.get("usage")] == [3] * asked
        assert reader.usage is not None
        assert (reader.usage.input, reader.usage.output, reader.usage.cached) == (7, 3, 2)


def test_a_quoted_mark_in_a_text_is_only_text() -> None:
    text = 'data: [DONE]\n\n"usage":{"error": "x"}, "finish_reason":"stop"'
    wire = HELLO + chunk({"content": text})
    out, failed = read("openai", [wire])
    assert out == wire
    assert failed.startswith("502")  # it is no end


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cuts_change_nothing(name: str, data: st.DataObject) -> None:
    deltas = data.draw(st.lists(st.sampled_from([{"content": "Halo"}, {"content": "é你"}, {}]), max_size=4))
    ends = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    wire = (HELLO + b": ping\n\n" + b"".join(map(chunk, deltas)) + END).replace(b"\n", ends)
    at = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=9)))
    assert read(name, cut(wire, at)) == read(name, [wire]) == read(name, [bytes([byte]) for byte in wire])


FIELDS = [
    *("id", "object", "created", "model", "choices", "index", "delta", "message", "role", "content", "text", "type"),
    *("reasoning_content", "tool_calls", "function", "name", "arguments", "finish_reason", "is_end", "logprobs"),
    *("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens", "web_search"),
    *("error", "code", "param", "error_code"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=25,
)
CHUNKS = JSON | st.builds(
    lambda choices, more: {"choices": choices, **(more if isinstance(more, dict) else {})},
    st.lists(JSON, max_size=2),
    JSON,
)
GARBAGE = st.lists(
    st.binary(max_size=20)
    | CHUNKS.map(lambda said: b"data: " + json.dumps(said).encode() + b"\n\n")
    | st.sampled_from([HELLO, END, ERROR, b"event: error\n", b":HTTP_STATUS/400\n", b"data: ", b"\n\n", b"data: \n\n"]),
    max_size=6,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(GARBAGE)
def test_whatever_comes_only_upstream_failures_come_out(name: str, pieces: list[bytes]) -> None:
    read(name, pieces)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=40) | CHUNKS.map(lambda said: json.dumps(said).encode()), status=st.integers(100, 599))
def test_answers_and_faults_are_as_robust(name: str, body: bytes, status: int) -> None:
    provider = PROVIDERS[name]
    failure = provider.fault(status, ((b"retry-after", body[:9]),), body)
    assert 400 <= failure.status <= 504
    assert failure.status != 401
    try:
        answer, _ = provider.answer(body, "m")
    except UpstreamFailed:
        return
    assert json.loads(answer)["choices"]
