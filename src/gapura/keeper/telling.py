"""What gates know of keys and accounts: the directory as a file, and what changed since it was written.

Few changes go out as they are.  Many at once, as when a campaign exempts a hundred thousand accounts, would be read one
by one on the keeper's loop, while gates wait for slices: then the whole file is written once, beside the loop.
"""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from gapura.keeper.hub import Hub
from gapura.store import accounts, directory, keys
from gapura.store.base import Connection, StoreFailed
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key
from gapura.terms.link import Delta

log = structlog.get_logger()

# After so many changes gates get the directory as a file again, so that none keeps them all in its own memory.
DELTAS = 10_000
# Read on the loop in one piece; some milliseconds.
PIECE = 100
RETRY_S = 1.0


class Telling:
    """`write` the file before anybody asks, and `close` at the end."""

    def __init__(self, store: Store, hub: Hub, path: Path) -> None:
        self._store, self._hub, self.path = store, hub, path
        self.seq = self.file_seq = self._changes = 0
        self._wanted = False
        self._writing: asyncio.Task[None] | None = None
        self._pieces: set[asyncio.Task[None]] = set()

    def write(self) -> None:
        """The whole directory, now."""
        self._store.read(self._file)
        self.file_seq, self._changes = self.seq, 0

    def publish(self, changed_keys: Mapping[str, Key], changed_accounts: Mapping[str, Account]) -> None:
        """Tell all gates.  What is told is read again, so that two changes at once never leave the older one."""

        def now(db: Connection) -> tuple[dict[str, Key], dict[str, Account]]:
            found_keys = {digest: keys.get(db, None, key.id) for digest, key in changed_keys.items()}
            return found_keys, {name: accounts.get(db, None, name) for name in changed_accounts}

        told_keys, told_accounts = self._store.read(now)
        self.seq += 1
        self._hub.publish_delta(Delta(self.seq, told_keys, told_accounts))
        self._changes += len(told_keys) + len(told_accounts)
        if self._changes > DELTAS:
            self._renew()

    def publish_accounts(self, names: Collection[str]) -> None:
        """The same of any number of accounts, by name; of many it is on its way when this returns."""
        if len(names) <= PIECE:
            self._piece(names)
        elif len(names) <= DELTAS:
            task = asyncio.get_running_loop().create_task(self._in_pieces(list(names)))
            self._pieces.add(task)
            task.add_done_callback(self._pieces.discard)
        else:
            self._renew()

    async def settled(self) -> None:
        """Until everything is on its way to the gates."""
        while tasks := [*self._pieces, *filter(None, [self._writing])]:
            await asyncio.gather(*tasks)

    async def close(self) -> None:
        """What is not told yet is in the file that the next keeper writes."""
        tasks = [*self._pieces, *filter(None, [self._writing])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _piece(self, names: Collection[str]) -> None:
        self.publish({}, {name: Account(name, "", "") for name in names})

    async def _in_pieces(self, names: list[str]) -> None:
        for start in range(0, len(names), PIECE):
            self._piece(names[start : start + PIECE])
            await asyncio.sleep(0)

    def _renew(self) -> None:
        """One at a time; whatever is wanted meanwhile is in the next one."""
        self._wanted = True
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._written())

    async def _written(self) -> None:
        try:
            while self._wanted:
                self._wanted, self._changes, seq = False, 0, self.seq
                try:
                    await asyncio.to_thread(self._store.read, self._file)
                except (StoreFailed, OSError) as error:
                    log.warning("the directory is not written yet", error=str(error))
                    self._wanted = True
                    await asyncio.sleep(RETRY_S)
                    continue
                self.file_seq = seq
                self._hub.publish_directory(str(self.path), seq)
        finally:
            self._writing = None

    def _file(self, db: Connection) -> None:
        directory.write(self.path, keys.every(db), accounts.every(db))
