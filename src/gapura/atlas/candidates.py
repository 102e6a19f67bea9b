"""New place data that somebody hands over: read and checked, before anything holds.

Taken are a folder or an archive (tar) with what `packages/gapura-atlas/build_data.py` makes (`meta.json`,
`ranges.xz`) or with Debian's texts (`geoip`, `geoip6`), and a single `.mmdb`.  What comes out is a draft: a folder
with files that can be put in force as they are.
"""

import hashlib
import lzma
import tarfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path, PurePosixPath

import msgspec

from gapura.atlas import mmdb, packing
from gapura.atlas.ranges import Ranges
from gapura.atlas.sources import FORMAT, Meta

BUILD = ("meta.json", "ranges.xz")
KNOWN = (*BUILD, *packing.TEXTS)

# The largest of these files is a text of 16 MB; packed ranges unfold to some 5 MB.
LARGEST = 256 << 20
MMDB = b"\xab\xcd\xefMaxMind.com"
MMDB_TAIL = 128 << 10
# Of a file of cities, which has millions, the first will do: the comparison looks into all of it.
READ = 500_000


# What files that somebody hands over may raise.
TROUBLE = (ValueError, OSError, EOFError, tarfile.TarError, lzma.LZMAError, msgspec.MsgspecError)


class BadData(ValueError):
    """What was handed over cannot be place data, or is damaged."""


class Candidate(msgspec.Struct, frozen=True):
    """A draft in `folder`.  `replaces`: the name of the .mmdb that it stands for, "" for the packed ranges.
    `digest` is over what is looked up in."""

    folder: Path
    digest: str
    source: str
    as_of: str
    title: str
    licence: str
    replaces: str = ""


def read(upload: Path, name: str, into: Path) -> Candidate:
    """`upload` is the file, under the name that the operator knows it by; the draft goes `into` an empty folder.

    Raises BadData, and ModuleNotFoundError where an .mmdb comes and its extra is missing.
    """
    if name.endswith(".mmdb") or _is_mmdb(upload):
        return _mmdb(upload, PurePosixPath(name).name, into)
    try:
        return _ranges(_unpacked(upload), into)
    except TROUBLE as error:
        raise BadData(f"{name}: {error}") from None


def examine(folder: Path) -> Meta:
    """Reads and hashes packed ranges anew, whatever is remembered of them.  Raises BadData."""
    try:
        return _checked({name: (folder / name).read_bytes() for name in BUILD})
    except TROUBLE as error:
        raise BadData(f"{folder}: {error}") from None


def walk(source: mmdb.Mmdb) -> None:
    """Reads the records.  Raises ValueError or RuntimeError where one cannot be read."""
    for _ in islice(source.rows(), READ):
        pass


def _mmdb(upload: Path, name: str, into: Path) -> Candidate:
    path = into / name
    path.write_bytes(upload.read_bytes())
    try:
        source = mmdb.open_file(path)
        walk(source)
    except (ValueError, OSError, RuntimeError) as error:
        raise BadData(str(error).replace(str(path), name)) from None
    return Candidate(into, source.digest, source.name, source.as_of, source.title, "", replaces=name)


def _ranges(files: Mapping[str, bytes], into: Path) -> Candidate:
    if "ranges.xz" in files or "meta.json" in files:
        meta = _checked(files)
        packed, described = files["ranges.xz"], files["meta.json"]
    elif any(name in files for name in packing.TEXTS):
        _, packed, meta = packing.pack(files)
        described = msgspec.json.format(msgspec.json.encode(meta), indent=2) + b"\n"
    else:
        raise ValueError(f"holds none of {', '.join(KNOWN)}, and is no .mmdb")
    (into / "ranges.xz").write_bytes(packed)
    (into / "meta.json").write_bytes(described)
    return _candidate(into, meta)


def _checked(files: Mapping[str, bytes]) -> Meta:
    if missing := [name for name in BUILD if name not in files]:
        raise ValueError(f"{', '.join(missing)} is missing")
    meta = msgspec.json.decode(files["meta.json"], type=Meta)
    if meta.format != FORMAT:
        raise ValueError(f"is of format {meta.format}, and this release reads {FORMAT}")
    for name, data in files.items():
        if name in meta.sha256 and hashlib.sha256(data).hexdigest() != meta.sha256[name]:
            raise ValueError(f"{name} is not the file that meta.json describes")
    if "ranges.xz" not in meta.sha256:
        raise ValueError("meta.json has no hash of ranges.xz")
    made = Ranges.parse(lzma.LZMADecompressor().decompress(files["ranges.xz"], LARGEST))
    if not any(made.columns().names):
        raise ValueError("ranges.xz knows no place at all")
    return meta


def _candidate(folder: Path, meta: Meta) -> Candidate:
    return Candidate(folder, meta.sha256["ranges.xz"], meta.source, meta.as_of, meta.title, meta.licence)


def _unpacked(upload: Path) -> dict[str, bytes]:
    """The known files of an archive, wherever they are in it; nothing is written, links are not followed."""
    found: dict[str, bytes] = {}
    with tarfile.open(upload) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if not member.isreg() or name not in KNOWN:
                continue
            if name in found:
                raise ValueError(f"{name} is in it twice")
            if member.size > LARGEST or (file := archive.extractfile(member)) is None:
                raise ValueError(f"{name} has more than {LARGEST >> 20} MiB")
            found[name] = file.read()
    return found


def _is_mmdb(upload: Path) -> bool:
    with upload.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MMDB_TAIL))
        return MMDB in file.read()
