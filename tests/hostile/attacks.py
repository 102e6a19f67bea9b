"""What a hostile caller may send: requests of every wrong kind, drawn from a seed, so that each can be sent again.

`draw(seed, number, key)` is one attack.  What is wrong with it is its kind; the rest is chance.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Literal, NamedTuple

from tests.hostile import wrong

# Where the gateway under attack has its limits, so that going beyond them takes neither a minute nor a gigabyte.
LIMITS = {"GAPURA_HEADER_S": "1", "GAPURA_BODY_S": "2", "GAPURA_READ_S": "1", "GAPURA_MAX_BODY_BYTES": str(1 << 20)}
BODY_BYTES = 1 << 20
PAUSE_S = 0.2
# Longer than each of them; for a reader by as much as an answer may take to fill what lies between.
STALL_S = 2.5
READER_STALL_S = 5.0

DOCUMENT = """
[routes.valid]
targets = ["openai/gpt-4o-mini"]
[routes.other]
targets = ["qwen/qwen-plus"]
[routes.long]
targets = ["openai/sandbox-stream-100000-0"]
"""
PATH = b"/v1/chat/completions"


class Attack(NamedTuple):
    """`sends`: bytes, and pauses (seconds) between them.  `refused`: no 2xx may come back.  `ends`: what the caller
    does then; who stalls has taken nothing up to there, and is not to be waited for."""

    kind: str
    sends: tuple[bytes | float, ...]
    refused: bool = True
    ends: Literal["reads", "stalls", "hangs up", "resets"] = "reads"


class Caller:
    """How one caller writes: a source of chance, a key that is good."""

    def __init__(self, seed: str, key: str) -> None:
        self.rng, self.key = Random(seed), key

    def noise(self, most: int = 64) -> bytes:
        return self.rng.randbytes(self.rng.randint(1, most))

    def head(self, *lines: bytes, method: bytes = b"POST", path: bytes = PATH, version: bytes = b"HTTP/1.1") -> bytes:
        """A head of these lines and what belongs to each request."""
        usual = (b"host: gate", b"authorization: Bearer " + self.key.encode())
        return b"\r\n".join((b"%b %b %b" % (method, path, version), *usual, *lines, b"", b""))

    def post(self, body: bytes, *lines: bytes) -> bytes:
        return self.head(b"content-type: application/json", b"content-length: %d" % len(body), *lines) + body

    def question(self, **more: Any) -> dict[str, Any]:
        words = " ".join(self.rng.choice(("satu", "dua", "tiga")) for _ in range(4))
        return {"model": "valid", "messages": [{"role": "user", "content": words}], **more}

    def body(self, **more: Any) -> bytes:
        return json.dumps(self.question(**more)).encode()


# Bodies -----------------------------------------------------------------------------------------------------------


def flipped(caller: Caller) -> Attack:
    """Some bytes of a valid body are others: what comes of it may be valid again."""
    body = bytearray(caller.body())
    for _ in range(caller.rng.randint(1, 8)):
        body[caller.rng.randrange(len(body))] = caller.rng.randrange(256)
    return Attack("body: flipped", (caller.post(bytes(body)),), refused=False)


def cut_short(caller: Caller) -> Attack:
    body = caller.body()
    return Attack("body: cut short", (caller.post(body[: caller.rng.randrange(len(body))]),))


def other_types(caller: Caller) -> Attack:
    """Fields, and parts of messages, have values of other types."""
    document = caller.question()
    for _ in range(caller.rng.randint(1, 3)):
        if caller.rng.random() < 0.5:
            document[caller.rng.choice(wrong.FIELDS)] = caller.rng.choice(wrong.VALUES)
        else:
            part = {caller.rng.choice(wrong.PARTS): caller.rng.choice(wrong.VALUES)}
            document["messages"] = [{"role": "user", "content": "satu"} | part]
    return Attack("body: other types", (caller.post(json.dumps(document).encode()),), refused=False)


def no_json(caller: Caller) -> Attack:
    body = caller.rng.choice((caller.noise(4096), *wrong.JUNK))
    return Attack("body: no JSON", (caller.post(body),))


def bad_text(caller: Caller) -> Attack:
    """Bytes that are not UTF-8, or are it in a way that is forbidden."""
    wrong = caller.rng.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80"))
    where = caller.rng.choice((b"satu", b"valid", b"user", b"role"))
    body = b'{"model":"valid","messages":[{"role":"user","content":"satu"}]}'.replace(where, where + wrong)
    return Attack("body: bad UTF-8", (caller.post(body),))


def deep(caller: Caller) -> Attack:
    depth = caller.rng.choice((100, 1_000, 10_000, 200_000))
    nest, back = caller.rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nested = nest * depth + b"1" + back * depth * caller.rng.randint(0, 1)
    field = caller.rng.choice((b"messages", b"tools", b"metadata", b"stream_options", b"content"))
    message = b'{"role":"user","content":%b}' % (nested if field == b"content" else b'"satu"')
    more = b"" if field == b"content" else b',"%b":%b' % (field, nested)
    body = b'{"model":"%b","messages":[%b]%b}' % (caller.rng.choice((b"valid", b"other")), message, more)
    return Attack("body: deep", (caller.post(body[: BODY_BYTES - 1]),), refused=False)


def giant(caller: Caller) -> Attack:
    """More than may be sent, announced or not; or as much as may be sent."""
    piece = b"x" * 65_536
    match caller.rng.randrange(3):
        case 0:
            size = caller.rng.choice((BODY_BYTES + 1, 10**9, 2**63 - 1))
            return Attack("body: giant, announced", (caller.head(b"content-length: %d" % size), piece))
        case 1:
            chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
            head = caller.head(b"transfer-encoding: chunked")
            return Attack("body: giant, in chunks", (head, *[chunk] * (BODY_BYTES // len(piece) + 2)))
    return Attack("body: as large as may be", (caller.post(b"[" + b"1," * (BODY_BYTES // 2 - 1)),))


# Heads ------------------------------------------------------------------------------------------------------------


def bad_header(caller: Caller) -> Attack:
    return Attack("head: bad line", (caller.head(caller.rng.choice(wrong.BAD_LINES), b"content-length: 0"),))


def odd_header(caller: Caller) -> Attack:
    """Well-formed, with a value that some stage reads."""
    body = caller.body()
    lines = caller.rng.sample(wrong.ODD_LINES, caller.rng.randint(1, 3))
    return Attack("head: odd value", (caller.post(body, *lines),), refused=False)


def many_headers(caller: Caller) -> Attack:
    if caller.rng.random() < 0.5:
        lines = [b"x-%d: 1" % number for number in range(caller.rng.randint(101, 3000))]
    else:
        lines = [b"x-%d: %b" % (number, b"a" * 8000) for number in range(caller.rng.randint(9, 40))]
    return Attack("head: too much", (caller.head(*lines),))


def odd_line(caller: Caller) -> Attack:
    which = caller.rng.randrange(3)
    line = {
        0: {"path": caller.rng.choice(wrong.TARGETS), "method": b"GET"},
        1: {"method": caller.rng.choice(wrong.METHODS), "path": b"/v1/nothing"},
        2: {"version": caller.rng.choice(wrong.VERSIONS)},
    }[which]
    return Attack("head: odd first line", (caller.head(**line),), refused=which > 0)


def hosts(caller: Caller) -> Attack:
    lines = caller.rng.choice(([], [b"host: a", b"host: b"], [b"host: a", b"Host: a"]))
    key = b"authorization: Bearer " + caller.key.encode()
    return Attack("head: hosts", (b"\r\n".join((b"GET /v1/models HTTP/1.1", key, *lines, b"", b"")),))


def noise(caller: Caller) -> Attack:
    """Not HTTP at all: chance, a TLS greeting, HTTP/2's, a mail's."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + caller.rng.randbytes(500)
    other = (
        caller.noise(2048),
        hello,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04",
        b"EHLO a\r\n",
        b"\r\n" * 40 + b"\x00",
    )
    return Attack("head: noise", (caller.rng.choice(other) + b"\r\n\r\n",))


