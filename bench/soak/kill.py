"""`kill -9` of gates, keeper and supervisor under load, and the judgment of what they told their callers.

    python -m bench.soak.kill                 the long run, some ten minutes: 20 of everything, 1,000 streams and more
    python -m bench.soak.kill --short         a minute or less
    python -m bench.soak.kill --seed 7        the same choices again (not the same interleaving)

Prints a JSON verdict; exit code 1 where a promise of docs/explanation/crashes.md was broken.  The state of a run that
failed is kept, its folder is named on standard error.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
from bench.soak.clients import Clients, Kind
from bench.soak.gateway import Gateway, Wrong
from bench.soak.judge import judge
from bench.soak.killer import POINTS, at_point, at_random

LONG = Kind("long", 120)
KINDS = [
    Kind("brief", 12),
    Kind("brief", 12, stream=False),
    Kind("usual", 40),
    Kind("usual", 40),
    LONG,
    Kind("shaky", 20),
    Kind("shaky", 20, stream=False),
]
PURSE = 60_000
ACCOUNTS: list[dict[str, Any]] = [
    {"external_id": "free"},
    {"external_id": "requests", "requests_per_minute": 60},
    {"external_id": "tokens", "tokens_per_minute": 4_000},
    {"external_id": "all", "requests_per_minute": 90, "tokens_per_minute": 20_000, "budget": PURSE},
    {"external_id": "scarce", "budget": 5_000},
    {"external_id": "paid-1", "budget": PURSE},
    {"external_id": "paid-2", "budget": PURSE},
    {"external_id": "paid-3", "budget": PURSE},
]
TOP_UP_S = 2.0


class Run:
    """One home, from its first start to the last verdict."""

    def __init__(self, folder: Path, *, callers: int, seed: int, short: bool) -> None:
        self.gateway = Gateway(folder)
        self.problems: list[str] = []
        self.kills: dict[str, int] = {}
        self.judged = 0
        self.rng = random.Random(seed)
        self._callers, self._seed, self._short = callers, seed, short
        self._accounts: dict[str, str] = {}
        self.clients: Clients

    async def go(self, wanted: int, points: list[str]) -> None:
        """Everything; what is wrong is in `problems`."""
        try:
            await self._populate()
            calling = asyncio.create_task(self.clients.run(self._callers))
            topping = asyncio.create_task(self._top_up())
            try:
                self.clients.resume()
                self.kills |= await at_random(self.gateway, wanted, self.rng)
                for point in points:
                    if self._short:
                        await self.gateway.stop()
                    else:
                        await self._judge(f"before {point}")
                    self.clients.resume()
                    self.kills[point] = await at_point(self.gateway, point, wanted, self.rng, soon=self._short)
                    await self.gateway.start()
                await self._judge("in the end")
            finally:
                for task in (calling, topping):
                    task.cancel()
                await asyncio.wait([calling, topping])
        except Wrong as error:
            self.problems.append(str(error))
        finally:
            self.gateway.end()

    async def _populate(self) -> None:
        keys = {}
        await self.gateway.start()
        for stated in ACCOUNTS:
            made = self.gateway.ask("POST", "/accounts", stated)["accounts"][0]
            self._accounts[stated["external_id"]] = made["id"]
            keys[made["id"]] = self.gateway.ask("POST", "/keys", {"account_id": made["id"]})["secret"]
        await self.gateway.stop()
        kinds = [kind for kind in KINDS if kind is not LONG] if self._short else KINDS
        self.clients = Clients(self.gateway.port, keys, kinds, self._seed)

    async def _top_up(self) -> None:
        """Budgets grow while they are spent, so that there is something to lend all the time."""
        granted = PURSE
        while True:
            await asyncio.sleep(TOP_UP_S)
            granted += PURSE // 4
            for name, account in self._accounts.items():
                if name.startswith("paid"):
                    with suppress(OSError):  # whether it is granted or not is seen in the end
                        await asyncio.to_thread(
                            self.gateway.ask, "PATCH", f"/accounts/{account}/limits", {"budget": granted}
                        )

    async def _judge(self, when: str) -> None:
        """Of a gateway that runs: wait for its recovery, stop it, and compare."""
        await self.clients.pause()
        await self.gateway.settled()
        await self.gateway.stop()
        found = [f"{when}: {problem}" for problem in await self._problems()]
        self.problems += found
        self.judged += 1
        counts = dict(self.clients.counts())
        print(f"{when}: {self.kills} {counts} {len(found)} problems", file=sys.stderr, flush=True)

    async def _problems(self) -> list[str]:
        found = []
        if left := self.gateway.journals():
            found.append(f"journals are left after a clean stop: {left}")
        record = [json.loads(line) for line in (await self._told("record", "export", "--json")).splitlines()]
        usage = json.loads(await self._told("usage", "--json"))["data"]
        budgets = {}
        for account in self._accounts.values():
            shown = json.loads(await self._told("account", "show", account, "--json"))["data"]
            if shown["budget"] >= 0:
                budgets[account] = shown
        _, looked = await self.gateway.command("doctor", "--json")
        checks = {finding["check"]: finding for finding in json.loads(looked)["data"]}
        wrong = [checks[name] for name in ("store", "ledger", "journals", "audit") if checks[name]["state"] != "ok"]
        found += [f"doctor: {check['check']}: {check['found']}" for check in wrong]
        return [*found, *judge(self.clients.log, record, usage, budgets)]

    async def _told(self, *words: str) -> bytes:
        status, out = await self.gateway.command(*words)
        if status:
            raise Wrong(f"gapura {' '.join(words)} ended in {status}")
        return out

    def verdict(self, seconds: float) -> dict[str, Any]:
        log = self.clients.log
        return {
            "ok": not self.problems,
            "problems": self.problems[:100],
            "at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),  # noqa: TID251 - a log's date
            "seconds": round(seconds),
            "kills": self.kills,
            "judged": self.judged,
            "requests": len(log),
            "streams": sum(line.kind.stream for line in log),
            "streams_begun": sum(line.kind.stream and line.status == 200 for line in log),
            "answers": dict(sorted(self.clients.counts().items())),
            "statuses": {str(status): n for status, n in sorted(Counter(line.status for line in log).items())},
            "codes": dict(sorted(Counter(line.code for line in log if line.code).items())),
            "deaths": {f"{name} {status}": n for (name, status), n in sorted(self.gateway.deaths.items())},
            "warnings": dict(self.gateway.warned.most_common()),
            "slowest_end_s": round(self.gateway.slowest_end_s, 1),
            "slowest_recovery_s": round(self.gateway.slowest_recovery_s, 1),
            "machine": machine(),
        }


def machine() -> dict[str, Any]:
    """What it ran on, without its name."""
    with Path("/proc/cpuinfo").open() as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="a minute or less")
    parser.add_argument("--kills", type=int, help="how often each kind and each point (20; short: 2)")
    parser.add_argument("--points", nargs="*", choices=list(POINTS), default=list(POINTS), help="only these")
    parser.add_argument("--callers", type=int, help="callers at the same time (24; short: 12)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the state and the log, whatever the verdict")
    parser.add_argument("--out", type=Path, help="write the verdict here, too")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gk-"))
    run = Run(folder, callers=given.callers or (12 if given.short else 24), seed=given.seed, short=given.short)
    began = time.monotonic()
    asyncio.run(run.go(given.kills or (2 if given.short else 20), given.points))
    verdict = run.verdict(time.monotonic() - began)
    text = json.dumps(verdict, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    if given.keep or run.problems:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
