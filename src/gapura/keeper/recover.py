"""What gates that died left behind: their journals are taken in, what they left open is ended, what they were lent
goes back.  Run it as often as you like: whatever was done is not done again, and what was half done was not done.

A gate is dead when the lock of its journal is free.  After a power cut (the machine has another boot id since) the
end of a journal may be lost with what was spent there, so what the gate had left goes to `unreconciled:<purse>`,
where a person can release it, and is not spent a second time.
"""

import asyncio
import fcntl
import os
import shutil
from pathlib import Path

import msgspec
import structlog

from gapura import crash
from gapura.clock import Clock
from gapura.keeper.ingest import Ingest
from gapura.store import ledger, records
from gapura.store.base import Connection
from gapura.store.journal import LOCK, Tail, Unreadable, boot_id
from gapura.store.sqlite import Store

log = structlog.get_logger()


class Recovered(msgspec.Struct, frozen=True):
    """What was done for one incarnation: requests ended as cut and as failed; amounts, by purse, that went back or
    were set aside; bytes of a torn end."""

    incarnation: str
    cut: int = 0
    failed: int = 0
    returned: dict[str, int] = {}
    forfeited: dict[str, int] = {}
    torn: int = 0


async def recover(store: Store, ingest: Ingest, clock: Clock, boot: str | None = None) -> list[Recovered]:
    """Every gate that is dead now; `boot` is this run of the machine.  Raises StoreFailed."""
    boot = boot_id() if boot is None else boot
    done: list[Recovered | None] = []
    # The rows first: a gate is known to the store only after its folder is there.
    known = store.read(records.live)
    folders = ingest.incarnations()
    for incarnation in folders:
        place = ingest.folder / incarnation
        lock = _free_lock(place)
        if lock is None:
            continue
        try:
            position = await ingest.drain(incarnation)
            torn = await asyncio.to_thread(Tail(place, position).torn)
            done.append(await _close(store, incarnation, torn, clock(), boot))
            await asyncio.to_thread(shutil.rmtree, place)
        except Unreadable as error:
            log.warning("a journal cannot be recovered by this version", incarnation=incarnation, error=str(error))
        finally:
            os.close(lock)
    for incarnation in sorted(set(known) - set(folders)):
        # Its journal is gone, and with it what it spent: as after a power cut.
        done.append(await _close(store, incarnation, 0, clock(), boot, lost=True))  # noqa: PERF401 - extend cannot await
    for closed in filter(None, done):
        lost = closed.cut or closed.failed or closed.forfeited or closed.torn
        (log.warning if lost else log.info)("a gate's journal was closed", **msgspec.structs.asdict(closed))
    return [closed for closed in done if closed]


async def _close(
    store: Store, incarnation: str, torn: int, at: int, boot: str, *, lost: bool = False
) -> Recovered | None:
    """In one transaction; None where that was done before."""

    def work(db: Connection) -> Recovered | None:
        mark = records.watermark(db, incarnation)
        if mark is None or mark.closed:
            return None
        ended, spends = records.end_abandoned(db, incarnation)
        for purse, amounts in spends.items():
            ledger.spend(db, incarnation, purse, amounts, ref=f"recover:{incarnation}:{purse}", at=at)
        crash.point("during-ingest")
        forfeit = mark.boot != boot or lost
        moved = ledger.close(db, incarnation, forfeit=forfeit, at=at)
        records.close(db, incarnation, torn, at)
        returned, forfeited = ({}, moved) if forfeit else (moved, {})
        return Recovered(incarnation, ended["cut"], ended["failed"], returned, forfeited, torn)

    return await asyncio.wrap_future(store.write(work))


def _free_lock(place: Path) -> int | None:
    """The lock of a journal, now ours; None while its gate lives."""
    lock = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
