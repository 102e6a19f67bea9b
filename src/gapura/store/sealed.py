"""What is kept and must not be read by whoever finds the file: packed, then sealed (AES-256-GCM) with a key of the
home's secret.  It opens only for what it was sealed for, so that nothing can be put in another's place."""

import os
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gapura.store.base import StoreFailed
from gapura.store.secrets import Secret

NONCE = 12


def seal(secret: Secret, label: str, about: str, data: bytes) -> bytes:
    """`label` names the purpose, `about` is the id of what it belongs to."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(secret.derive(f"sealed/{label}")).encrypt(nonce, zlib.compress(data), about.encode())


def unseal(secret: Secret, label: str, about: str, sealed: bytes) -> bytes:
    """Raises StoreFailed where it was altered, or belongs to something else."""
    key = AESGCM(secret.derive(f"sealed/{label}"))
    try:
        return zlib.decompress(key.decrypt(sealed[:NONCE], sealed[NONCE:], about.encode()))
    except (InvalidTag, ValueError, zlib.error) as error:
        raise StoreFailed(f"what is kept of {about} was altered, or sealed under another secret") from error
