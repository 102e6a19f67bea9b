"""hear: what comes back for a notice that had gone out.

    a message → its values → the notice that each names → bounced, or called unwanted

What names no notice is kept and moves nothing.
"""

from collections.abc import Callable

from gapura.store import deliveries, returned
from gapura.store.base import Connection
from gapura.store.deliveries import Delivery
from gapura.terms.letter import Arrived, Returned, token

Bounced = Callable[[Connection, str, str, int], bool]
"""A Message-ID, what the other server said, and when."""


def take(db: Connection, arrived: Arrived, bounced: Bounced, at: int) -> int:
    """How many notices it moved; 0 where the message has been taken in before."""
    if returned.is_known(db, arrived.key):
        return 0
    found = [(one, _notice(db, one)) for one in arrived.returned]
    returned.keep(db, arrived.key, [(one, notice.id if notice else 0) for one, notice in found], at)
    return sum(_apply(db, one, notice, bounced, at) for one, notice in found if notice is not None)


def _notice(db: Connection, one: Returned) -> Delivery | None:
    return deliveries.of_token(db, one.token or token(one.message_id))


def _apply(db: Connection, one: Returned, notice: Delivery, bounced: Bounced, at: int) -> bool:
    if one.kind == "complaint":
        deliveries.complain(db, notice, at)
        return True
    if one.kind not in ("hard", "soft"):
        return False
    letter = deliveries.letter(db, notice.id)
    if one.kind == "hard" and letter is not None:
        returned.suppress(db, letter.to, one, at)
    return bounced(db, notice.message_id, f"{one.status} {one.answer}".strip(), at)
