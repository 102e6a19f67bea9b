"""What was: the entries of a gate's journal, from which the record and the ledger are made.

Written as positional msgpack (`array_like`): a field may be added at the end of a struct with a default, never
removed or moved.  Times are UTC microseconds.
"""

from typing import Literal

import msgspec

from gapura.terms.holds import Taken
from gapura.terms.place import SourceAnswer
from gapura.terms.rulebook import Effect
from gapura.terms.usage import Usage
from gapura.terms.verdict import Shadowed, Verdict

Outcome = Literal["complete", "cut", "failed"]
"""complete: the answer was relayed whole · cut: it ended early, on either side · failed: nothing was relayed."""


class Context(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who asked for what, from where, and what was decided.  Stands in the first entry of a request.  `shadow`: what
    the next version of the rules says, where there is one and it says something else."""

    account: str
    key: str
    organisation: str
    model: str
    stream: bool
    sandbox: bool
    territory: str
    certainty: str
    derivation: str
    address: str
    peer: str
    egress: str
    decision: str
    policy_version: str
    effect: Effect
    verdicts: tuple[Verdict, ...]
    answers: tuple[SourceAnswer, ...]
    subdivision: str = ""
    network: str = ""
    shadow: Shadowed | None = None


class Opened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="o"):
    """An attempt is about to be sent upstream.  `attempt` counts from 1; a later one ends the one before it, whose
    failure is `previous`, and has no `context` of its own.  `hold` (tokens) is taken from `purse` ("": none), or from
    several: then these are `holds`, and `purse` is ""."""

    id: str
    at: int
    attempt: int
    provider: str
    model: str
    hold: int
    purse: str
    losses: tuple[str, ...] = ()
    previous: str = ""
    context: Context | None = None
    holds: tuple[Taken, ...] = ()


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="p"):
    """Once a second: (request id, estimated input tokens, estimated output tokens relayed) of every open stream."""

    at: int
    streams: tuple[tuple[str, int, int], ...]


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="e"):
    """The request is over.  Exactly one for each id that was ever opened, whoever writes it."""

    id: str
    at: int
    outcome: Outcome
    status: int
    usage: Usage
    error: str = ""


class Refused(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="r"):
    """Never sent upstream: `code` is the error that the caller got."""

    id: str
    at: int
    status: int
    code: str
    context: Context


class Marked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="m"):
    """The file is on the disk's platter up to here; `purses` is what this gate holds of each."""

    at: int
    purses: dict[str, int]


Entry = Opened | Progress | Ended | Refused | Marked
