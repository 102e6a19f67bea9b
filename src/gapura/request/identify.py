"""Who calls: the key in the request, looked up by its keyed hash.

A key is never compared, stored or logged as it is; an unknown one is told from a known one by one look into a table
of hashes that nobody can make without the pepper.
"""

import hmac
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from gapura.clock import text
from gapura.errors import Forbidden, UnknownKey
from gapura.terms.caller import Caller

BEARER = b"bearer "
OTHERS = (b"x-api-key", b"api-key")


class Directory(Protocol):
    """The part of `gapura.store.directory.Directory` that a request needs."""

    def find(self, digest: bytes) -> Caller | None:
        """Whose key has this keyed hash, whatever its state."""


def identify(headers: Sequence[tuple[bytes, bytes]], directory: Directory, pepper: bytes, at: int) -> Caller:
    """The caller, whose key is good at this instant.

    The key stands in `Authorization: Bearer`, else in `x-api-key` or `api-key`.  Raises UnknownKey for one that is
    missing, unknown, expired or revoked, and Forbidden (`account_suspended`) for a suspended account.
    """
    key = _key(headers)
    if not key:
        raise UnknownKey("No API key was sent. Send yours as `Authorization: Bearer YOUR_KEY`.")
    caller = directory.find(hmac.digest(pepper, key, "sha256"))
    if caller is None:
        raise UnknownKey("Incorrect API key provided. It is unknown to this gateway; ask its operator for one.")
    if caller.key.revoked:
        raise UnknownKey("Incorrect API key provided. It was revoked; use another one.")
    if 0 < caller.key.expires_at <= at:
        raise UnknownKey(f"Incorrect API key provided. It expired at {text(caller.key.expires_at)}; use another one.")
    if caller.account.status == "suspended":
        raise Forbidden("This account is suspended. Its operator can tell why.", code="account_suspended")
    return caller


def scoped(caller: Caller, model: str) -> bool:
    """Whether the key's scope holds the model name that was asked for; a scope may end in `*`."""
    scope = caller.key.models
    return not scope or model in scope or any(fnmatchcase(model, pattern) for pattern in scope)


def _key(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    other = b""
    for name, value in headers:
        if name == b"authorization":
            if value[:7].lower() == BEARER and (key := value[7:].strip()):
                return key
        elif name in OTHERS:
            other = other or value.strip()
    return other
