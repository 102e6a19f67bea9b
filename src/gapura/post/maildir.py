"""Returned mail from a maildir, the folder into which a mail server delivers: `[mail.returns]` of gapura.toml.

A message is taken from `new`, and moved to `cur` once what it says is stored.  Whoever dies in between finds it in
`new` again: its key is the same, so that it can be stored once.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gapura.post.fields import MOST
from gapura.post.returns import read
from gapura.settings import BadSetting
from gapura.terms.letter import Arrived

NEW, CURRENT = "new", "cur"
SEEN = ":2,S"


def folder(documents: Mapping[str, Any], base: Path) -> Path | None:
    """Where returned mail arrives; None where it is not said.  Raises BadSetting."""
    mail = documents.get("mail", {})
    table = mail.get("returns", {}) if isinstance(mail, Mapping) else {}
    if not isinstance(table, Mapping):
        raise BadSetting("mail.returns: expected a table")
    for name in table:
        if name != "maildir":
            raise BadSetting(f"mail.returns.{name}: there is no such field (did you mean maildir?)")
    named = table.get("maildir", "")
    if not isinstance(named, str):
        raise BadSetting("mail.returns.maildir: expected the name of a folder")
    if not named:
        return None
    place = base / named
    for part in (NEW, CURRENT):
        if not (place / part).is_dir():
            raise BadSetting(f"mail.returns.maildir: {place} is no maildir: it has no folder {part}")
    return place


def waiting(place: Path, most: int = 1_000) -> Iterator[Arrived]:
    """What has arrived and was not stored yet, oldest first, at most so many.  What cannot be read is left there."""
    paths = sorted(path for path in (place / NEW).iterdir() if not path.name.startswith("."))
    for path in paths[:most]:
        try:
            with path.open("rb") as file:
                raw = file.read(MOST)
        except OSError:
            continue
        yield Arrived(path.name.partition(":")[0], read(raw))


def done(place: Path, keys: Iterable[str]) -> None:
    """What these say is stored: they go to `cur`."""
    wanted = set(keys)
    for path in (place / NEW).iterdir():
        if (key := path.name.partition(":")[0]) in wanted:
            path.rename(place / CURRENT / f"{key}{SEEN}")
