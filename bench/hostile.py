"""Hostile callers beside good ones: how long the good ones wait, and what memory it takes.

    python -m bench.hostile --out bench/results/hostile-DATE.json

10,000 attacks (tests/hostile/attacks.py) against a gateway of one gate in the sandbox; good callers ask beside them, as
they did before.  Passes when the p99 of the good ones stays within three times what it was, no process grows by more
than 20 MB, and nothing of what tests/hostile asserts fails.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from tests.app.running import serving
from tests.hostile.attacks import DOCUMENT, LIMITS
from tests.hostile.siege import GOOD_CALLERS, besiege, storm_on

from gapura.clock import system_clock

MOST_TIMES = 3
MOST_BYTES = 20_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rate", type=float, default=250, help="attacks a second; 0: as fast as they go")
    parser.add_argument("--calm", type=float, default=20, help="seconds of good callers alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the verdict here, too")
    given = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="gh-") as folder,
        serving(Path(folder), DOCUMENT, GAPURA_SITE_TERRITORY="SG", **LIMITS) as gateway,
    ):
        storm = storm_on(gateway, seed=given.seed, count=given.count, at_once=given.at_once, rate=given.rate)
        outcome = asyncio.run(besiege(gateway, calm_s=given.calm, storm=storm))

    calm, meanwhile = outcome.calm.p99(), outcome.good.p99()
    grown = max(memory.peak - memory.before for memory in outcome.memory.values())
    wrong = [*outcome.seen.faults.values(), *outcome.calm.wrong, *outcome.good.wrong]
    ok = meanwhile <= MOST_TIMES * calm and grown <= MOST_BYTES and outcome.same_processes and not wrong
    verdict = {
        "ok": ok,
        "at": datetime.fromtimestamp(system_clock() // 1_000_000, UTC).isoformat(),
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cores": len(os.sched_getaffinity(0)),
        },
        "attacks": {"count": given.count, "at_once": given.at_once, "a_second": given.rate, "seed": given.seed},
        "good_callers": GOOD_CALLERS,
        "p99_ms": {"before": round(calm, 2), "meanwhile": round(meanwhile, 2), "times": round(meanwhile / calm, 2)},
        "answered_well": {"before": len(outcome.calm.seconds), "meanwhile": len(outcome.good.seconds)},
        "most_grown_bytes": grown,
        "memory": msgspec.to_builtins(list(outcome.memory.values())),
        "same_processes": outcome.same_processes,
        "wrong": wrong[:100],
        "statuses": outcome.seen.statuses,
    }
    text = json.dumps(verdict, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
