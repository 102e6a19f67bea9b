"""The decoder, each case whole, byte by byte, and cut at random: the torture is in the helper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.wire.sse import MAX_EVENT, Decoder, Event, StreamError, encode


def decoded(pieces: list[bytes]) -> list[Event]:
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def check(wire: bytes, *expected: Event) -> None:
    assert decoded([wire]) == list(expected)
    assert decoded([wire[n : n + 1] for n in range(len(wire))]) == list(expected)
    assert decoded([wire, b"data: next"]) == list(expected)


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (b"data: a\n\n", [Event("a")]),
        (b"data:a\n\n", [Event("a")]),
        (b"data:  a\n\n", [Event(" a")]),
        (b"data\n\n", [Event("")]),
        (b"data: a\r\n\r\n", [Event("a")]),
        (b"data: a\r\r", [Event("a")]),
        (b"data: a\r\n\ndata: b\n\r\n", [Event("a"), Event("b")]),
        (b"data: a\ndata: b\n\n", [Event("a\nb")]),
        (b"data: a\n\n\n\ndata: b\n\n", [Event("a"), Event("b")]),
        (b"\n\n\ndata: a\n\n", [Event("a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event("a")]),
        (b": ping\n\n", []),
        (b"event: ping\n\ndata: a\n\n", [Event("a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event("a", "error"), Event("b")]),
        (b"id:1\nevent:error\n:HTTP_STATUS/400\ndata:{}\n\n", [Event("{}", "error", ("HTTP_STATUS/400",))]),
        (b"retry: 3\nnonsense\nid\ndata: a\n\n", [Event("a")]),
        ("data: 你好 é\n\n".encode(), [Event("你好 é")]),
        (b"data: \xff\n\n", [Event("�")]),
        (b"data: a", []),
        (b"data: a\n", []),
    ],
)
def test_decodes(wire: bytes, events: list[Event]) -> None:
    check(wire, *events)


LINES = st.sampled_from([b"data: x", b"data:y z", b"event: e", b": c", b"id: 1", b"", b"", b"data", "data: é".encode()])
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=30), st.data())
def test_how_the_bytes_are_cut_changes_nothing(lines: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    wire = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert decoded(pieces) == decoded([wire]) == decoded([bytes([byte]) for byte in wire])


@given(st.text().filter(lambda text: "\r" not in text), st.sampled_from(["message", "error"]))
def test_what_is_encoded_decodes_to_the_same(data: str, name: str) -> None:
    event = Event(data, name, ("note",) if name == "error" else ())
    assert decoded([encode(event)]) == [event]


def test_a_hang_up_between_events_is_an_end() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\n\r\n") == [Event("a")]
    assert decoder.close() == []


@pytest.mark.parametrize("wire", [b"data: a", b"data: a\n", b"data: a\n\nda", b"\xef"])
def test_a_hang_up_inside_an_event_is_an_error(wire: bytes) -> None:
    decoder = Decoder()
    decoder.feed(wire)
    with pytest.raises(StreamError, match="inside an event"):
        decoder.close()


@pytest.mark.parametrize("size", [MAX_EVENT - 1, MAX_EVENT])
def test_an_event_may_be_this_large(size: int) -> None:
    wire = b"data: " + b"x" * (size - 6)
    assert len(decoded([wire, b"\n\n"])[0].data) == size - 6
    assert len(decoded([wire + b"\r\n\r\n"])[0].data) == size - 6


@pytest.mark.parametrize("tail", [b"", b"\n\n", b"\r\n\r\ndata: b\n\n"])
def test_a_larger_event_is_an_error_after_those_before_it(tail: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\n\ndata: " + b"x" * MAX_EVENT + tail) == [Event("a")]
    for _ in range(2):
        with pytest.raises(StreamError, match="exceeds"):
            decoder.feed(b"")
    with pytest.raises(StreamError, match="exceeds"):
        Decoder().feed(b"data: " + b"x" * MAX_EVENT + tail)
