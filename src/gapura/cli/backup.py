"""The whole store out into one file, and in again."""

import os
from pathlib import Path
from typing import Any

import click

from gapura.cli.account import confirmed
from gapura.cli.client import Api, speaks
from gapura.cli.ending import Failed
from gapura.cli.output import Output, pairs
from gapura.settings import Settings


@click.command(short_help="Write the whole store into one file.")
@click.argument("file", type=click.Path(path_type=Path))
@speaks("backup")
def backup(api: Api, out: Output, file: Path) -> None:
    """Write the store into FILE (0600), whole or not at all, while the gateway runs.

    The home's secret is not in it, on purpose: without that secret no key in the backup works.  Keep it elsewhere.
    """
    if file.exists():
        raise Failed(f"{file} exists; name another file", code="conflict")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    size = 0
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            for piece in api.chunks("POST", "/backup"):
                size += target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    done = {"file": str(file), "bytes": size}
    out.say(done, lambda: pairs(done))


@click.command(short_help="Put a backup in the place of the store.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--home", type=click.Path(path_type=Path), help="Folder of the state, instead of GAPURA_HOME.")
@click.option(
    "--confirm", metavar="FILE", help="The file's name again: does it.  Without: only says what would happen."
)
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
def restore(file: Path, home: Path | None, confirm: str | None, as_json: bool) -> None:  # noqa: FBT001 - an option
    """Put FILE, written by `gapura backup`, in the place of the store; the gateway must be stopped.

    The former database is kept beside it, as gapura.db.old.
    """
    from gapura.store import backup as store  # noqa: PLC0415 - loads SQLite

    out = Output("restore", as_json=as_json)
    settings = Settings.load(os.environ, flags={"home": home})
    given = confirmed(confirm, file.name, "restore")
    target = settings.database_path
    done: dict[str, Any] = {"file": str(file), "database": str(target), "replaced": target.exists(), "done": given}
    if given:
        store.restore(file, settings.home, database=target, force=True)
    else:
        out.warn(f"nothing was changed; add --confirm {file.name} to do it")
    out.say(done, lambda: pairs(done))
