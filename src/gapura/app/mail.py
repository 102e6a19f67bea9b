"""The keeper's side of the process that makes letters and hands them over: nothing here loads what mail needs."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gapura.campaign.deliver import Draft, Left, Made, Stopped
from gapura.clock import Clock
from gapura.keeper.worker import Worker
from gapura.settings import Settings
from gapura.terms.letter import Arrived, Composed, Letter, Receipt, Returned

T = TypeVar("T")

PROGRAM = (sys.executable, "-m", "gapura.app.mailing")


class Config(msgspec.Struct, frozen=True):
    """`mail` is the table of gapura.toml; relative paths in it start at `folder`."""

    mail: dict[str, Any]
    smtp_url: str
    folder: str
    journal: str


class Sent(msgspec.Struct, frozen=True):
    """`stopped`: why the relay takes nothing from us; then there is no receipt."""

    receipt: Receipt | None = None
    stopped: str = ""


class Mail:
    """A sender in a process of its own.  `settings` are asked for each time: a reload may change who writes."""

    def __init__(self, settings: Callable[[], Settings], clock: Clock, program: Sequence[str] = PROGRAM) -> None:
        self._settings, self._clock = settings, clock
        self._worker = Worker(program)

    async def compose(self, drafts: Sequence[Draft]) -> list[Made]:
        return await self._ask("compose", drafts, list[Made])

    async def send(self, letter: Letter) -> Receipt:
        sent = await self._ask("send", letter, Sent)
        if sent.receipt is None:
            raise Stopped(sent.stopped)
        return msgspec.structs.replace(sent.receipt, at=self._clock())

    async def show(self, letter: Letter) -> Composed:
        return await self._ask("show", letter, Composed)

    async def arrived(self, most: int) -> list[Arrived]:
        """What came back and was not stored yet.  Without a table `[mail]` nobody is asked; with one it is read whole,
        so that what is wrong with it is known before a letter is due."""
        return await self._ask("arrived", most, list[Arrived]) if "mail" in self._settings().documents else []

    async def kept(self, keys: Sequence[str]) -> None:
        await self._ask("kept", keys, type(None))

    async def read(self, message: bytes) -> list[Returned]:
        return await self._ask("read", message, list[Returned])

    async def left(self) -> Left:
        return await self._ask("left", None, Left)

    async def stored(self, message_ids: Sequence[str]) -> None:
        await self._ask("stored", message_ids, type(None))

    async def close(self) -> None:
        await self._worker.close()

    async def _ask(self, what: str, body: Any, kind: type[T]) -> T:
        settings = self._settings()
        config = Config(
            mail=dict(settings.documents.get("mail", {})),
            smtp_url=str(settings.smtp_url),
            folder=str(Path.cwd()),
            journal=str(settings.home / "post"),
        )
        return await self._worker.ask(what, (config, body), kind)
