"""Who dies when: anybody at random, and whoever comes by a named point of `gapura.crash`."""

import asyncio
import random
import time
from collections import Counter

from bench.soak.gateway import Gateway, Wrong

KILLED = -9

# Point → who dies there, and how often it may be passed before that, at most.
POINTS: dict[str, tuple[str, int]] = {
    "before-open": ("gate", 60),
    "after-open": ("gate", 60),
    "mid-stream": ("gate", 600),
    "before-end": ("gate", 60),
    "after-end": ("gate", 60),
    "during-ingest": ("keeper", 40),
    "while-leasing": ("keeper", 8),
}

# A supervisor starts again what dies, ever slower: after so long a fresh one is worth its start.
ROUND_S = 5.0
# Where nothing dies at a point for so long, nobody comes by it.
FRUITLESS_ROUNDS = 8


async def at_random(gateway: Gateway, wanted: int, rng: random.Random) -> Counter[str]:
    """Gates, keeper and supervisor, until each kind was killed `wanted` times; how often."""
    killed: Counter[str] = Counter()
    await gateway.start()
    while min(killed[kind] for kind in ("gate", "keeper", "supervisor")) < wanted:
        await asyncio.sleep(rng.uniform(0.1, 1.2))
        kind = rng.choices(("gate", "keeper", "supervisor"), (5, 4, 2))[0]
        if kind == "supervisor":
            if rng.random() < 0.5:  # together with a child: what was being started is half there
                gateway.kill(rng.choice(list(gateway.pids) or ["keeper"]))
            await gateway.kill_supervisor()
            killed[kind] += 1
            await gateway.start()
        elif gateway.kill(rng.choice([name for name in gateway.pids if name.startswith(kind)] or [kind])):
            killed[kind] += 1
    return killed


async def at_point(gateway: Gateway, point: str, wanted: int, rng: random.Random, *, soon: bool) -> int:
    """Whoever comes by, until `wanted` died there; how many did.  Nothing runs before, nor after."""
    kind, most = POINTS[point]
    most = max(most // 8, 2) if soon else most

    def died() -> int:
        return sum(count for (name, status), count in gateway.deaths.items() if kind in name and status == KILLED)

    before, fruitless = died(), 0
    while (count := died() - before) < wanted:
        started = await gateway.start(f"{point}:{rng.randint(1, most)}")
        until = time.monotonic() + ROUND_S
        while started and time.monotonic() < until and died() - before < wanted:  # noqa: ASYNC110 - told by a log
            await asyncio.sleep(0.1)
        if started:
            await gateway.stop()
        fruitless = fruitless + 1 if died() - before == count else 0
        if fruitless == FRUITLESS_ROUNDS:
            raise Wrong(f"nothing dies at {point}")
    return died() - before
