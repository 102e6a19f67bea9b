"""Magic model names: `sandbox-<fault>` makes a simulator fail in its vendor's own way.

    refused            sandbox-401 -404 -429 -500 -503 -region -quota -context-length
    filtered           sandbox-content-filter
    said too late      sandbox-error-in-200 -error-in-stream
    broken transport   sandbox-reset -cut -stall -no-done -garbage -html
    timed              sandbox-slow-<ms>   sandbox-stream-<n>-<ms>

The request is checked first, so a fault is met by valid requests only.
"""

import re
from typing import NamedTuple

from gapura.sandbox.shape import DONE, Reply, Wrong

PREFIX = "sandbox-"
REFUSALS = frozenset({"401", "404", "429", "500", "503", "region", "quota", "context-length"})
OTHERS = frozenset(
    {"content-filter", "error-in-200", "error-in-stream", "reset", "cut", "stall", "no-done", "garbage", "html"}
)
MOST_MS, MOST_TOKENS = 600_000, 100_000

_TIMED = re.compile(r"(?:slow|stream-(\d{1,6}))-(\d{1,6})")


class Fault(NamedTuple):
    """`tokens` and `seconds` are those of the timed faults; `seconds` a piece where there are tokens."""

    name: str = ""
    tokens: int = 0
    seconds: float = 0.0


NONE = Fault()


def find(model: str) -> Fault:
    """The fault that a model name asks for.  A misspelt one is a model that does not exist, never a success."""
    if not model.startswith(PREFIX):
        return NONE
    name = model.removeprefix(PREFIX)
    if name in REFUSALS:
        raise Wrong(name)
    if name in OTHERS:
        return Fault(name)
    if found := _TIMED.fullmatch(name):
        seconds = min(int(found[2]), MOST_MS) / 1000
        if found[1] is None:
            return Fault("slow", 0, seconds)
        return Fault("stream", max(1, min(int(found[1]), MOST_TOKENS)), seconds)
    raise Wrong("404")


def bend(fault: Fault, reply: Reply) -> Reply:
    """The same answer, spoilt; faults that a vendor writes down itself have been dealt with before."""
    match fault.name:
        case "slow" | "stream":
            return _timed(fault, reply)
        case "reset" | "cut" | "stall" as ending:
            return reply._replace(ending=ending)
        case "no-done" if not isinstance(reply.body, bytes):
            return reply._replace(body=[frame for frame in reply.body if frame != DONE])
        case "garbage":
            return reply._replace(body=_garbled(reply))
        case "html":
            return Reply(
                502, ((b"content-type", b"text/html"),), b"<html><body><h1>502 Bad Gateway</h1></body></html>\n"
            )
    return reply


def _timed(fault: Fault, reply: Reply) -> Reply:
    """A plain answer takes as long as the stream would, then comes at once."""
    if fault.name == "slow":
        return reply._replace(delay=fault.seconds)
    if isinstance(reply.body, bytes):
        return reply._replace(delay=fault.seconds * fault.tokens)
    return reply._replace(pause=fault.seconds)


def _garbled(reply: Reply) -> bytes | list[bytes]:
    """Half a JSON text where a whole one is due: the body, or one event in the middle of the stream."""
    if isinstance(reply.body, bytes):
        return reply.body[: len(reply.body) // 2]
    frames = list(reply.body)
    middle = frames[len(frames) // 2]
    frames[len(frames) // 2] = middle[: len(middle) // 2] + b"\n\n"
    return frames
