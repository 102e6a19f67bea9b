"""Who has how much, and where it went: a double-entry ledger, in which nothing is ever changed or deleted.

books     accounts and transfers
purses    budgets and grants: lent to gates in slices, spent, given back
holds     amounts set aside, and what became of them
chain     what was posted cannot be altered unseen
closing   months that are over; `archive`: and no longer here
checks    whether it all adds up
shared    the same books on a Postgres server, for several gateways
"""

from gapura.store.ledger.books import (
    TOKENS,
    Books,
    Ledger,
    amount_of,
    balance,
    clock,
    known,
    mark,
    open_account,
    operator,
    post,
    set_mark,
)
from gapura.store.ledger.checks import adds_up, closings, verify
from gapura.store.ledger.holds import Hold, capture, hold, overdue, time_out, void
from gapura.store.ledger.purses import (
    Standing,
    close,
    give_back,
    holders,
    lend,
    lent,
    open_purse,
    reconcile,
    set_budget,
    spend,
    spent_by_class,
    standing,
    sweep,
)

__all__ = [
    "TOKENS",
    "Books",
    "Hold",
    "Ledger",
    "Standing",
    "adds_up",
    "amount_of",
    "balance",
    "capture",
    "clock",
    "close",
    "closings",
    "give_back",
    "hold",
    "holders",
    "known",
    "lend",
    "lent",
    "mark",
    "open_account",
    "open_purse",
    "operator",
    "overdue",
    "post",
    "reconcile",
    "set_budget",
    "set_mark",
    "spend",
    "spent_by_class",
    "standing",
    "sweep",
    "time_out",
    "verify",
    "void",
]
