"""Signed links by which an account reaches its own pages, and no other's: whoever has one needs no key.

    see.<account without acc_>.<end, in seconds>.<made, in microseconds>.<0>.<HMAC-SHA256, base64url>     in hexadecimal

All of it is signed, so nothing can be changed; nothing is stored, and another secret of the home makes all of them
void.  What is stored is which were revoked: one, or all that an account had until then.  What a browser is let in with
has in place of the 0 the end of the link by which it came, so that it ends with that link.
"""

import base64
import hmac
from typing import Literal, NamedTuple, get_args

from gapura.clock import SECOND
from gapura.store.base import Connection
from gapura.store.secrets import Secret

Scope = Literal["see", "object"]
"""see: to read · object: to read, and to object."""

DAYS = 90
DAY = 86_400 * SECOND
LONGEST = 140


class Pass(NamedTuple):
    """What a link opens: the pages of `account`, until `ends` (UTC microseconds, whole seconds).  `made`: when the link
    was.  `link`: the end of the link by which somebody came in; 0: it is the link itself, or a key."""

    account: str
    scope: Scope
    ends: int
    made: int
    link: int = 0


def sign(secret: Secret, what: Pass) -> str:
    account = what.account.removeprefix("acc_")
    said = f"{what.scope}.{account}.{what.ends // SECOND:x}.{what.made:x}.{what.link // SECOND:x}"
    return f"{said}.{_seal(secret, said)}"


def opened(secret: Secret, token: str, at: int) -> Pass | None:
    """None for one that is not ours, was changed, or is over.  It may have been revoked."""
    said, _, seal = token.rpartition(".")
    if len(token) > LONGEST or not token.isascii() or not hmac.compare_digest(seal, _seal(secret, said)):
        return None
    scope, account, ends, made, link = said.split(".")  # it is as we wrote it
    found = Pass(
        f"acc_{account}",
        "object" if scope == "object" else "see",
        int(ends, 16) * SECOND,
        int(made, 16),
        int(link, 16) * SECOND,
    )
    return found if at < found.ends and scope in get_args(Scope) else None


def revoke(db: Connection, what: Pass, at: int) -> None:
    """This link, and who came in by it."""
    db.execute("INSERT OR IGNORE INTO link_revoked VALUES (?, ?, ?, ?)", (what.account, what.made, what.ends, at))


def revoke_all(db: Connection, account: str, at: int) -> None:
    """Every link that the account had until now, and whoever came in."""
    db.execute("INSERT OR IGNORE INTO link_revoked VALUES (?, ?, 0, ?)", (account, at, at))


def is_revoked(db: Connection, what: Pass) -> bool:
    found = db.execute(
        "SELECT 1 FROM link_revoked WHERE account = ?1 AND (ends = 0 AND made >= ?2 OR made = ?2 AND ends = ?3)",
        (what.account, what.made, what.link or what.ends),
    )
    return found.fetchone() is not None


def pages(secret: Secret, public_url: str, account: str, at: int, days: int = DAYS) -> tuple[str, str]:
    """Of the account's status, and of the form for its objection; both are good for `days` from `at` on, so that the
    same letter has the same links.  "" where accounts have no pages."""
    if not public_url:
        return "", ""
    way = f"{public_url.rstrip('/')}/enter/{sign(secret, Pass(account, 'object', at + days * DAY, at))}"
    return way, f"{way}/object"


def _seal(secret: Secret, said: str) -> str:
    made = hmac.digest(secret.derive("account-link"), said.encode(), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
