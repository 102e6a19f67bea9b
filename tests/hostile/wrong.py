"""What is wrong, by the place where it stands; `tests.hostile.attacks` puts it there."""

from typing import Any

# Values of any field, fields, and parts of a message.
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    10**40,
    1e308,
    "",
    "\x00",
    "\ud800",
    "a" * 5000,
    [],
    {},
    [[]],
    {"": {}},
    [None],
    ["x"],
)
FIELDS = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "temperature",
    "tools",
    "tool_choice",
    "stop",
    "user",
    "response_format",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "functions",
    "parallel_tool_calls",
    "reasoning_effort",
]
PARTS = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal")

# Bodies.
JUNK = (
    b"",
    b" ",
    b"null",
    b"[]",
    b'"model"',
    b"{",
    b"}",
    b"{}",
    b"{}{}",
    b"nan",
    b'{"model":}',
    b"\xef\xbb\xbf{}",
    b"\x1f\x8b\x08",
    b'{"model":"valid","model":1,"messages":[]}',
    b'{"model":"valid","messages":[{}]} x',
    b"{'model': 'valid'}",
)

# Lines that are no header.
BAD_LINES = (
    b"no colon",
    b": no name",
    b"na me: 1",
    b"name : 1",
    b"n\x00me: 1",
    b"name: \x00",
    b"name: a\rb",
    b" folded: 1",
    b"\tfolded",
    b"name: \x07\x08",
    "n\xe4me: 1".encode(),
    b"(name): 1",
    b"name\x7f: 1",
    b"\x80: 1",
)

# Headers with a value that some stage reads.
ODD_LINES = (
    b"authorization: Bearer",
    b"authorization: Basic \xff\xfe",
    b"authorization: Bearer sk-\xf0\x9f\x98\x80",
    b"x-api-key: \xff",
    b"x-forwarded-for: " + b"1.2.3.4, " * 500,
    b"x-forwarded-for: \xff",
    b'forwarded: for="[::',
    b"forwarded: \xff;;==,,",
    b"gapura-client-address: 999.1.1.1",
    b"gapura-client-address: \xff",
    b"gapura-client-territory: \xf0\x9f",
    b"gapura-client-territory:",
    b"accept-encoding: \xff",
    b"cookie: " + b"a" * 4000,
    b"content-encoding: gzip",
    b"content-type: text/\xff",
    b"name: \x80\xff",
    b"expect: 200-maybe",
    b"upgrade: h2c",
    b"connection: upgrade, close\r\nupgrade: websocket",
    b"range: bytes=-1",
)

# What stands in the first line of a request.
TARGETS = (
    b"*",
    b"http://other/v1/models",
    b"//other/v1",
    b"/\xff",
    b"/%ff%00",
    b"/v1/models/%ff",
    b"/v1/models/%00",
    b"/v1/models/\xf0\x9f",
    b"/../../etc/passwd",
    b"/" + b"a" * 9000,
    b"other:443",
    b"",
    b"/ /",
    b"/v1/models?%",
    b"/?" + b"a=" * 3000,
    b"/%",
    b"/#x",
)
METHODS = (
    b"GET",
    b"get",
    b"BREW",
    b"CONNECT",
    b"PRI",
    b"",
    b"GE T",
    b"\xff",
    b"POST\x00",
    b"TRACE",
    b"OPTIONS",
)
VERSIONS = (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/11", b"http/1.1", b"", b"HTTP/1.1 x", b"\xff", b"ICE/1.0")

# Framing.
LENGTHS = (
    b"-1",
    b"+5",
    b"0x5",
    b"5, 5",
    b"5,6",
    b"1e1",
    b"",
    b" ",
    b"5 5",
    b"18446744073709551616",
    b"9" * 40,
    b"\xd9\xa5",
    b"5\x00",
)
CODINGS = (
    b"identity",
    b"gzip, chunked",
    b"chunked, identity",
    b"xchunked",
    b"chunked\x0b",
    b"chunked, chunked",
    b"",
    b'"chunked"',
    b"chunked;a",
)
CHUNKS = (
    b"-1\r\n",
    b"0x3\r\nabc\r\n",
    b"g\r\n",
    b"3\r\nabcd\r\n",
    b"3\nabc\n0\n\n",
    b"ffffffffffffffff\r\n",
    b"10000000000000000\r\n",
    b"3 \r\nabc",
    b"3;" + b"a" * 200_000,
    b"\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabc\r\r\n",
    b"03;=\x00\r\nabc\r\n",
    b" 3\r\nabc\r\n",
)
