"""What gates tell an account beside their answers, for campaigns: the last notice of each.

It stands at the account (`Account.notices`) and reaches gates with it: whoever changes it publishes the account
afterwards.
"""

from collections.abc import Iterable, Mapping

import msgspec

from gapura.store.base import Connection
from gapura.terms.caller import Notice

_json = msgspec.json.Encoder()
_notices = msgspec.json.Decoder(tuple[Notice, ...])


def post(db: Connection, told: Mapping[str, Notice]) -> None:
    """Account → what it is told from now on, in place of what the same campaign told it before.  Accounts that are
    not there any more are passed over."""
    for account, notice in told.items():
        _change(db, account, notice.campaign, (notice,))


def withdraw(db: Connection, campaign: str, accounts: Iterable[str]) -> None:
    """These are told nothing of it any more."""
    for account in accounts:
        _change(db, account, campaign, ())


def _change(db: Connection, account: str, campaign: str, put: tuple[Notice, ...]) -> None:
    row = db.execute("SELECT notices FROM account WHERE id = ?", (account,)).fetchone()
    if row is not None:
        others = (one for one in _notices.decode(row[0]) if one.campaign != campaign)
        db.execute("UPDATE account SET notices = ? WHERE id = ?", (_json.encode((*others, *put)).decode(), account))
