"""The user's own `.mmdb` files as sources: MaxMind, DB-IP, IPinfo, and whoever writes their layouts.

Such files are mapped into memory and shared by all gates.  Which field tells what is data (`data/layouts.toml`).
"""

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Any

from gapura.atlas.base import NOTHING, STRENGTH, Found
from gapura.extras import install
from gapura.terms.place import Network

if TYPE_CHECKING:
    from maxminddb import Reader

_LAYOUTS: dict[str, Any] = tomllib.loads((files(__package__) / "data/layouts.toml").read_text("utf-8"))
_TERRITORY: list[list[str]] = _LAYOUTS["territory"]["paths"]
_SUBDIVISION: list[list[str]] = _LAYOUTS["subdivision"]["paths"]

Telling = tuple[Sequence[str], str, Network]
"""Path, the word that must stand there ("": a flag), and what it tells."""

# The strongest first, so that the first that holds decides.
_TELLING: list[Telling] = sorted(
    (
        (one["path"], one.get("word", ""), one["kind"])
        for one in (*_LAYOUTS["network"]["flags"], *_LAYOUTS["network"]["words"])
    ),
    key=lambda one: STRENGTH[one[2]],
)

_DAMAGED = Found("??")  # a pseudo-code: not sure, rather than unknown
_CODE = 2  # letters; a longer text is a name
_SAMPLE = 1000


class Mmdb:
    """`name` under which it answers, `as_of` the day on which it was built, `title` what it says it is."""

    def __init__(self, reader: "Reader", name: str, digest: str) -> None:
        from maxminddb import InvalidDatabaseError  # noqa: PLC0415 - an extra, and only where a file is configured

        self._reader, self._trouble = reader, InvalidDatabaseError
        metadata = reader.metadata()
        self.name, self.digest, self.title = name, digest, metadata.database_type
        self.as_of = datetime.fromtimestamp(metadata.build_epoch, UTC).date().isoformat()

    def find(self, packed: bytes) -> Found:
        address = inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)  # noqa: PLR2004 - IPv4
        try:
            record = self._reader.get(address)
        except self._trouble:
            return _DAMAGED
        except ValueError:  # IPv6, of a file that has IPv4 alone
            return NOTHING
        return told(record)

    def rows(self) -> Iterator[tuple[str, Found]]:
        """Every network of the file (CIDR), with what it says."""
        for network, record in self._reader:
            yield str(network), told(record)


def open_file(path: Path, name: str = "") -> Mmdb:
    """Raises ModuleNotFoundError where the extra is missing, OSError, and ValueError for what is no such file, or for
    one that says nothing about places or networks."""
    try:
        import maxminddb  # noqa: PLC0415 - an extra, and only where a file is configured
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"files of .mmdb need one more package: {install('mmdb')}") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        source = Mmdb(maxminddb.open_database(path), name or path.stem, digest)
        speaks = any(found != NOTHING for _, found in islice(source.rows(), _SAMPLE))
    except maxminddb.InvalidDatabaseError as error:
        raise ValueError(f"{path} is no .mmdb file, or a damaged one: {error}") from None
    if not speaks:
        raise ValueError(
            f"{path} ({source.title}) tells neither places nor kinds of network; a file of countries or cities does"
        )
    return source


def told(record: object) -> Found:
    """What a record says, in any of the layouts."""
    if not isinstance(record, dict):
        return NOTHING
    code = next((text for path in _TERRITORY if len(text := _text(record, path)) == _CODE), "")
    part = next((text for path in _SUBDIVISION if (text := _text(record, path))), "") if code else ""
    return Found(code, f"{code}-{part}" if part else "", _network(record))


def _network(record: dict[str, Any]) -> Network:
    for path, word, kind in _TELLING:
        there = _at(record, path)
        if there is not None and (there == word if word else there in (True, "true")):
            return kind
    return ""


def _text(record: dict[str, Any], path: Sequence[str]) -> str:
    there = _at(record, path)
    return there if isinstance(there, str) else ""


def _at(record: Any, path: Sequence[str]) -> Any:
    for key in path:
        if isinstance(record, dict):
            record = record.get(key)
        elif isinstance(record, list) and key.isdecimal() and int(key) < len(record):
            record = record[int(key)]
        else:
            return None
    return record
