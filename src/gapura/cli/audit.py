"""Who changed what, and files that prove it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from gapura.cli import ending
from gapura.cli.account import organisation
from gapura.cli.client import Api, account_id, may_speak, speaks
from gapura.cli.ending import Failed
from gapura.cli.output import Output, pairs, table

COLUMNS = ("seq", "at", "actor", "action", "subject", "reason")
Connect = Callable[[], AbstractContextManager[Api]]
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(short_help="Who changed what, whether anybody altered that, and proof of it.")
def audit() -> None:
    """Each change, who made it and why, in a chain that nobody can alter unseen."""


@audit.command("list")
@click.option("--after", type=int, default=0, help="Only entries behind this number.")
@speaks("audit.list")
def list_(api: Api, out: Output, after: int) -> None:
    """Entries, oldest first."""
    found = list(api.every("/audit", after=after))
    out.say(found, lambda: table(found, COLUMNS))


@audit.command()
@click.option("--file", type=FILE, help="An export: check it alone, without any gateway.")
@click.option("--evidence", type=FILE, help="An account's evidence (JSON): check it, in the export where one is given.")
@click.option("--expect", default="", metavar="HASH", help="What the last entry's hash was said to be.")
@may_speak("audit.verify")
def verify(connect: Connect, out: Output, file: Path | None, evidence: Path | None, expect: str) -> int:
    """Read the whole chain, of this gateway or of files.  Exit code 3 where it is broken."""
    if file or evidence:
        found = _of_files(file, evidence)
    else:
        with connect() as api:
            found = api.get("/audit/verify")
        problem = found["problem"]
        found["faults"] = [f"entry {problem['seq']} {problem['what']}"] if problem else []
    if expect and found["hash"].lower() != expect.lower():
        found["faults"].append(f"the last entry's hash is {found['hash']}, and not {expect}")
        found["sound"] = False
    out.say(found, lambda: _told(found))
    return ending.OK if found["sound"] else ending.NO


@audit.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Into this file; without: printed.")
@click.option("--after", type=int, default=0, help="Only entries behind this number.")
@speaks("audit.export")
def export(api: Api, out: Output, output: Path | None, after: int) -> None:
    """All entries as JSON lines, which anybody can verify without this program."""
    pieces = api.chunks("GET", "/audit/export", after=after)
    if output is None:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return
    written = _write(output, pieces)
    done = {"file": str(output), "bytes": written}
    out.say(done, lambda: pairs(done))


@audit.command()
@click.argument("account")
@organisation
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="FILE.json and FILE.html are written."
)
@speaks("audit.evidence")
def evidence(api: Api, out: Output, account: str, organisation: str, output: Path) -> None:
    """Everything about one account that may have to be shown: for programs, and for people to read and print."""
    import msgspec  # noqa: PLC0415 - heavy, as what follows, and of this command alone

    from gapura.console import dossiers  # noqa: PLC0415
    from gapura.store.dossier import Dossier  # noqa: PLC0415

    raw = b"".join(api.chunks("GET", f"/accounts/{account_id(api, account, organisation)}/evidence"))
    page = dossiers.page(msgspec.json.decode(raw, type=Dossier))
    stem = output.with_suffix("") if output.suffix in {".json", ".html"} else output
    done: dict[str, Any] = {}
    for kind, whole in (("json", raw), ("html", page.encode())):
        name = stem.with_name(f"{stem.name}.{kind}")
        _write(name, iter([whole]))
        done[kind] = str(name)
    out.say(done, lambda: pairs(done))


def _of_files(file: Path | None, evidence: Path | None) -> dict[str, Any]:
    """As the keeper answers, by what is in the files alone."""
    import msgspec  # noqa: PLC0415 - only where a file is looked at, as what follows

    from gapura.store import chain, dossier  # noqa: PLC0415

    faults, seq, digest = [], 0, ""
    lines = file.read_bytes().splitlines(keepends=True) if file else None
    try:
        if lines is not None:
            close = chain.verify(lines)
            seq, digest = close.seq, close.hash
        if evidence is not None:
            found = msgspec.json.decode(evidence.read_bytes(), type=dossier.Dossier)
            faults += dossier.faults(found, lines)
            seq, digest = seq or found.seq, digest or found.hash
    except (chain.Broken, msgspec.MsgspecError) as error:
        faults.append(str(error))
    return {"sound": not faults, "faults": faults, "seq": seq, "hash": digest}


def _told(found: dict[str, Any]) -> str:
    told = "\n".join(found["faults"]) or "every entry is as it was written"
    return f"{told}\n" + pairs({"last entry": found["seq"], "hash": found["hash"]})


def _write(path: Path, pieces: Iterator[bytes]) -> int:
    """Readable by its owner alone: it names people.  One that is there is not written over."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            return sum(map(file.write, pieces))
    except FileExistsError:
        raise Failed(f"{path} exists; name another file", code="conflict") from None
