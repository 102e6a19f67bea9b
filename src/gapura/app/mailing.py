"""The process of the keeper that makes letters and hands them over: `python -m gapura.app.mailing`.

It is asked over a pipe (`keeper/worker.py`), each time with the settings to do it with, so that it may be started anew
at any time.  What the relay was given and answered is in its journal until the keeper says that it is stored.
"""

import asyncio
import inspect
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gapura import letters, post
from gapura.app.mail import Config, Sent
from gapura.campaign.deliver import Draft, Left, Made
from gapura.clock import system_clock
from gapura.keeper import worker
from gapura.letters import address
from gapura.letters.compose import BadLetter
from gapura.post import maildir, returns
from gapura.post.journal import SUFFIX, Journal
from gapura.settings import BadSetting, Secret
from gapura.terms.letter import Arrived, Composed, Letter, Receipt, message_id

ROTATE = 2_000
"""Messages after which a journal of which everything is stored makes room for a new one."""


class Desk:
    """Everything that one set of settings needs.  Raises BadSetting."""

    def __init__(self, config: Config) -> None:
        documents = {"mail": config.mail} if config.mail else {}
        folder = Path(config.folder)
        if (found := letters.read(documents, folder)) is None:
            raise BadSetting('mail.from: nobody writes letters; say who does, as "Example <notices@example.com>"')
        self._sender, self._texts = found
        self._relay = post.read(documents, Secret(config.smtp_url), folder)
        self._returns = maildir.folder(documents, folder)
        self._folder = Path(config.journal)
        self._post: post.Post | None = None
        self._journal: Journal | None = None
        self._begun = 0
        self._open: set[str] = set()
        self._known: dict[str, Receipt] = {}
        self._found: dict[Path, set[str]] = {}

    def compose(self, draft: Draft) -> Made:
        """What it will be; an error where it cannot be sent at all."""
        letter = draft.letter
        try:
            to = address.plain(letter.to, wide=True)
            identity = message_id(
                self._sender.domain, letter.campaign, letter.account, letter.stage, to if draft.another else ""
            )
            made = self._composed(msgspec.structs.replace(letter, message_id=identity))
        except (letters.BadAddress, BadLetter) as error:
            return Made(error=str(error))
        return Made(message_id=identity, sha256=made.sha256)

    def show(self, letter: Letter) -> Composed:
        """For a person to look at.  Raises BadLetter, BadAddress."""
        return self._composed(letter)

    async def send(self, letter: Letter) -> Sent:
        if self._relay is None:
            return Sent(stopped="there is no relay; set GAPURA_SMTP_URL")
        composed = self._composed(letter)
        self._open.add(letter.message_id)
        self._begun += 1
        at_work = self._at_work(self._relay)
        try:
            receipt = await at_work.send(composed, address.plain(letter.to, wide=True))
        except post.Stopped as error:
            self._open.discard(letter.message_id)
            if self._post is at_work:
                self._post = None  # asked again later, it tries again
            await at_work.close()
            return Sent(stopped=str(error))
        self._known[letter.message_id] = receipt
        return Sent(receipt)

    def arrived(self, most: int) -> list[Arrived]:
        return list(maildir.waiting(self._returns, most)) if self._returns else []

    def kept(self, keys: list[str]) -> None:
        if self._returns:
            maildir.done(self._returns, keys)

    def left(self) -> Left:
        """What is known of messages that are not stored: by this process, and by those that are gone."""
        receipts = dict(self._known)
        own = {self._journal.path} if self._journal else set()
        gone = post.recover(self._folder)
        for one in gone:
            self._found[one.path] = {receipt.message_id for _, receipt in one.receipts}
            receipts |= {receipt.message_id: receipt for _, receipt in one.receipts}
        others = set(self._folder.glob(f"*{SUFFIX}")) - own - {one.path for one in gone}
        return Left(receipts, busy=bool(others) or bool(self._open - set(self._known)))

    async def stored(self, names: list[str]) -> None:
        """These are in the store: journals of which that is true of everything go."""
        for name in names:
            self._open.discard(name)
            self._known.pop(name, None)
        for path, waiting in list(self._found.items()):
            waiting.difference_update(names)
            if not waiting:
                path.unlink(missing_ok=True)
                del self._found[path]
        if self._begun >= ROTATE and not self._open:
            await self.close()

    async def close(self) -> None:
        """The journal stays if anything of it is not stored."""
        if self._post is not None:
            await self._post.close()
        if self._journal is not None:
            if self._open:
                self._journal.close()
            else:
                self._journal.drop()
        self._post, self._journal, self._begun = None, None, 0

    def _composed(self, letter: Letter) -> Composed:
        return letters.compose(letter, self._sender, self._texts)

    def _at_work(self, relay: post.Relay) -> post.Post:
        if self._journal is None:
            name = f"{system_clock()}-{os.getpid()}"
            self._journal = Journal.open(self._folder, name, system_clock)
        if self._post is None:
            self._post = post.Post(relay, self._journal, system_clock)
        return self._post


class Asked(msgspec.Struct, frozen=True, array_like=True):
    config: Config
    body: msgspec.Raw


class Desks:
    """One at a time; other settings close the former one."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._desk: Desk | None = None

    async def ask(self, raw: bytes, what: str) -> bytes:
        asked = msgspec.msgpack.decode(raw, type=Asked)
        if self._desk is None or asked.config != self._config:
            fresh = Desk(asked.config)
            if self._desk is not None:
                await self._desk.close()
            self._config, self._desk = asked.config, fresh
        return msgspec.msgpack.encode(await _done(self._desk, what, asked.body))

    async def close(self) -> None:
        if self._desk is not None:
            await self._desk.close()


TASKS: dict[str, tuple[Any, Callable[[Desk, Any], Any]]] = {
    "compose": (list[Draft], lambda desk, drafts: [desk.compose(draft) for draft in drafts]),
    "send": (Letter, Desk.send),
    "show": (Letter, Desk.show),
    "arrived": (int, Desk.arrived),
    "kept": (list[str], Desk.kept),
    "read": (bytes, lambda _, message: returns.read(message)),
    "left": (None, lambda desk, _: desk.left()),
    "stored": (list[str], Desk.stored),
}
"""By name: what each takes, and who does it."""


async def _done(desk: Desk, what: str, body: msgspec.Raw) -> Any:
    kind, does = TASKS[what]
    answer = does(desk, msgspec.msgpack.decode(body, type=kind))
    return await answer if inspect.isawaitable(answer) else answer


async def main() -> None:
    desks = Desks()
    await worker.serve({name: lambda raw, name=name: desks.ask(raw, name) for name in TASKS})  # type: ignore[misc]
    await desks.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
