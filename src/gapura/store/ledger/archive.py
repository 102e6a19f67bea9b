"""What was posted in a closed month leaves the ledger once it is in a file (`gapura.logs.ledger` writes it): its refs
stay known, and balances go on from the month's closing.
"""

from gapura.store.base import Conflict
from gapura.store.ledger import chain, closing
from gapura.store.ledger.books import Books, mark, set_mark
from gapura.store.ledger.closing import Month


def ready(db: Books, month: str) -> Month:
    """Raises Conflict where the month is not closed, or an earlier one is not archived."""
    closed = closing.months(db)
    found = next((one for one in closed if one.month == month), None)
    if found is None:
        raise Conflict(f"{month} is not closed", param="month")
    archived = mark(db, "archived")
    for earlier in closed[: closed.index(found)]:
        if archived < earlier.transfers:
            raise Conflict(f"{earlier.month} comes first", param="month")
    return found


def blocks(db: Books, month: Month) -> list[tuple[int, int]]:
    """Of what is not archived of it: the last transfer before each block, and its own."""
    before, found = mark(db, "archived"), []
    for block in chain.blocks(db):
        if before < block.transfers <= month.transfers:
            found.append((before, block.transfers))
            before = block.transfers
    return found


def drop(db: Books, month: str) -> int:
    """Deletes a block of a month that is in a file, and keeps its refs; how many transfers.  Call again until it is 0.

    Raises Conflict like `ready`.
    """
    found = ready(db, month)
    for _, until in blocks(db, found)[:1]:
        set_mark(db, "archived", until)
        db.execute(
            "INSERT INTO archived_transfer (ref, amount, kind) SELECT ref, amount, kind FROM transfer WHERE id <= ?",
            (until,),
        )
        count, _ = chain.live(db, 0, until)
        db.execute("DELETE FROM transfer WHERE id <= ?", (until,))
        return count
    return 0
