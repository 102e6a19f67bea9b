"""The home's secret: what is hashed or signed in the database is worthless without it, and it lies outside.

It is `GAPURA_SECRET` where that is set, else the file `secret` in the home.  Nothing uses it as it is: each purpose
has a key of its own, HMAC-SHA256 of the secret and a label.
"""

import hmac
import os
import secrets
import stat
import string
import zlib
from contextlib import suppress
from pathlib import Path

from gapura.errors import BadRequest
from gapura.store.base import StoreFailed

SHORTEST = 32
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Secret:
    """`pepper_id` names the secret without telling it; it stands beside each hash."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self.pepper = self.derive("pepper")
        self.pepper_id = self.derive("pepper-id").hex()[:12]

    def __repr__(self) -> str:
        return f"Secret({self.pepper_id})"

    def derive(self, label: str) -> bytes:
        """32 bytes for one purpose."""
        return hmac.digest(self._root, f"gapura/1/{label}".encode(), "sha256")

    def digest(self, token: str) -> bytes:
        """The keyed hash under which an API key or a token is stored and found."""
        return hmac.digest(self.pepper, token.encode(), "sha256")


def load(home: Path, given: str = "") -> Secret:
    """`given` is GAPURA_SECRET.  Raises BadRequest where that is too short, StoreFailed on an unusable file."""
    if given:
        return Secret(strong(given, "GAPURA_SECRET").encode())
    path = home / "secret"
    try:
        with suppress(FileExistsError):
            if not path.exists():
                _create(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreFailed(f"{path} can be read by others; run: chmod 600 {path}")
        text = path.read_text().strip()
    except OSError as error:
        raise StoreFailed(f"cannot use {path}: {error.strerror}") from error
    if len(text) < SHORTEST:
        raise StoreFailed(f"{path} is damaged: it has {len(text)} characters, at least {SHORTEST} are needed")
    return Secret(text.encode())


def strong(value: str, name: str) -> str:
    """`value` as it is, if nobody can guess it.  `name` is the setting that it came from."""
    if len(value) < SHORTEST or len(set(value)) < SHORTEST // 4:
        raise BadRequest(
            f"{name} must have at least {SHORTEST} random characters; make one with: openssl rand -hex 32", param=name
        )
    return value


def draw(prefix: str) -> str:
    """A new token: the prefix, 256 random bits in base 62, and 6 characters that tell a typing error."""
    body = prefix + _base62(secrets.randbits(256), 43)
    return body + _checksum(body)


def is_drawn(token: str, prefix: str) -> bool:
    """Whether `token` is one of `draw(prefix)`, by its form.

    >>> is_drawn(draw("sk-gp-"), "sk-gp-"), is_drawn("sk-gp-" + "x" * 49, "sk-gp-")
    (True, False)
    """
    return token.startswith(prefix) and len(token) == len(prefix) + 49 and token[-6:] == _checksum(token[:-6])


def public(token: str, prefix: str) -> str:
    """The start that people recognise a token by: 12 characters, fewer of one that we did not draw, since nobody
    knows how random that is."""
    return token[:12] if is_drawn(token, prefix) else token[:6]


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), 6)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _create(path: Path) -> None:
    """Whole or not at all, and never in place of another: the name is linked only once the bytes are on disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".secret-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
