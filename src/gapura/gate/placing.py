"""A gate's place data: loaded beside the requests, swapped whole, and kept where newer ones cannot be loaded."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from gapura.atlas import sources
from gapura.atlas.sources import Atlas
from gapura.clock import Clock
from gapura.terms.link import NewAtlas

log = structlog.get_logger()


class Placing:
    """`load` reads what a message tells of and may take its time; `swap` puts it in force.  `problem`: why the newest
    could not be loaded, "" where all is well."""

    def __init__(self, atlas: Atlas, load: Callable[[NewAtlas], Atlas], swap: Callable[[Atlas], None]) -> None:
        self.version, self.problem = atlas.version, ""
        self._load, self._swap = load, swap
        self._told: NewAtlas | None = None
        self._loading: asyncio.Task[None] | None = None

    def renew(self, told: NewAtlas) -> None:
        """What comes while something is being loaded is loaded after it."""
        self._told = told
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().create_task(self._renew())

    async def settled(self) -> None:
        """Returns when nothing is being loaded."""
        if self._loading is not None:
            await asyncio.wait([self._loading])

    async def _renew(self) -> None:
        while (told := self._told) is not None:
            self._told = None
            if told.version == self.version:
                self.problem = ""
                continue
            try:
                atlas = await asyncio.to_thread(self._load, told)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with new data, the former ones are right
                self.problem = str(error) or type(error).__name__
                log.warning("new place data cannot be loaded; the former ones stay", error=self.problem)
            else:
                self._swap(atlas)
                self.version, self.problem = atlas.version, ""


def load(home: Path, told: NewAtlas, clock: Clock) -> Atlas:
    """What the keeper told of.  Raises as `sources.load`."""
    documents = {"atlas": msgspec.json.decode(told.documents)} if told.documents else {}
    return sources.load(home, documents, clock=clock)
