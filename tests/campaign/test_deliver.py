"""What senders that are gone left behind: kept as long as somebody asks for it, and no longer."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.store.test_deliveries import sent

from gapura.app.mail import Config
from gapura.app.mailing import Desk
from gapura.campaign import deliver
from gapura.campaign.deliver import Draft, Left, Made
from gapura.post.journal import Journal
from gapura.store import accounts, campaigns, deliveries
from gapura.store.accounts import from_dicts
from gapura.store.base import Connection
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.campaign import Campaign
from gapura.terms.letter import Letter, Receipt


class Direct:
    """The desk without its process."""

    def __init__(self, folder: Path) -> None:
        self._desk = Desk(Config({"from": "a@b.example"}, "", str(folder), str(folder)))

    async def compose(self, drafts: Sequence[Draft]) -> list[Made]:
        raise NotImplementedError

    async def send(self, letter: Letter) -> Receipt:
        raise NotImplementedError

    async def left(self) -> Left:
        return self._desk.left()

    async def stored(self, message_ids: Sequence[str]) -> None:
        await self._desk.stored(list(message_ids))


async def journal(folder: Path, name: str, *ids: str) -> Path:
    """Of a process that died; the last message was not answered for."""
    made = Journal.open(folder, name, lambda: 1)
    for number, identity in enumerate(ids):
        made.reserve()
        await made.sending(identity, "a@b.example", "00")
        if number < len(ids) - 1:
            made.answered("a@b.example", Receipt(message_id=identity, outcome="delivered", at=1))
    made.close()
    return made.path


def test_journals_of_which_everything_is_stored_go(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "gapura.db")) as store:
        asyncio.run(story(store, tmp_path))


async def story(store: Store, folder: Path) -> None:
    def begin(db: Connection) -> str:
        (made,) = accounts.upsert(db, None, from_dicts([{"external_id": "a"}]), 1).created
        kept = campaigns.write(db, Campaign(name="c", policy="p", effective_at=9), By("p", "", 1))
        sent(db, kept.id, made.id, ["T-14", "T-7"])
        return made.id

    account = store.write(begin).result()
    delivered, deferred = store.read(lambda db: deliveries.of_account(db, account))
    sending = store.write(lambda db: deliveries.move(db, deferred, "send", 5)).result()

    stored = await journal(folder, "1-1", "<test@letter>", delivered.message_id)
    asked = await journal(folder, "2-1", delivered.message_id, sending.message_id)
    sender = Direct(folder)
    await deliver.sweep(store, sender)
    assert not stored.exists() and asked.exists(), "of the other, one row still asks"
    store.write(lambda db: deliveries.move(db, sending, "deliver", 6)).result()
    await deliver.sweep(store, sender)
    assert not asked.exists()
