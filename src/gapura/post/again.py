"""When a message that was deferred is tried again, and when no more.

Greylisting wants some minutes; a server that is down, hours; a full mailbox, days that a notice may not have.
"""

from gapura.post.relay import Relay


def wait(relay: Relay, tries: int) -> int | None:
    """Seconds from the last of `tries` (from 1) to the next one; None: it is given up, and another way is taken."""
    waits = relay.table.again_s
    return waits[tries - 1] if 0 < tries <= len(waits) else None
