"""The home's secret: what is hashed or signed in the database is worthless without it, and it lies outside.

It is `GAPURA_SECRET` where that is set, else the file `secret` in the home.  Nothing uses it as it is: each purpose
has a key of its own, HMAC-SHA256 of the secret and a label.
"""

import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from gapura.errors import BadRequest
from gapura.store.base import StoreFailed

SHORTEST = 32


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
