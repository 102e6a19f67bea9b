"""Who has how much, and where it went: a double-entry ledger, in which nothing is ever changed or deleted.

books     accounts and transfers
purses    budgets and grants: lent to gates in slices, spent, given back
checks    whether it all adds up
"""

from gapura.store.ledger.books import TOKENS, Books, balance, known, open_account, operator, post
from gapura.store.ledger.checks import verify
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
    "Standing",
    "balance",
    "close",
    "give_back",
    "holders",
    "known",
    "lend",
    "lent",
    "open_account",
    "open_purse",
    "operator",
    "post",
    "reconcile",
    "set_budget",
    "spend",
    "spent_by_class",
    "standing",
    "sweep",
    "verify",
]
