"""Places where a test lets a process die, as by `kill -9`.

`GAPURA_CRASH_AT=after-open` kills the process the first time that it comes by `crash.point("after-open")`,
`GAPURA_CRASH_AT=after-open:7` the seventh time.  The variable is read once, when this module is imported; without
it a point is an empty function.  The points, in the order in which a request meets them:

    while-leasing   the keeper has lent in its store, and the gate does not know it yet
    before-open     nothing is written of the request
    after-open      the open entry is written, nothing was sent upstream
    mid-stream      a part was relayed
    before-end      everything was relayed but the last byte
    after-end       the end entry is written, the last byte is not sent
    during-ingest   the keeper has written a batch, and not committed it
"""

import os
import signal
from collections.abc import Callable


def arm(where: str) -> Callable[[str], None]:
    """The function behind `point` for a value of GAPURA_CRASH_AT."""
    if not where:
        return lambda _: None
    wanted, _, count = where.partition(":")
    left = int(count or 1)

    def point(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return point


point = arm(os.environ.get("GAPURA_CRASH_AT", ""))
