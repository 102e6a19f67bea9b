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
    named = _json.encode(list(told)).decode()
    untold = "SELECT id FROM account WHERE id IN (SELECT value FROM json_each(?)) AND notices = '[]'"
    first = {str(account) for (account,) in db.execute(untold, (named,))}
    db.executemany(
        "UPDATE account SET notices = ? WHERE id = ?",
        [(_json.encode((told[account],)).decode(), account) for account in first],
    )
    for account in told.keys() - first:
        _change(db, account, told[account].campaign, (told[account],))


def withdraw(db: Connection, campaign: str, accounts: Iterable[str]) -> None:
    """These are told nothing of it any more."""
    for account in accounts:
        _change(db, account, campaign, ())


def silence(db: Connection, campaign: str, accounts: Iterable[str]) -> None:
    """Their answers say nothing of it any more; what they were told, they were told."""
    for account in accounts:
        row = db.execute("SELECT notices FROM account WHERE id = ?", (account,)).fetchone()
        for one in _notices.decode(row[0]) if row is not None else ():
            if one.campaign == campaign:
                _change(db, account, campaign, (msgspec.structs.replace(one, silent=True),))


def _change(db: Connection, account: str, campaign: str, put: tuple[Notice, ...]) -> None:
    row = db.execute("SELECT notices FROM account WHERE id = ?", (account,)).fetchone()
    if row is not None:
        others = (one for one in _notices.decode(row[0]) if one.campaign != campaign)
        db.execute("UPDATE account SET notices = ? WHERE id = ?", (_json.encode((*others, *put)).decode(), account))
