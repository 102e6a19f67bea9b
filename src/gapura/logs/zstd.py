"""Whether a zstd file ends where it should: DuckDB reads one that was cut off as if that were its end.

Frames and blocks tell their lengths (RFC 8878, 3.1), so nothing is decompressed and next to nothing is read.
"""

from io import SEEK_CUR, SEEK_END
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = 0x184D2A5  # without its last four bits
_RLE = 1
_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_BYTES = (0, 2, 4, 8)


def is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, SEEK_END)
        file.seek(0)
        try:
            while file.tell() < size:
                _pass_frame(file)
        except EOFError:
            return False
        return file.tell() == size


def _pass_frame(file: BinaryIO) -> None:
    magic = _take(file, 4)
    if int.from_bytes(magic, "little") >> 4 == _SKIPPABLE:
        file.seek(int.from_bytes(_take(file, 4), "little"), SEEK_CUR)
        return
    if magic != MAGIC:
        raise EOFError
    described = _take(file, 1)[0]
    single, checked = described >> 5 & 1, described >> 2 & 1
    content = _CONTENT_BYTES[described >> 6] or single
    file.seek((not single) + _DICTIONARY_BYTES[described & 3] + content, SEEK_CUR)
    last = 0
    while not last:
        block = int.from_bytes(_take(file, 3), "little")
        last, kind, length = block & 1, block >> 1 & 3, block >> 3
        file.seek(1 if kind == _RLE else length, SEEK_CUR)
    file.seek(4 * checked, SEEK_CUR)


def _take(file: BinaryIO, count: int) -> bytes:
    taken = file.read(count)
    if len(taken) < count:
        raise EOFError
    return taken
