"""The whole store as one file, taken under writes."""

import asyncio
import secrets
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from gapura.console.operations import Call, Intent, Operation
from gapura.store import backup
from gapura.store.base import Connection


async def take(call: Call) -> FileResponse:
    """A backup of the store, for `gapura restore`.  The home's secret is not in it: keep that elsewhere."""
    store = call.context.store
    draft = store.path.parent / f".backup-{secrets.token_hex(8)}"
    await call.change(Intent("backup", "store"), _nothing, str)
    await asyncio.to_thread(backup.backup, store, draft)
    return FileResponse(
        draft,
        media_type="application/vnd.sqlite3",
        filename="gapura.db",
        background=BackgroundTask(draft.unlink, missing_ok=True),
    )


def sweep(home: Path) -> None:
    """Removes what a process that was killed left of a backup."""
    for draft in home.glob(".backup-*"):
        draft.unlink(missing_ok=True)


def _nothing(_: Connection) -> str:
    return ""


OPERATIONS = (Operation("POST", "/backup", ("backup",), take, media="application/vnd.sqlite3"),)
