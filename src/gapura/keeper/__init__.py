"""The keeper: the one owner of the store.

    ingest     the gates' journals → record and ledger
    recover    what gates that died left behind
    lending    budgets and limits, lent to gates in slices
    hub        the socket on which all of that is said

No module here serves a request; a gate goes on without the keeper with what it has.
"""
