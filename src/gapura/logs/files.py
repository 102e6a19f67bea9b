"""Which files are meant, and how each is packed: by its first bytes, never by its name."""

import glob
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from gapura.errors import BadRequest
from gapura.logs import zstd

Packing = Literal["none", "gzip", "zstd", "parquet"]

STDIN = "-"
_MAGIC: dict[bytes, Packing] = {b"\x1f\x8b": "gzip", zstd.MAGIC: "zstd", b"PAR1": "parquet"}
_CHUNK = 1 << 20


class Log(msgspec.Struct, frozen=True):
    """`shown` is what the caller called it; `broken` says why it cannot be read, as far as can be told beforehand."""

    path: Path
    shown: str
    packing: Packing
    broken: str = ""


def found(names: Iterable[str], folder: Path, stdin: BinaryIO) -> Iterator[Log]:
    """The files of all names and patterns, in their order, each once.  `-` is `stdin`, which goes into `folder`
    first.  Raises BadRequest where a name stands for nothing."""
    known: set[Path] = set()
    for name in names:
        if name == STDIN:
            yield _packed(_spooled(stdin, folder), "standard input")
            continue
        # A file that is called like a pattern is meant itself.
        paths = [name] if Path(name).exists() else sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - as typed
        files = [Path(path) for path in paths if not Path(path).is_dir()]
        if not files:
            what = "is a folder; name its files, as logs/*.gz" if Path(name).is_dir() else "there is no such file"
            raise BadRequest(f"{name}: {what}", param="logs")
        for path in files:
            if path.resolve() not in known:
                known.add(path.resolve())
                yield _packed(path, str(path))


def _packed(path: Path, shown: str) -> Log:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        packing: Packing = next((packing for magic, packing in _MAGIC.items() if start.startswith(magic)), "none")
        whole = packing != "zstd" or zstd.is_whole(path)
    except OSError as error:
        return Log(path, shown, "none", error.strerror or str(error))
    return Log(path, shown, packing, "" if whole else "it breaks off in the middle of a zstd frame")


def _spooled(stdin: BinaryIO, folder: Path) -> Path:
    """What comes only once, where it can be looked at twice."""
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(stdin, file, _CHUNK)
    return path
