"""A keeper that is killed while it sends, and that dies at each of its points: everybody gets each stage, once.

The long run is `bench/soak/notices.py`; the mail server's own log is the judge.
"""

import asyncio
import signal
from pathlib import Path

import pytest
from bench.soak.notices import Run

PATIENCE_S = 60


@pytest.mark.timeout(240)
def test_killed_while_it_sends(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    verdict = asyncio.run(Run(tmp_path, people=10, kills=6, seed=3, stages=2).go())
    assert verdict["problems"] == [] and verdict["kills"] >= 2 and verdict["notices"] == 20


@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", ["before-sending", "after-sending", "after-sending:3"])
def test_dead_at_a_point_of_sending(point: str, tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was handed over, or all that was is in the sender's journal: so no copy is a second one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

    async def story() -> Run:
        run = Run(tmp_path, people=5, kills=0, seed=1, stages=1)
        async with run.begun():
            await run.arm()
            dead = await run.start(run.ahead(0), crash=point)
            assert await asyncio.wait_for(dead.wait(), PATIENCE_S) == -signal.SIGKILL
            alive = await run.start(run.ahead(0))
            await run.finish(run.people)
            await run.stop(alive)
        return run

    run = asyncio.run(story())
    verdict = run.judge()
    assert (verdict["problems"], verdict["letters"], verdict["cases_in_the_report"]) == ([], 5, 0)


@pytest.mark.timeout(240)
def test_dead_while_it_selects(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is enrolled, and nothing is armed; the next keeper does all of it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

    async def story() -> Run:
        run = Run(tmp_path, people=5, kills=0, seed=1, stages=1)
        async with run.begun():
            dead = await run.start(0, crash="during-select")
            assert await asyncio.wait_for(dead.wait(), PATIENCE_S) == -signal.SIGKILL
            await run.arm()
            alive = await run.start(run.ahead(0))
            await run.finish(run.people)
            await run.stop(alive)
        return run

    verdict = asyncio.run(story()).judge()
    assert verdict["problems"] == [] and verdict["letters"] == 5
