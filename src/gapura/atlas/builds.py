"""Which build of place data a home has in force, and which it had before.

    <home>/atlas/in-force.json          which of the builds below hold: replaced whole, so a switch is one rename
    <home>/atlas/builds/<digest>/       a build that was checked, never changed: ranges.xz and meta.json, or one .mmdb

Without a build of its own a home has the data that somebody put straight into `<home>/atlas`, else those of the
package gapura-atlas.  A .mmdb here stands for the configured one of the same name.
"""

import os
import shutil
import tempfile
from pathlib import Path

import msgspec

POINTER = "in-force.json"
DRAFT = ".draft-"


class InForce(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Folders below `builds`: `build` "": none of our own; `files`: by the name of the .mmdb that they stand for."""

    build: str = ""
    files: dict[str, str] = {}


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`former` None: there is nothing to go back to."""

    now: InForce = InForce()
    former: InForce | None = None


def pointer(home: Path) -> Pointer:
    """Raises ValueError where the file is damaged."""
    path = home / "atlas" / POINTER
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pointer)
    except FileNotFoundError:
        return Pointer()
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it, and the package's data hold") from None


def folder(home: Path, now: InForce) -> Path | None:
    """Where the packed ranges of a home are; None: those of the package hold."""
    if now.build:
        return home / "atlas" / "builds" / now.build
    plain = home / "atlas"
    return plain if (plain / "meta.json").is_file() else None


def chosen(home: Path, now: InForce, configured: Path) -> Path:
    """The file that is read in the place of a configured .mmdb: itself, unless an update replaced it."""
    build = now.files.get(configured.name)
    return home / "atlas" / "builds" / build / configured.name if build else configured


def draft(home: Path) -> Path:
    """A new folder beside the builds, for what is not checked yet."""
    (home / "atlas").mkdir(mode=0o700, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=DRAFT, dir=home / "atlas"))


def keep(home: Path, made: Path, digest: str) -> str:
    """A draft becomes a build, on the disk's platter; its name.  One with the same digest is the same build."""
    target = home / "atlas" / "builds" / digest[:16]
    target.parent.mkdir(mode=0o700, exist_ok=True)
    for file in (*made.iterdir(), made):
        _sync(file)
    if target.is_dir():
        shutil.rmtree(made)
    else:
        made.rename(target)
    _sync(target.parent)
    return target.name


def switch(home: Path, to: Pointer) -> None:
    """In one step: whoever reads before it has the former data whole, whoever reads after it the new."""
    path = home / "atlas" / POINTER
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write(path, msgspec.json.encode(to))


def write(path: Path, data: bytes) -> None:
    """The file whole or not at all, also when the power goes; 0600."""
    number, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def drop(home: Path, build: str) -> None:
    """Removes a build that neither holds nor can be gone back to."""
    if build not in _kept(home):
        shutil.rmtree(home / "atlas" / "builds" / build, ignore_errors=True)


def sweep(home: Path) -> None:
    """Removes drafts that were left, and builds that neither hold nor can be gone back to.  For whoever alone writes
    in this home."""
    kept = _kept(home)
    for left in (home / "atlas").glob(f"{DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)
    for build in (home / "atlas" / "builds").glob("*"):
        if build.name not in kept:
            shutil.rmtree(build, ignore_errors=True)


def _kept(home: Path) -> set[str]:
    at = pointer(home)
    return {name for one in (at.now, at.former) if one for name in (one.build, *one.files.values())}


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
