"""The whole store as one file, taken under writes."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from starlette.responses import StreamingResponse

from gapura.console.operations import Call, Intent, Operation
from gapura.store import backup
from gapura.store.base import Connection
from gapura.store.sqlite import Store

MEDIA = "application/vnd.sqlite3"
CHUNK = 256 * 1024


async def take(call: Call) -> StreamingResponse:
    """A backup of the store, for `gapura restore`.  The home's secret is not in it: keep that elsewhere."""
    await call.change(Intent("backup", "store"), _nothing, str)
    copy = await asyncio.to_thread(_copied, call.context.store)
    return StreamingResponse(_pieces(copy), media_type=MEDIA, headers={"content-length": str(_size(copy))})


def sweep(folder: Path) -> None:
    """Removes what a process that was killed left of a backup."""
    for draft in folder.glob(".backup-*"):
        draft.unlink(missing_ok=True)


def _copied(store: Store) -> BinaryIO:
    """The copy, already without a name: however this request ends, nothing is left on the disk."""
    draft = store.path.parent / f".backup-{secrets.token_hex(8)}"
    try:
        backup.backup(store, draft)
        return draft.open("rb")
    finally:
        draft.unlink(missing_ok=True)


async def _pieces(copy: BinaryIO) -> AsyncIterator[bytes]:
    with copy:
        while piece := await asyncio.to_thread(copy.read, CHUNK):
            yield piece


def _size(copy: BinaryIO) -> int:
    return os.fstat(copy.fileno()).st_size


def _nothing(_: Connection) -> str:
    return ""


OPERATIONS = (Operation("POST", "/backup", ("backup",), take, media=MEDIA),)
