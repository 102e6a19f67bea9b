"""Signed links by which an account reaches its own pages, and no other's: whoever has one needs no key.

    see.<account without acc_>.<end, seconds in hexadecimal>.<HMAC-SHA256, base64url>

The scope and the end are what is signed, so neither can be changed; nothing is stored, and another secret of the home
makes all of them void.  One stands in a letter, so it is good for that account alone, for a time, and for no API.
"""

import base64
import hmac
from typing import Literal, NamedTuple, get_args

from gapura.clock import SECOND
from gapura.store.secrets import Secret

Scope = Literal["see", "object"]
"""see: to read · object: to read, and to object."""

DAYS = 90
DAY = 86_400 * SECOND
LONGEST = 120


class Pass(NamedTuple):
    """What a link opens: the pages of `account`, until `ends` (UTC microseconds)."""

    account: str
    scope: Scope
    ends: int


def sign(secret: Secret, account: str, scope: Scope, ends: int) -> str:
    """`ends` counts in whole seconds."""
    said = f"{scope}.{account.removeprefix('acc_')}.{ends // SECOND:x}"
    return f"{said}.{_seal(secret, said)}"


def opened(secret: Secret, token: str, at: int) -> Pass | None:
    """None for one that is not ours, was changed, or is over."""
    said, _, seal = token.rpartition(".")
    if len(token) > LONGEST or not token.isascii() or not hmac.compare_digest(seal, _seal(secret, said)):
        return None
    scope, account, ends = said.split(".")  # it is as we wrote it
    found = Pass(f"acc_{account}", "object" if scope == "object" else "see", int(ends, 16) * SECOND)
    return found if at < found.ends and scope in get_args(Scope) else None


def pages(secret: Secret, public_url: str, account: str, at: int, days: int = DAYS) -> tuple[str, str]:
    """Of the account's status, and of the form for its objection; both are good for `days` from `at` on, so that the
    same letter has the same links.  "" where accounts have no pages."""
    if not public_url:
        return "", ""
    way = f"{public_url.rstrip('/')}/enter/{sign(secret, account, 'object', at + days * DAY)}"
    return way, f"{way}/object"


def _seal(secret: Secret, said: str) -> str:
    made = hmac.digest(secret.derive("account-link"), said.encode(), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
