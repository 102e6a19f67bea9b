"""What the vendor says, as its documentation prints it or somebody recorded it."""

import msgspec

from gapura.terms.usage import Usage


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer or a stream, as bytes, and what is in it: its text, its reasoning, the names and arguments of the tools
    that it calls, and what it cost (None: the vendor does not say)."""

    wire: bytes
    text: str
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    usage: Usage | None = None
    finish: str = "stop"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An error, and what it means: `code` and `means` (the status) as OpenAI has them; `retry` False where nobody shall
    try again.  `event` is the same in the middle of a stream, where the vendor reports errors there."""

    status: int
    body: bytes
    means: int
    code: str | None
    retry: bool | None = None
    event: bytes = b""


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is one that the provider may be asked for; `key` has the form that the vendor's keys have.  The more
    answers and errors, the better: at least a text, a call of a tool and an error of each kind."""

    answers: tuple[Said, ...]
    streams: tuple[Said, ...]
    errors: tuple[Refusal, ...]
    model: str = "the-model"
    key: str = "sk-check-0123456789abcdef"
