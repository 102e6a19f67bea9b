"""`kill -9` of a keeper while it sends notices, and the judgment of the mail server's own log.

    python -m bench.soak.notices                  300 kills, some ten minutes
    python -m bench.soak.notices --kills 12 --people 20

Half of the kills take the process that mails along.  Promised: everybody gets each stage; a second copy comes only
where a kill fell between the text and the answer to it, as the same message, and each such case is in the report.
Prints a JSON verdict; exit code 1 where a promise was broken.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session
from bench.soak.notices_keeper import settings

from gapura.app.home import prepare
from gapura.clock import SECOND, system_clock, text
from gapura.crash import VARIABLE
from gapura.store import accounts, campaigns, deliveries, jobs, members, rulebooks
from gapura.store.base import Connection
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.store.visits import DAY
from gapura.terms.campaign import Campaign, Hours

STAGES = ("T-14", "T-7", "T-1", "T")
OFFSETS_DAYS = (0, 7, 13, 14)
HOUR = 3600
LIST = '[[policies]]\npack = "openai/api"\nname = "openai/api"\n'
PATIENCE_S = 60.0
SLACK_S = 0.25


class Copy(NamedTuple):
    """A message that the server has taken: when its text was whole, when it was answered for, and its bytes."""

    message_id: str
    taken: float
    answered: float
    raw: bytes


class Mailbox:
    """The mail server's log.  It is slow, so that kills find something under way."""

    def __init__(self, rng: random.Random) -> None:
        self.copies: list[Copy] = []
        self.busy = asyncio.Event()
        self._rng = rng

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        raw = envelope.content
        assert isinstance(raw, bytes)
        taken = time.monotonic()
        self.busy.set()
        await asyncio.sleep(self._rng.uniform(0.01, 0.08))
        name = next(line for line in raw.splitlines() if line.lower().startswith(b"message-id:"))
        self.copies.append(Copy(name.partition(b":")[2].strip().decode(), taken, time.monotonic(), raw))
        self.busy.set()
        return "250 2.0.0 OK"


