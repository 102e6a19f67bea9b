"""What vendors are sent and what their answers become, as files that a reviewer reads without any Python.

The first line says what is done: `translate MODEL [cap=N]`, `answer`, `stream [usage]`, or `fault STATUS`; for what is
no chat `embeddings MODEL`, `answer embeddings` and so on.  `of=MODEL` at its end: the answer is that model's.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gapura.clock import TurnableClock, instant
from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.providers.base import Provider
from gapura.providers.kinds import provider
from gapura.providers.openai import OpenAI
from gapura.providers.vendor import Vendor
from gapura.wire import embeddings, moderation, openai, rerank
from gapura.wire.dialect import Asked, Kind
from gapura.wire.sse import Decoder

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(GOLDEN.glob("*/*.txt"))
CLOCK = TurnableClock(instant("2026-11-22T12:00:00+00:00"))


def at_a_fixed_time(name: str) -> Provider:
    found = provider(name)
    assert isinstance(found, OpenAI | Vendor)
    return structs.replace(found, clock=CLOCK)


def told(failure: UpstreamFailed) -> str:
    marks = ["another target" if failure.advance else "no other target"]
    marks += ["trips"] * failure.trips + ["no retry"] * (failure.should_retry is False)
    if failure.retry_after is not None:
        marks.append(f"after {failure.retry_after:g} s")
    return f"{failure.status} {failure.kind} {failure.code} {failure.param}\n{failure.message}\n{', '.join(marks)}\n"


READ: dict[str, tuple[Kind, Callable[[bytes], Asked]]] = {
    "translate": ("chat", openai.read),
    "embeddings": ("embeddings", embeddings.read),
    "rerank": ("rerank", rerank.read),
    "moderation": ("moderation", moderation.read),
}


def translated(provider: Provider, order: str, given: str, model: str, cap: str = "") -> str:
    body = given.strip().encode()
    kind, read = READ[order]
    operation = provider.operation(kind)
    assert operation is not None
    done = operation.translate(body, read(body), model, int(cap.removeprefix("cap=")) if cap else None)
    losses = "".join(f"{loss.weight} · {loss.field}: {loss.why}\n" for loss in done.losses)
    to = f"POST {done.path}\n" if done.path else ""
    to += "".join(f"{name.decode()}: {value.decode()}\n" for name, value in done.headers)
    bodies = [json.dumps(json.loads(one), ensure_ascii=False) + "\n" for one in (done.body, *done.more)]
    return to + "".join(bodies) + "----------\n" + losses


def streamed(provider: Provider, pieces: list[bytes], model: str, *, usage: bool) -> tuple[bytes, str]:
    """What is handed on, and the failure."""
    reader, out = provider.reader(model, include_usage=usage), b""
    try:
        for piece in pieces:
            out += reader.feed(piece)
        return out + reader.close(), ""
    except UpstreamFailed as failure:
        return out, told(failure)


def parted(order: str) -> tuple[list[str], str]:
    """The order's words, and the model that answers."""
    words, _, model = order.partition(" of=")
    return words.split(), model or "the-model"


def done(provider: Provider, order: str, given: str) -> str:
    words, model = parted(order)
    match words:
        case [("translate" | "embeddings" | "rerank" | "moderation") as what, *how]:
            return translated(provider, what, given, *how)
        case ["answer", *what]:
            operation = provider.operation(READ[what[0]][0]) if what else provider
            assert operation is not None
            try:
                said = operation.answer(given.encode(), model)[0]
                return json.dumps(json.loads(said), ensure_ascii=False) + "\n"
            except UpstreamFailed as failure:
                return told(failure)
        case ["stream", *how]:
            out, failed = streamed(provider, [given.encode()], model, usage=how == ["usage"])
            return failed or out.decode()
        case ["fault", status]:
            return told(provider.fault(int(status), (), given.encode()))
        case _:
            raise AssertionError(f"what is {order}?")


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_golden(file: Path) -> None:
    order, _, rest = file.read_bytes().decode().partition("\n")
    given, _, expected = rest.partition("----------\n")
    assert done(at_a_fixed_time(file.parent.name), order, given) == expected


def test_every_provider_has_some_of_each() -> None:
    orders = {(file.parent.name, file.read_bytes().decode().split()[0]) for file in FILES}
    assert orders >= {(name, order) for name in PROVIDERS for order in ("translate", "answer", "stream", "fault")}


STREAMS = [file for file in FILES if file.read_bytes().startswith(b"stream")]
ANSWERS = [file for file in FILES if re.match(rb"answer( of=.*)?\n", file.read_bytes())]


def split(file: Path) -> tuple[list[str], str, str, str]:
    order, _, rest = file.read_bytes().decode().partition("\n")
    given, _, expected = rest.partition("----------\n")
    return *parted(order), given, expected


@pytest.mark.parametrize("file", STREAMS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_streams_say_the_same_however_they_are_cut(file: Path) -> None:
    """Cut at each byte, and byte by byte.  Where it ends in a failure, what came before may have been handed on."""
    (_, *how), model, text, _ = split(file)
    provider, wire = at_a_fixed_time(file.parent.name), text.encode()

    def read(pieces: list[bytes]) -> tuple[bytes, str]:
        return streamed(provider, pieces, model, usage=how == ["usage"])

    whole = read([wire])
    for pieces in ([bytes([byte]) for byte in wire], *([wire[:at], wire[at:]] for at in range(1, len(wire)))):
        out, failure = read(pieces)
        assert failure == whole[1]
        assert out == whole[0] or (failure and not whole[0])


@pytest.mark.parametrize("file", [*STREAMS, *ANSWERS], ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_what_comes_out_is_openais(file: Path) -> None:
    """By the models of its SDK, as strict as they can be."""
    *_, expected = split(file)
    if file in ANSWERS and expected.startswith("{"):
        ChatCompletion.model_validate_json(expected, strict=True)
    for event in Decoder().feed(expected.encode()) if file in STREAMS else ():
        if event.data != "[DONE]":
            ChatCompletionChunk.model_validate_json(event.data, strict=True)
