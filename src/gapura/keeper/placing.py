"""The keeper's place data: corrections are written beside them, all of it is loaded anew, and the gates are told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from gapura.atlas import builds, sources
from gapura.atlas import corrections as written
from gapura.atlas.builds import InForce
from gapura.atlas.corrections import Correction
from gapura.atlas.inventory import TROUBLE
from gapura.atlas.sources import Atlas
from gapura.store import corrections
from gapura.store.base import StoreFailed
from gapura.store.sqlite import Store
from gapura.terms.link import NewAtlas

TABLE = "atlas"

log = structlog.get_logger()


class Placing:
    """`documents` are those in force (`Settings.documents`).  `atlas` is replaced whole; `problem`: why the newest
    could not be loaded, "" where all is well."""

    def __init__(
        self,
        store: Store,
        home: Path,
        atlas: Atlas,
        documents: Callable[[], Mapping[str, Any]],
        tell: Callable[[NewAtlas], None],
    ) -> None:
        self.atlas, self.problem = atlas, ""
        self._store, self._home, self._documents, self._tell = store, home, documents, tell
        self._table = msgspec.json.encode(documents().get(TABLE, {}))
        self._lock = asyncio.Lock()

    def news(self) -> NewAtlas:
        """What gates are told: also those that come later."""
        return NewAtlas(self.atlas.version, self._table)

    async def renew(self) -> Atlas:
        """Raises one of TROUBLE for data that cannot be loaded; then the former ones stay."""
        async with self._lock:
            documents = self._documents()
            try:
                await asyncio.to_thread(write_corrections, self._store, self._home)
                atlas = await asyncio.to_thread(sources.load, self._home, documents, clock=self._store.clock)
            except TROUBLE as error:
                self.problem = str(error)
                raise
            self.problem = ""
            if atlas.version != self.atlas.version:
                self.atlas, self._table = atlas, msgspec.json.encode(documents.get(TABLE, {}))
            self._tell(self.news())  # also if it is the same: a gate that could not load it tries again
            return self.atlas

    async def try_to_renew(self) -> None:
        """Where nobody waits for it: what goes wrong is logged, and told by `problem`."""
        try:
            await self.renew()
        except (*TROUBLE, StoreFailed) as error:
            log.warning("new place data cannot be loaded; the former ones stay", error=str(error))

    def trial(self, now: InForce | None, corrected: Sequence[Correction] | None) -> Atlas:
        """The atlas with other builds or corrections; nothing else changes.  Raises as `renew`."""
        return sources.load(self._home, self._documents(), clock=self._store.clock, now=now, corrected=corrected)


def write_corrections(store: Store, home: Path) -> None:
    """Those in force, for gates and for the next start."""
    found = store.read(lambda db: corrections.in_force(db, store.clock()))
    path = home / "atlas" / written.FILE
    data = written.dump(as_written(one) for one in found)
    if data != (path.read_bytes() if path.is_file() else written.dump(())):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        builds.write(path, data)


def as_written(one: corrections.Correction) -> Correction:
    return Correction(**msgspec.structs.asdict(one))
