"""Whole, byte by byte and with a tail, the same messages come out; garbage is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.terms.link import Ask, FromGate, FromKeeper, GiveBack, Hello, NewRules, Tick
from gapura.wire import frames
from gapura.wire.frames import FrameError, Unpacker, pack

MESSAGES = [Hello(1, "inc_1", 0, 42, {"tok:acc_1": 7}), Ask(1, "rpm:key_1", 1, 60), GiveBack("tok:acc_1", 3)]


def test_whole_byte_by_byte_and_with_a_tail() -> None:
    wire = b"".join(map(pack, MESSAGES))
    slow: Unpacker[FromGate] = Unpacker(FromGate)

    assert Unpacker[FromGate](FromGate).feed(wire) == MESSAGES
    assert [message for byte in wire for message in slow.feed(bytes([byte]))] == MESSAGES
    assert Unpacker[FromGate](FromGate).feed(wire + b"\x01\x00") == MESSAGES


@given(st.lists(st.builds(NewRules, st.binary(max_size=200)) | st.builds(Tick, st.integers(0, 2**60))), st.data())
def test_cut_anywhere(messages: list[NewRules | Tick], data: st.DataObject) -> None:
    wire, reader, seen = b"".join(map(pack, messages)), Unpacker[FromKeeper](FromKeeper), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        seen += reader.feed(wire[:cut])
        wire = wire[cut:]
    assert seen == messages


@pytest.mark.parametrize(
    "wire",
    [
        b"\xff\xff\xff\xff",
        b"\x01\x00\x00\x00\xc1",
        b"\x00\x00\x00\x00",
        pack(Tick(1)),  # a message of the other direction
    ],
)
def test_what_is_no_frame_is_refused(wire: bytes) -> None:
    with pytest.raises(FrameError):
        Unpacker[FromGate](FromGate).feed(wire)


def test_the_limit_holds_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = pack(NewRules(b"x" * 100))
    monkeypatch.setattr(frames, "LIMIT", 50)
    with pytest.raises(FrameError):
        pack(NewRules(b"x" * 100))
    with pytest.raises(FrameError):
        Unpacker[FromKeeper](FromKeeper).feed(wire)


def test_a_newer_side_may_send_more_fields() -> None:
    class Newer(msgspec.Struct, tag="tick"):
        at: int
        mood: str

    assert Unpacker[FromKeeper](FromKeeper).feed(pack(Newer(5, "good"))) == [Tick(5)]
