"""A file or a folder of place data, made ready to be sent, and what vouches for it."""

import hashlib
import io
import tarfile
from pathlib import Path

from gapura.cli import ending
from gapura.cli.ending import Failed
from gapura.cli.output import Output

SUMS = ("SHA256SUMS", "sha256sums.txt")


def handed(path: Path, sha256: str, out: Output) -> tuple[bytes, str]:
    """The body to send, and its hash where somebody vouched for it.  Raises Failed where the hash is another one.

    A folder is sent as an archive; of its files a `SHA256SUMS` in it vouches.
    """
    if path.is_dir():
        if sha256:
            raise Failed(
                "--sha256 is of one file; put a SHA256SUMS into the folder", exit_code=ending.USAGE, code="usage"
            )
        return _folder(path, out), ""
    body = path.read_bytes()
    beside = path.with_name(f"{path.name}.sha256")
    if not sha256 and beside.is_file():
        sha256 = _sums(beside).get(path.name, "")
        if not sha256:
            raise Failed(f"{beside} says nothing of {path.name}", field="sha256")
    if not sha256:
        out.warn("no hash was given: that nothing was changed on the way rests on the format alone")
    else:
        _same(path.name, body, sha256)
    return body, sha256


def _folder(path: Path, out: Output) -> bytes:
    files = {file.name: file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()}
    sums = next((path / name for name in SUMS if name in files), None)
    if sums is not None:
        for name, digest in _sums(sums).items():
            if name in files:
                _same(name, files[name], digest)
    elif "meta.json" not in files:
        out.warn("no SHA256SUMS is there: that nothing was changed on the way rests on the format alone")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _sums(path: Path) -> dict[str, str]:
    """Name → hash, of a file as `sha256sum` writes it; a hash alone is that of the file beside."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        digest, _, name = line.strip().partition(" ")
        if digest:
            found[name.strip().lstrip("*") or path.name.removesuffix(".sha256")] = digest
    return found


def _same(name: str, data: bytes, sha256: str) -> None:
    if (found := hashlib.sha256(data).hexdigest()) != sha256.lower():
        raise Failed(
            f"{name} has the SHA-256 {found}, and should have {sha256.lower()}; it is damaged, or another one",
            code="wrong_hash",
            field="sha256",
        )
