"""A keeper alone, for `bench.soak.notices`: home, mail server, and how far ahead of the machine its clock is.

It runs until it is killed, or its standard input ends.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from gapura import runtime
from gapura.app.home import prepare
from gapura.app.keeper import Keeper
from gapura.atlas import sources
from gapura.clock import SECOND, system_clock
from gapura.settings import Settings

# Slow enough that a kill finds something under way.
RELAY: dict[str, Any] = {"connections": 2, "messages_per_s": 0, "each_domain": {"messages_per_s": 0, "connections": 2}}
MAIL: dict[str, Any] = {"from": "Notices <notices@operator.example>", "relay": RELAY}


def settings(home: Path, smtp_url: str) -> Settings:
    given = {"GAPURA_HOME": str(home), "GAPURA_SMTP_URL": smtp_url, "GAPURA_LOG_LEVEL": "error"}
    return Settings.load(given, {"mail": MAIL}, home.parent)


async def main(home: Path, smtp_url: str, ahead_s: int) -> None:
    def clock() -> int:
        return system_clock() + ahead_s * SECOND

    chosen = settings(home, smtp_url)
    with runtime.hold(chosen.home):
        made = prepare(chosen, sandbox=True, clock=clock)
        atlas = sources.load(chosen.home, chosen.documents, clock=clock)
        simulators = {"openai": "http://127.0.0.1:9/openai/v1"}
        keeper = Keeper(chosen, made, simulators, atlas, clock)
        async with keeper.working():
            print(json.dumps({"ready": True}), flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
