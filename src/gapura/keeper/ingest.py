"""The gates' journals go into the store: each entry once, in the transaction that moves the watermark.

A batch is rows, one transfer a purse and class for what its requests cost, and the new watermark: all of it, or
none.  What was read and not committed is read again.
"""

import asyncio
from pathlib import Path

import structlog

from gapura import crash
from gapura.clock import SECOND, Clock
from gapura.store import ledger, records
from gapura.store.base import Connection, StoreFailed
from gapura.store.courtesy import HASTE, PIECE, in_turns
from gapura.store.journal import LOCK, START, Frame, Position, Tail, Unreadable
from gapura.store.records import Intake
from gapura.store.sqlite import Store

# How often journals are looked at.  The promise is a lag of 2 s at full load.
POLL_S = 0.25

# About what one read takes.  Fewer entries wait for others to come: a batch costs a transfer for each account and a
# wait for the disk, however small it is.
MANY = 2_000

# From this lag on nothing is left for gates on the same core but what the scheduler gives them.
LATE_S = 0.75

# After a failure of the disk or the database: not so often that the log fills the disk.
RETRY_S = 1.0

log = structlog.get_logger()


class Ingest:
    """`run` it, or `step` through it.  `entries`, `missing` and `strange` count since the start, for /metrics."""

    def __init__(self, store: Store, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.entries = self.missing = self.strange = 0
        self._store, self._clock = store, clock
        self._tails: dict[str, Tail] = {}
        self._oldest: dict[str, int] = {}
        self._one_at_a_time = asyncio.Lock()
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            pause = POLL_S
            try:
                if await self.step() >= MANY:
                    continue
            except (StoreFailed, OSError) as error:
                log.warning("journals are not taken in", error=str(error))
                pause = RETRY_S
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    def wake(self) -> None:
        """There is something to do now."""
        self._woken.set()

    def lag(self) -> float:
        """Seconds since the oldest entry that was read and is not in the store; 0 where all is taken in."""
        now = self._clock()
        return max([0, *(now - at for at in self._oldest.values())]) / SECOND

    def incarnations(self) -> list[str]:
        """Those that have a folder."""
        if not self.folder.exists():
            return []
        return sorted(place.name for place in self.folder.iterdir() if not place.name.startswith("."))

    async def step(self) -> int:
        """One batch of every journal; how many entries were new."""
        names = self.incarnations()
        for gone in self._tails.keys() - set(names):
            self._forget(gone)
        taken = 0
        for name in names:
            try:
                taken += await self._batch(name)
            except Unreadable as error:
                log.warning("a journal is of a newer version", incarnation=name, error=str(error))
        return taken

    async def drain(self, incarnation: str) -> Position:
        """Everything that an incarnation has written; where its whole frames end.  Raises Unreadable."""
        while await self._batch(incarnation):
            pass
        tail = self._tails.get(incarnation)
        return tail.position if tail else START

    async def _batch(self, incarnation: str) -> int:
        async with self._one_at_a_time:
            tail = self._tails.get(incarnation) or await self._begin(incarnation)
            if tail is None:
                return 0
            try:
                piece = HASTE if self.lag() > LATE_S else PIECE
                frames = await asyncio.to_thread(tail.read, piece=piece)
                if not frames:
                    self._oldest.pop(incarnation, None)
                    return 0
                self._oldest.setdefault(incarnation, frames[0].entry.at)
                intake = await self._take_in(incarnation, frames, tail.position, piece)
            except BaseException:
                self._tails.pop(incarnation, None)  # the next one begins at the watermark again
                raise
            await asyncio.to_thread(tail.drop)
            self._oldest[incarnation] = frames[-1].entry.at
            self._count(incarnation, intake)
            return len(frames)

    async def _begin(self, incarnation: str) -> Tail | None:
        mark = self._store.read(lambda db: records.watermark(db, incarnation))
        if mark is None:
            boot = _boot(self.folder / incarnation)
            at = self._clock()
            await asyncio.wrap_future(self._store.write(lambda db: records.begin(db, incarnation, boot, at)))
        elif mark.closed:
            return None
        tail = Tail(self.folder / incarnation, mark.position if mark else START)
        self._tails[incarnation] = tail
        return tail

    async def _take_in(self, incarnation: str, frames: list[Frame], position: Position, piece: int) -> Intake:
        at = self._clock()
        batch = f"{incarnation}:{frames[-1].sequence}"

        def work(db: Connection) -> Intake:
            intake = records.take_in(db, incarnation, frames, position, piece=piece)
            for some in in_turns(intake.spends.items(), piece):
                for purse, amounts in some:
                    ledger.spend(db, incarnation, purse, amounts, ref=f"spend:{batch}:{purse}", at=at)
            crash.point("during-ingest")
            return intake

        return await asyncio.wrap_future(self._store.write(work))

    def _count(self, incarnation: str, intake: Intake) -> None:
        self.entries += intake.entries
        self.missing += intake.missing
        self.strange += intake.strange
        if intake.missing or intake.strange:
            log.error(
                "a journal has gaps or contradicts itself",
                incarnation=incarnation,
                missing=intake.missing,
                strange=intake.strange,
            )

    def _forget(self, incarnation: str) -> None:
        self._tails.pop(incarnation, None)
        self._oldest.pop(incarnation, None)


def _boot(place: Path) -> str:
    """Which run of the machine a journal was begun in, by its lock; "lost" where that did not survive."""
    try:
        return (place / LOCK).read_text() or "lost"
    except OSError:
        return "lost"
