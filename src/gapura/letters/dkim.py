"""Signatures of a domain on a message (DKIM, RFC 6376; Ed25519: RFC 8463), for relays that do not sign.

Both canonicalisations are *relaxed*, so that a relay may fold headers anew.  `From` and the other headers that a reader
trusts are signed once more than they are there: whoever adds a second one breaks the signature.
"""

import base64
import hashlib
import re
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gapura.clock import SECOND

LEAST_BITS = 1024
SIGNED = (
    "from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "content-language",
    "auto-submitted",
)  # fmt: skip
ONCE_MORE = ("from", "to", "subject", "date", "reply-to")

_SPACES = re.compile(rb"[ \t]+")
_AT_ENDS = re.compile(rb"[ \t]+(?=\r\n)")
_BASE64_LINE = 64


class Signer:
    """One key of one domain; its public half stands in DNS at `record`."""

    def __init__(self, domain: str, selector: str, key: RSAPrivateKey | Ed25519PrivateKey) -> None:
        self.domain, self.selector, self._key = domain, selector, key
        self.algorithm = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"

    @classmethod
    def read(cls, domain: str, selector: str, pem: bytes) -> "Signer":
        """Of a private key in PEM without password.  Raises ValueError, which does not tell the key."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            raise ValueError("holds no private key in PEM without a password") from None
        if isinstance(key, RSAPrivateKey) and key.key_size >= LEAST_BITS:
            return cls(domain, selector, key)
        if isinstance(key, Ed25519PrivateKey):
            return cls(domain, selector, key)
        raise ValueError(f"holds neither an RSA key of at least {LEAST_BITS} bits nor an Ed25519 key")

    @property
    def record(self) -> tuple[str, str]:
        """Where its TXT record stands in DNS, and what it says."""
        public = self._key.public_key()
        kind = "rsa" if isinstance(self._key, RSAPrivateKey) else "ed25519"
        shape = serialization.PublicFormat.SubjectPublicKeyInfo if kind == "rsa" else serialization.PublicFormat.Raw
        encoding = serialization.Encoding.DER if kind == "rsa" else serialization.Encoding.Raw
        data = base64.b64encode(public.public_bytes(encoding, shape)).decode()
        return f"{self.selector}._domainkey.{self.domain}", f"v=DKIM1; k={kind}; p={data}"

    def sign(self, message: "Canonical", at: int) -> bytes:
        """The header, to be put before the message.  `at`: UTC microseconds."""
        names = ":".join(message.named).replace(":date:", ":\r\n date:")
        unsigned = (
            f"DKIM-Signature: v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n"
            f" s={self.selector}; t={at // SECOND}; h={names};\r\n"
            f" bh={message.body_hash}; b="
        ).encode()
        covered = message.headers + _relaxed(unsigned)
        if isinstance(self._key, RSAPrivateKey):
            signature = self._key.sign(covered, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = self._key.sign(hashlib.sha256(covered).digest())
        text = base64.b64encode(signature)
        lines = [text[start : start + _BASE64_LINE] for start in range(0, len(text), _BASE64_LINE)]
        return unsigned + b"\r\n ".join(lines) + b"\r\n"


class Canonical:
    """What signatures of a message cover, computed once for all of them."""

    def __init__(self, message: bytes) -> None:
        head, _, body = message.partition(b"\r\n\r\n")
        found = {}
        for field in re.split(rb"\r\n(?![ \t])", head):
            found[field.partition(b":")[0].strip().lower().decode("ascii", "replace")] = field
        present = [name for name in SIGNED if name in found]
        self.headers = b"".join(_relaxed(found[name]) + b"\r\n" for name in present)
        self.named = (*present, *ONCE_MORE)
        self.body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()


def signed(message: bytes, signers: Sequence[Signer], at: int) -> bytes:
    """The message with a signature of each signer before it."""
    if not signers:
        return message
    canonical = Canonical(message)
    return b"".join(signer.sign(canonical, at) for signer in signers) + message


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4: runs of blanks are one, those at the end of lines and empty lines at the end go."""
    lines = _AT_ENDS.sub(b"", _SPACES.sub(b" ", body + b"\r\n")).rstrip(b"\r\n")
    return lines + b"\r\n" if lines else b""


def _relaxed(field: bytes) -> bytes:
    """RFC 6376, 3.4.2, without the line end."""
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip()