# Framing ----------------------------------------------------------------------------------------------------------

HIDDEN = b"GET /v1/models HTTP/1.1\r\nhost: gate\r\n\r\n"


def lengths(caller: Caller) -> Attack:
    return Attack("framing: length", (caller.head(b"content-length: " + caller.rng.choice(wrong.LENGTHS)) + HIDDEN,))


def two_lengths(caller: Caller) -> Attack:
    first, second = caller.rng.sample((b"0", b"5", b"39", b"40"), 2)
    return Attack(
        "framing: two lengths", (caller.head(b"content-length: " + first, b"Content-Length: " + second) + HIDDEN,)
    )


def both(caller: Caller) -> Attack:
    """A length and chunks: who believes the one finds a request where the other finds a body."""
    lines = [b"content-length: %d" % caller.rng.choice((0, 5, 500)), b"transfer-encoding: chunked"]
    caller.rng.shuffle(lines)
    return Attack("framing: both", (caller.head(*lines) + b"0\r\n\r\n" + HIDDEN,))


def codings(caller: Caller) -> Attack:
    coding = caller.rng.choice(wrong.CODINGS)
    name = caller.rng.choice((b"transfer-encoding", b"Transfer-Encoding", b"TRANSFER-ENCODING"))
    return Attack("framing: coding", (caller.head(name + b": " + coding) + b"0\r\n\r\n" + HIDDEN,))


