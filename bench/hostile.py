"""Hostile callers beside good ones: how long the good ones wait, and what memory it takes.

    python -m bench.hostile --out bench/results/hostile-DATE.json

10,000 attacks (tests/hostile/attacks.py) in five rounds against a gateway of one gate in the sandbox; before each round
good callers ask alone, and then beside it.  Passes when their p99 beside the attacks is within three times their p99
alone (medians of the rounds: what else a machine does in one of them decides nothing), no process grows by more than
20 MB from the first round to any, and nothing of what tests/hostile asserts fails.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from tests.app.running import serving
from tests.hostile.attacks import DOCUMENT, LIMITS
from tests.hostile.siege import GOOD_CALLERS, Outcome, besiege, storm_on

from gapura.clock import system_clock

MOST_TIMES = 3
MOST_BYTES = 20_000_000


def statuses(rounds: list[Outcome]) -> dict[str, dict[str, int]]:
    """Kind of attack → what came of it → how often."""
    counted: dict[str, Counter[str]] = {}
    for one in rounds:
        for kind, found in one.seen.statuses.items():
            counted.setdefault(kind, Counter()).update(found)
    return {kind: dict(counter) for kind, counter in sorted(counted.items())}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rate", type=float, default=250, help="attacks a second; 0: as fast as they go")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calm", type=float, default=8, help="seconds of good callers alone, before each round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the verdict here, too")
    given = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="gh-") as folder,
        serving(Path(folder), DOCUMENT, GAPURA_SITE_TERRITORY="SG", **LIMITS) as gateway,
    ):
        size = given.count // given.rounds
        storm = storm_on(gateway, seed=given.seed, count=size, at_once=given.at_once, rate=given.rate)
        storms = [msgspec.structs.replace(storm, first=number * size) for number in range(given.rounds)]
        rounds = [asyncio.run(besiege(gateway, calm_s=given.calm, storm=storm)) for storm in storms]

    calms, meanwhiles = [one.calm.p99() for one in rounds], [one.good.p99() for one in rounds]
    calm, meanwhile = statistics.median(calms), statistics.median(meanwhiles)
    first = rounds[0].memory
    peaks = {pid: max(one.memory[pid].peak for one in rounds if pid in one.memory) for pid in first}
    grown = {pid: peaks[pid] - first[pid].before for pid in first}
    wrong = [fault for one in rounds for fault in (*one.seen.faults.values(), *one.calm.wrong, *one.good.wrong)]
    same = all(one.same_processes and one.memory.keys() == first.keys() for one in rounds)
    ok = meanwhile <= MOST_TIMES * calm and max(grown.values(), default=0) <= MOST_BYTES and same and not wrong
    verdict = {
        "ok": ok,
        "at": datetime.fromtimestamp(system_clock() // 1_000_000, UTC).isoformat(),
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cores": len(os.sched_getaffinity(0)),
        },
        "attacks": {
            "count": size * given.rounds,
            "rounds": given.rounds,
            "at_once": given.at_once,
            "a_second": given.rate,
            "seed": given.seed,
        },
        "good_callers": GOOD_CALLERS,
        "p99_ms": {"alone": round(calm, 2), "beside": round(meanwhile, 2), "times": round(meanwhile / calm, 2)},
        "p99_ms_of_rounds": [[round(a, 2), round(b, 2)] for a, b in zip(calms, meanwhiles, strict=True)],
        "answered_well": sum(len(one.calm.seconds) + len(one.good.seconds) for one in rounds) - len(wrong),
        "grown_bytes": list(grown.values()),
        "same_processes": same,
        "wrong": wrong[:100],
        "statuses": statuses(rounds),
    }
    text = json.dumps(verdict, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
