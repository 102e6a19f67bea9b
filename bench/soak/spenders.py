"""64 spenders over 4 gates on one grant, `kill -9` of gates and keeper meanwhile; and limits a minute under more load
than they let through.

    python -m bench.soak.spenders               some five minutes: a grant of 1,000 holds, kills, two minutes of limits
    python -m bench.soak.spenders --short       half a minute: a grant of 200 holds, kills, no limits

Prints a JSON verdict; exit code 1 where more was spent than granted, less than 98 % of it, where the ledger and the
record disagree, or where a limit is off by more than 2 %.  The state of a run that failed is kept.
"""

import argparse
import asyncio
import json
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

from bench.soak.clients import Answer, Kind, Line, note, request
from bench.soak.gateway import Gateway, Wrong
from bench.soak.kill import machine

from gapura.clock import SECOND
from gapura.store import budgets, grants
from gapura.store.sqlite import Store
from gapura.terms.grants import Terms
from gapura.wire import tokens

GATES, SPENDERS = 4, 64
KIND = Kind("openai/sandbox-stream-12-0", 12, stream=False, limit=16)
LEAST_PART = 0.98
SLACK = 0.02
# The part of the grant up to which somebody is killed: what is near the end must be found by those who live.
KILL_UNTIL = 0.95
# What comes back from the dead is lent again within about two seconds: once everybody is told for so long that the
# grant is used up, it is.
QUIET_S = 6.0
# A supervisor starts again what dies, ever slower.
SPENT_S = 300.0
PATIENCE_S = 20.0
LIMITS = {"requests": {"requests_per_minute": 3_000}, "tokens": {"tokens_per_minute": 60_000}}
MINUTE = 60 * SECOND