def chunks(caller: Caller) -> Attack:
    return Attack(
        "framing: chunks", (caller.head(b"transfer-encoding: chunked") + caller.rng.choice(wrong.CHUNKS) + HIDDEN,)
    )


def tiny_chunks(caller: Caller) -> Attack:
    """A body that is nearly all framing."""
    extended = b"1;" + b"a" * caller.rng.choice((50, 500, 5000)) + b"\r\nx\r\n"
    return Attack(
        "framing: tiny chunks", (caller.head(b"transfer-encoding: chunked"), extended * (600_000 // len(extended)))
    )


def trailers(caller: Caller) -> Attack:
    """Headers behind the body, where nobody checks them."""
    body = caller.body()
    lines = caller.rng.choice(
        (b"x-more: 1", b"host: other", b"authorization: Bearer x", b"content-length: 5", b"\x00: 1")
    )
    said = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, lines)
    head = caller.head(b"transfer-encoding: chunked")
    return Attack("framing: trailers", (head + said,), refused=False)


def pipelined(caller: Caller) -> Attack:
    return Attack("framing: pipelined", (HIDDEN * caller.rng.choice((5, 17, 200)),), refused=False)


# Time -------------------------------------------------------------------------------------------------------------


def slow_head(caller: Caller) -> Attack:
    """It comes byte by byte, and then no more."""
    head = caller.head(b"content-length: 5")
    return Attack("slow: head", (head[:1], PAUSE_S, head[1:9], PAUSE_S, head[9:40], STALL_S))


def slow_body(caller: Caller) -> Attack:
    body = caller.body()
    head = caller.head(b"content-length: %d" % len(body))
    return Attack("slow: body", (head + body[:2], PAUSE_S, body[2:5], PAUSE_S, body[5:20], STALL_S))


def slow_reader(caller: Caller) -> Attack:
    """It asks for much, and takes none of it."""
    asked = caller.post(caller.body(model="long", stream=True))
    return Attack("slow: reader", (asked, READER_STALL_S), refused=False, ends="stalls")


def leaver(caller: Caller) -> Attack:
    """It goes amid a head, a body, or an answer."""
    asked = caller.post(caller.body(model=caller.rng.choice(("valid", "long")), stream=True))
    sent = asked[: caller.rng.choice((0, 5, len(asked) // 2, len(asked) - 1, len(asked)))]
    pause = caller.rng.choice((0.0, 0.01))
    return Attack("slow: leaver", (sent, pause), refused=False, ends=caller.rng.choice(("hangs up", "resets")))


KINDS: tuple[tuple[Callable[[Caller], Attack], int], ...] = (
    (flipped, 14),
    (cut_short, 8),
    (other_types, 14),
    (no_json, 8),
    (bad_text, 6),
    (deep, 4),
    (giant, 2),
    (bad_header, 6),
    (odd_header, 8),
    (many_headers, 3),
    (odd_line, 6),
    (hosts, 2),
    (noise, 5),
    (lengths, 5),
    (two_lengths, 2),
    (both, 4),
    (codings, 4),
    (chunks, 6),
    (tiny_chunks, 1),
    (trailers, 2),
    (pipelined, 2),
    (slow_head, 1),
    (slow_body, 1),
    (slow_reader, 1),
    (leaver, 5),
)


def draw(seed: int, number: int, key: str) -> Attack:
    """The attack of this number.  `key` is a good one: what is refused is not refused for the key's sake."""
    caller = Caller(f"{seed}:{number}", key)
    (kind,) = caller.rng.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])
    return kind(caller)
