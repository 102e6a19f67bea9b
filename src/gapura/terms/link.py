"""What a gate and the keeper tell each other over their Unix socket.  Each frame is one of these, msgpack-encoded.

`VERSION` is checked in the first exchange; a gate of another version is refused with a reason.
"""

from typing import Literal

import msgspec

from gapura.terms.caller import Account, Key

VERSION = 3


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A gate introduces itself.  After the keeper was away, `purses` is what it has left of each, and `lent` what it
    has received less what it gave back: of a budget in all its life, of a minute's limit in this minute.  What the
    keeper lent beyond that never arrived."""

    version: int
    incarnation: str
    gate: int
    pid: int
    purses: dict[str, int] = {}
    lent: dict[str, int] = {}


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A gate wants to spend from a purse and its slice does not cover it.

    Purses: `tok:<account>` the token budget, `rpm:<key or account>` and `tpm:<key or account>` a minute's limits.
    `want` is what is needed now, `limit` the limit a minute (0 for budgets).
    """

    n: int
    purse: str
    want: int
    limit: int = 0


class GiveBack(msgspec.Struct, frozen=True, tag="back"):
    """A gate returns what it does not need: on drain, and as the answer to each Recall (then also 0).  `until` names
    the minute that a limit's slice was of."""

    purse: str
    amount: int
    until: int = 0


class Remember(msgspec.Struct, frozen=True, tag="remember"):
    """A conversation is to be kept, found or dropped; the keeper answers with Found `n`.  `sealed` is what nobody but a
    gate can read, of the `account` and of that `name` (`resp_…`)."""

    n: int
    what: Literal["keep", "find", "drop"]
    account: str
    name: str
    sealed: bytes = b""


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Once a second: a gate's counters for /metrics, and the targets whose circuit is open until when.  `atlas` is the
    version of its place data, `atlas_problem` why they are not the newest ("": they are)."""

    counters: dict[str, float]
    open_circuits: dict[str, int]
    lag: int = 0
    atlas: str = ""
    atlas_problem: str = ""


class NewAtlas(msgspec.Struct, frozen=True, tag="atlas"):
    """Place data or corrections changed: load them from the home, and forget what was looked up.  `version` is the
    keeper's, `documents` (JSON) the table `[atlas]` that it loaded them by."""

    version: str
    documents: bytes = b""


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The whole state: `rulebook` is an encoded Rulebook, `directory` the path of the mapped file at `seq`, `atlas` the
    place data, `shadow` the rulebook that runs beside (empty: none)."""

    rulebook: bytes
    directory: str
    seq: int
    at: int
    atlas: NewAtlas | None = None
    shadow: bytes = b""


class Refuse(msgspec.Struct, frozen=True, tag="refuse"):
    reason: str


class NewRules(msgspec.Struct, frozen=True, tag="rules"):
    rulebook: bytes


class NextRules(msgspec.Struct, frozen=True, tag="next"):
    """A rulebook that runs beside the one in force: what it would decide is counted.  Empty: none does."""

    rulebook: bytes


class NewDirectory(msgspec.Struct, frozen=True, tag="directory"):
    """The file was written anew: map it, and forget the deltas up to `seq`."""

    directory: str
    seq: int


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """Keys (by the hex of their keyed hash) and accounts that changed since the file was written."""

    seq: int
    keys: dict[str, Key] = {}
    accounts: dict[str, Account] = {}


class Grant(msgspec.Struct, frozen=True, tag="grant"):
    """The answer to Ask `n`: `amount` to spend before `until` (UTC microseconds, 0: no end).  Less than was wanted
    means: that is all there is; for a minute's limit `retry_after` says in how many seconds there will be more."""

    n: int
    purse: str
    amount: int
    until: int = 0
    retry_after: float = 0.0


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The answer to Remember `n`: what there is, or was; b"" for nothing."""

    n: int
    sealed: bytes = b""


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """Somebody else needs it: give back what is not held."""

    purse: str


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """Once a second: the snapshot is still good at `at`.  Also what other gates know of targets' circuits."""

    at: int
    open_circuits: dict[str, int] = {}


class Inquire(msgspec.Struct, frozen=True, tag="inquire"):
    """A caller asks what its account used, has and paid; `path` and `query` as it sent them."""

    n: int
    account: str
    path: str
    query: str


class Told(msgspec.Struct, frozen=True, tag="told"):
    """The answer to Inquire `n`: a body for the caller.  `error`: what cannot be meant, and `param` where."""

    n: int
    body: bytes = b""
    error: str = ""
    param: str = ""
    status: int = 200


FromGate = Hello | Ask | GiveBack | Remember | Report | Inquire
FromKeeper = (
    Welcome | Refuse | NewRules | NextRules | NewAtlas | NewDirectory | Delta | Grant | Found | Recall | Tick | Told
)
