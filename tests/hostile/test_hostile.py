"""Thousands of hostile callers beside good ones: no crash, no hang, no failure of ours, and no memory kept.

How long good callers wait meanwhile is measured by `bench/hostile.py`, which also sends all 10,000.
"""

import asyncio
from pathlib import Path

from tests.app.running import serving
from tests.hostile.attacks import DOCUMENT, LIMITS
from tests.hostile.siege import besiege, storm_on

COUNT = 2_000
MORE_BYTES = 20_000_000


def test_hostile_callers_change_nothing_for_good_ones(tmp_path: Path) -> None:
    with serving(tmp_path, DOCUMENT, GAPURA_SITE_TERRITORY="SG", **LIMITS) as gateway:
        storm = storm_on(gateway, seed=20_241_122, count=COUNT, at_once=32)
        outcome = asyncio.run(besiege(gateway, calm_s=1.0, storm=storm))
        logged = gateway.err

    assert outcome.seen.faults == {}
    assert sum(sum(statuses.values()) for statuses in outcome.seen.statuses.values()) == COUNT
    assert outcome.good.wrong == []
    assert len(outcome.good.seconds) > COUNT / 10  # they were there all the time
    assert outcome.same_processes
    assert {pid: memory for pid, memory in outcome.memory.items() if memory.peak - memory.before > MORE_BYTES} == {}
    # A refusal is no event for the operator: nobody may fill the disk with lines.
    assert [line for line in logged.splitlines() if " started " not in line] == []