class Spender:
    """Asks again and again; `log` is shared."""

    def __init__(self, port: int, key: str, account: str, log: list[Line]) -> None:
        self._port, self._key, self._account, self._log = port, key, account, log

    async def run(self, pause: float) -> None:
        """Until it is cancelled; `pause` after a refusal."""
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            line = Line(self._account, KIND)
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", self._port)
                kept = await self._ask(line, *connection)
            except OSError:
                kept = False
            self._log.append(line)
            if not kept and connection is not None:
                connection[1].close()
                connection = None
            if line.state != "whole":
                await asyncio.sleep(pause)

    async def _ask(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(request(KIND, self._key))
        answer = Answer()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(PATIENCE_S):
                while not answer.complete and (data := await reader.read(65536)):
                    answer.parser.feed_data(data)
        note(line, answer)
        return answer.complete and answer.parser.should_keep_alive()


class Run:
    """One home.  What is wrong is in `problems`, what was measured in `found`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.gateway = Gateway(folder, gates=GATES)
        self.problems: list[str] = []
        self.found: dict[str, Any] = {}
        self._rng = random.Random(seed)
        self._log: list[Line] = []
        self._keys: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    async def go(self, holds: int, minutes: int) -> None:
        try:
            await self._populate()
            await self._spend(holds)
            if minutes:
                await self._limits(minutes)
        except Wrong as error:
            self.problems.append(str(error))
        finally:
            self.gateway.end()

    async def _populate(self) -> None:
        await self.gateway.start()
        for name, limits in ({"granted": {"budget": 0}} | LIMITS).items():
            made = self.gateway.ask("POST", "/accounts", {"external_id": name, **limits})["accounts"][0]
            self._ids[name] = made["id"]
            self._keys[name] = self.gateway.ask("POST", "/keys", {"account_id": made["id"]})["secret"]
        await self.gateway.stop()

    async def _spend(self, holds: int) -> None:
        body = request(KIND, "").partition(b"\r\n\r\n")[2]
        amount = holds * (tokens.bound(body) + KIND.limit)
        account, grant = self._ids["granted"], "gr_spenders"

        def make(db: Any) -> None:
            grants.create(db, Terms(id=grant, account=account, amount=amount), amount, "spenders", 1)
            budgets.tell(db, [account])

        store = Store.open(self.gateway.home / "gapura.db")
        store.write(make).result()
        store.close()
        await self.gateway.start()
        began = time.monotonic()
        kills = await self._until_spent(amount)
        seconds = time.monotonic() - began
        await self.gateway.settled()
        await self.gateway.stop()
        store = Store.open(self.gateway.home / "gapura.db")
        held = store.read(lambda db: grants.get(db, grant))
        rows: Any = store.read(
            lambda db: db.execute(
                "SELECT coalesce(sum(charged), 0), count(*) FROM request WHERE charged > 0"
            ).fetchone()
        )
        store.close()
        self._judge_grant(amount, held.standing, int(rows[0]))
        _, looked = await self.gateway.command("doctor", "--json")
        wrong = [
            one for one in json.loads(looked)["data"] if one["check"] in {"ledger", "store"} and one["state"] != "ok"
        ]
        self.problems += [f"doctor: {one['check']}: {one['found']}" for one in wrong]
        self.found |= {
            "granted": amount,
            "largest_hold": amount // holds,
            "spent": held.standing.spent,
            "part": round(held.standing.spent / amount, 4),
            "requests_charged": int(rows[1]),
            "seconds": round(seconds, 1),
            "kills": kills,
            "answers": dict(Counter(line.state for line in self._log)),
            "refusals": dict(Counter(f"{line.status} {line.code}" for line in self._log if line.status >= 400)),
        }

    async def _until_spent(self, amount: int) -> dict[str, int]:
        """How often who was killed, as long as there is much left; until nothing more is served."""
        spending = [
            asyncio.create_task(Spender(self.gateway.port, self._keys["granted"], "granted", self._log).run(0.1))
            for _ in range(SPENDERS)
        ]
        kills: Counter[str] = Counter()
        began = last = time.monotonic()
        heard = 0
        try:
            while time.monotonic() - last < QUIET_S:
                await asyncio.sleep(self._rng.uniform(0.3, 0.9))
                said, heard = self._log[heard:], len(self._log)
                if not said or any(line.code != "insufficient_quota" for line in said):
                    last = time.monotonic()
                if last - began > SPENT_S:
                    raise Wrong(f"the grant is not used up within {SPENT_S:.0f} s")
                if sum(sum(line.usage or (0, 0)) for line in self._log) < KILL_UNTIL * amount:
                    name = self._rng.choice([*self.gateway.pids] or ["keeper"])
                    if name.startswith(("gate", "keeper")) and self.gateway.kill(name):
                        kills[name.split()[0].rstrip("0123456789")] += 1
        finally:
            for task in spending:
                task.cancel()
            await asyncio.wait(spending)
        return dict(kills)

    def _judge_grant(self, amount: int, standing: Any, charged: int) -> None:
        if standing.granted != amount or standing.spent > amount:
            self.problems.append(f"of {amount} granted, {standing} is what the ledger has")
        if standing.spent < LEAST_PART * amount:
            self.problems.append(f"only {standing.spent} of {amount} was spent")
        if standing.lent or standing.unreconciled:
            self.problems.append(f"{standing} with no gate alive")
        if charged != standing.spent:
            self.problems.append(f"{standing.spent} is spent, and the requests were charged {charged}")
        hung = sum(line.state == "hung" for line in self._log)
        if hung:
            self.problems.append(f"{hung} requests hung")

    async def _limits(self, minutes: int) -> None:
        """More is asked than the limits let through, over whole minutes by the gateway's own record."""
        await self.gateway.start()
        await asyncio.sleep(60 - time.time() % 60 - 5)  # noqa: TID251 - a minute of the clock's
        first = (int(time.time()) // 60 + 1) * MINUTE  # noqa: TID251 - likewise
        spending = [
            asyncio.create_task(Spender(self.gateway.port, self._keys[name], name, []).run(0.2))
            for name in LIMITS
            for _ in range(SPENDERS // 4)
        ]
        await asyncio.sleep(minutes * 60 + 8)
        for task in spending:
            task.cancel()
        await asyncio.wait(spending)
        await self.gateway.settled()
        await self.gateway.stop()
        store = Store.open(self.gateway.home / "gapura.db")
        for name, limits in LIMITS.items():
            ((of, limit),) = limits.items()
            what = "count(*)" if of == "requests_per_minute" else "coalesce(sum(input + output), 0)"
            used: Any = store.read(
                lambda db, what=what, name=name: db.execute(
                    f"SELECT {what} FROM request WHERE account = ? AND outcome IN ('complete', 'cut')"
                    " AND opened_at >= ? AND opened_at < ?",
                    (self._ids[name], first, first + minutes * MINUTE),
                ).fetchone()
            )
            part = int(used[0]) / (limit * minutes)
            self.found[name] = {"limit": limit, "minutes": minutes, "used": int(used[0]), "part": round(part, 4)}
            if abs(part - 1) > SLACK:
                self.problems.append(f"{used[0]} in {minutes} minutes, of a limit of {limit} {name} a minute")
        store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="half a minute, without the limits a minute")
    parser.add_argument("--holds", type=int, help="the grant, in largest holds (1,000; short: 200)")
    parser.add_argument("--minutes", type=int, default=2, help="of limits (2)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the verdict here, too")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gs-"))
    run = Run(folder, given.seed)
    asyncio.run(run.go(given.holds or (200 if given.short else 1_000), 0 if given.short else given.minutes))
    verdict = {
        "ok": not run.problems,
        "problems": run.problems,
        "at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),  # noqa: TID251 - a log's date
        **run.found,
        "spenders": SPENDERS,
        "gates": GATES,
        "machine": machine(),
    }
    text = json.dumps(verdict, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    if run.problems:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
