"""Places where a test lets a process die, as by `kill -9`.

`GAPURA_CRASH_AT=after-open` kills the process the first time that it comes by `crash.point("after-open")`,
`GAPURA_CRASH_AT=after-open:7` the seventh time.  The variable is read once, when this module is imported, so each
process that is forked later counts by itself; without it a point is an empty function.  The points, in the order in
which a request meets them:

    while-leasing   the keeper has lent in its store, and the gate does not know it yet
    before-open     nothing is written of the request
    after-open      the open entry is written, nothing was sent upstream
    mid-stream      a part was relayed
    before-end      everything was relayed but the last byte
    after-end       the end entry is written, the last byte is not sent
    during-ingest   the keeper has written a batch, and not committed it

and those of a campaign's notice:

    during-select   the keeper has weighed a slice of accounts, and not committed it
    before-sending  it is written that a notice is being sent, and nothing was sent
    after-sending   the relay has answered, and that is not written
    after-webhook   an endpoint was told of an event, and the store does not know it yet
"""

import os
import signal
from collections.abc import Callable

VARIABLE = "GAPURA_CRASH_AT"
POINTS = (
    "while-leasing", "before-open", "after-open", "mid-stream", "before-end", "after-end", "during-ingest",
    "after-webhook", "during-select", "before-sending", "after-sending",
)  # fmt: skip


def arm(where: str) -> Callable[[str], None]:
    """The function behind `point` for a value of the variable; one that cannot be meant arms nothing, and stops the
    start (`settings`)."""
    wanted, _, count = where.partition(":")
    if not is_armable(where):
        return lambda _: None
    left = int(count or 1)

    def point(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return point


def is_armable(where: str) -> bool:
    """Whether it names a point, and a time from the first on.

    >>> is_armable("after-open:7"), is_armable("after-opne"), is_armable("after-open:0")
    (True, False, False)
    """
    name, colon, count = where.partition(":")
    return name in POINTS and (not colon or (count.isdecimal() and int(count) > 0))


point = arm(os.environ.get(VARIABLE, ""))