class Run:
    """One campaign, from its start to the verdict."""

    def __init__(self, folder: Path, people: int, kills: int, seed: int, stages: int = len(STAGES)) -> None:
        self.home, self.people, self.kills, self.stages = folder / "home", people, kills, stages
        self.rng = random.Random(seed)
        self.mailbox = Mailbox(self.rng)
        self.killed: list[float] = []
        self.problems: list[str] = []
        self._url = ""
        self._starts = 0

    async def go(self) -> dict[str, Any]:
        async with self.begun():
            await self.arm()
            for number, days in enumerate(OFFSETS_DAYS[: self.stages]):
                await self._stage(number, days)
        return await asyncio.to_thread(self.judge)

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """With a mail server, and a campaign that has been started."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self.mailbox, loop=loop, hostname="relay.test"), "127.0.0.1", 0)
        self._url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}?tls=none"
        await asyncio.to_thread(self._populate)
        yield
        server.close()

    def _store(self) -> Store:
        return Store.open(settings(self.home, self._url).database_path)

    def _populate(self) -> None:
        """Everybody was seen in China yesterday; the campaign is approved, and starts now."""
        prepare(settings(self.home, self._url), sandbox=True, clock=system_clock)
        store, at = self._store(), system_clock()
        by = By("soak", "kills", at)
        stated = [
            {"external_id": f"a{number}", "contacts": {"technical": f"a{number}@d{number % 7}.example"}}
            for number in range(self.people)
        ]

        def work(db: Connection) -> None:
            made = accounts.upsert(db, None, accounts.from_dicts(stated), at).created
            db.executemany("INSERT INTO visit VALUES (?, ?, 'CN', 3)", [(one.id, at // DAY - 1) for one in made])
            version = rulebooks.propose(db, LIST, "toml", by)
            spec = Campaign(
                name="soak", policy="openai/api", version=version.id, effective_at=at + 14 * DAY + 3600 * SECOND,
                plan=STAGES, hours=Hours(starts=0, ends=24),
            )  # fmt: skip
            kept = campaigns.write(db, spec, by)
            for verb in ("preview", "test"):
                campaigns.move(db, kept.id, verb, by)
            campaigns.approve(db, kept.id, By("another", "kills", at))
            campaigns.start(db, kept.id, by)
            jobs.ring(db, "campaign.day", kept.id, at)

        store.write(work).result()
        store.close()

    async def arm(self) -> None:
        """An hour before the first letters its dates are put in force."""
        process = await self.start(0)
        with closing(self._store()) as store:
            for _ in range(int(PATIENCE_S / 0.1)):
                if store.read(campaigns.page)[0].armed:
                    break
                await asyncio.sleep(0.1)
        await self.stop(process)

    async def _stage(self, number: int, days: int) -> None:
        """Kills while the letters of this stage go out, until all have arrived."""
        share = self.kills * (number + 1) // self.stages
        wanted = (number + 1) * self.people
        until = time.monotonic() + PATIENCE_S
        while True:
            before = len({one.message_id for one in self.mailbox.copies})
            process = await self.start(self.ahead(days))
            if len(self.killed) < share and before < wanted:
                self.mailbox.busy.clear()
                await self._kill(process)
            else:
                await self.finish(wanted)
                await self.stop(process)
            arrived = len({one.message_id for one in self.mailbox.copies})
            if arrived >= wanted:
                return
            until = time.monotonic() + PATIENCE_S if arrived > before else until
            if time.monotonic() > until:
                self.problems.append(f"{STAGES[number]}: {arrived} of {wanted} letters, and no more come")
                return

    def ahead(self, days: int) -> int:
        """Seconds; a minute more at each start, so that what waits for the next try is due."""
        self._starts += 1
        return days * 86_400 + HOUR + 600 + 61 * self._starts

    async def start(self, ahead_s: int, crash: str = "") -> asyncio.subprocess.Process:
        """A keeper that is ready.  `crash`: the point at which it will die."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.soak.notices_keeper", str(self.home), self._url, str(ahead_s),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
            env=os.environ | ({VARIABLE: crash} if crash else {}),
        )  # fmt: skip
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        return process

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.mailbox.busy.wait(), 5)
            await asyncio.sleep(self.rng.uniform(0, 0.1))
        self.killed.append(time.monotonic())
        if self.rng.random() < 0.5:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        await process.wait()

    async def finish(self, wanted: int) -> None:
        """Until so many letters have come, and what came of each is written down."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while len({one.message_id for one in self.mailbox.copies}) < wanted:
                    self.mailbox.busy.clear()
                    await self.mailbox.busy.wait()
        with closing(self._store()) as store:
            for _ in range(int(PATIENCE_S / 0.1)):
                if not store.read(deliveries.under_way):
                    break
                await asyncio.sleep(0.1)

    async def stop(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE_S)

    def judge(self) -> dict[str, Any]:
        with closing(self._store()) as store:
            notices, cases = store.read(_written)
        taken: dict[str, list[Copy]] = defaultdict(list)
        for copy in self.mailbox.copies:
            taken[copy.message_id].append(copy)
        for one in notices:
            if one.state != "delivered" or not taken[one.message_id]:
                self.problems.append(
                    f"{one.account} {one.stage}: {one.state}, taken {len(taken[one.message_id])} times"
                )
        if len(notices) != self.people * self.stages:
            self.problems.append(f"{len(notices)} notices, and not {self.people * self.stages}")
        twice = {name: copies for name, copies in taken.items() if len(copies) > 1}
        for name, copies in twice.items():
            self._judge_twice(name, copies, cases)
        return {
            "kills": len(self.killed), "people": self.people, "stages": self.stages, "notices": len(notices),
            "letters": len(self.mailbox.copies), "twice": len(twice), "cases_in_the_report": len(cases),
            "problems": self.problems,
        }  # fmt: skip

    def _judge_twice(self, name: str, copies: list[Copy], cases: set[str]) -> None:
        if name not in cases:
            self.problems.append(f"{name} came {len(copies)} times, and is not in the report")
        if len({copy.raw for copy in copies}) > 1:
            self.problems.append(f"{name}: its copies differ")
        for copy in copies[:-1]:
            if not any(copy.taken - SLACK_S <= kill <= copy.answered + SLACK_S for kill in self.killed):
                self.problems.append(f"{name}: no kill fell between its text and the answer")


def _written(db: Connection) -> tuple[list[deliveries.Delivery], set[str]]:
    """The notices, and those of them that are in the report."""
    (kept,) = campaigns.page(db)
    people = members.page(db, kept.id, "", 1_000_000)
    notices = [one for member in people for one in deliveries.of_account(db, member.account)]
    return notices, {one.message_id for one in deliveries.copies(db, kept.id)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--people", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gp") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        verdict = asyncio.run(Run(Path(folder), given.people, given.kills, given.seed).go())
    verdict |= {
        "date": text(system_clock())[:10], "seconds": round(time.monotonic() - begun), "seed": given.seed,
        "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    words = json.dumps(verdict, indent=2)
    print(words)
    if given.out:
        given.out.write_text(words + "\n")
    return 1 if verdict["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
