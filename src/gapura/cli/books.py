"""The ledger's books, read by the command itself: what takes long does not go through the keeper."""

import os
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TypeVar

import apsw

from gapura.logs import ledger as files
from gapura.settings import Settings
from gapura.store import ledger, secrets, sqlite, steps
from gapura.store.ledger import Books, chain
from gapura.store.ledger.closing import Month
from gapura.store.ledger.shared import Shared
from gapura.store.secrets import Secret

T = TypeVar("T")


def verify(home: Path | None, archive: Path | None, step: Callable[[str], None], progress: chain.Progress) -> list[str]:
    """What is wrong, in words; `archive` is a folder of files whose transfers are read, too.  Raises StoreFailed."""

    def work(db: Books, secret: Secret) -> list[str]:
        step("adding up balances")
        problems = [*ledger.verify(db), *ledger.closings(db, secret)]
        step("reading the chain")
        with files.reader(archive) if archive else nullcontext() as lines:
            fault = chain.verify(db, secret, lines, progress)
        return [*problems, f"block {fault.block} of the chain {fault.what}"] if fault else problems

    return _reading(home, work)


def archive(home: Path | None, month: str, folder: Path) -> tuple[Month, Path]:
    """Writes a closed month's file; see `gapura.logs.ledger.write`."""
    return _reading(home, lambda db, _: files.write(db, month, folder))


def _reading(home: Path | None, work: Callable[[Books, Secret], T]) -> T:
    """On one state, while a keeper goes on with its work."""
    settings = Settings.load(os.environ, flags={"home": home})
    secret = secrets.load(settings.home, settings.secret)
    if settings.ledger_url:
        shared = Shared(settings.ledger_url, secret)
        try:
            return shared.read(lambda db: work(db, secret))
        finally:
            shared.close()
    path = settings.database_path
    with sqlite.border(path), closing(sqlite.connect(path, apsw.SQLITE_OPEN_READONLY)) as db:
        steps.refuse_newer(db)
        db.execute("BEGIN")
        return work(db, secret)
