"""Signatures that a second implementation verifies, and that nobody can change a word under."""

import base64
import hashlib
import re
from functools import cache

import dkim
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.letters.writing import SENDER, letter, signers, texts

from gapura.letters import compose
from gapura.letters.dkim import Canonical, Signer, relaxed_body, signed

RSA, ED = signers()


def records(name: bytes, timeout: float = 0) -> bytes | None:
    """DNS, as the signers' domain has it."""
    found = dict(signer.record for signer in signers())
    record = found.get(name.decode().rstrip("."))
    return record.encode() if record else None


@cache
def message(language: str = "zh-Hans") -> bytes:
    """Signed by RSA alone."""
    return compose(letter(language=language), msgspec.structs.replace(SENDER, signers=(RSA,)), texts()).message


def verifies(raw: bytes) -> bool:
    return bool(dkim.verify(raw, dnsfunc=records))


@pytest.mark.parametrize("language", ["en", "zh-Hans", "id"])
def test_a_second_implementation_verifies(language: str) -> None:
    assert verifies(message(language))


def test_an_address_in_its_own_letters_is_signed_as_it_stands() -> None:
    raw = compose(letter(to="李雷@公司.cn"), msgspec.structs.replace(SENDER, signers=(RSA,)), texts()).message
    assert verifies(raw) and not verifies(raw.replace("李雷".encode(), "李霜".encode()))


TAMPERED = [
    (rb"\r\nTo: [^\r]*", b"\r\nTo: other@example.com"),
    (rb"\r\nSubject: ", b"\r\nSubject: Not: "),
    (rb"\r\nDate: Tue", b"\r\nDate: Wed"),
    (rb"\r\nReply-To: help", b"\r\nReply-To: evil"),
    (rb"\r\nMessage-ID: <", b"\r\nMessage-ID: <0"),
    (rb"\r\nContent-Language: zh", b"\r\nContent-Language: id"),
    (rb"\r\nFrom: ", b"\r\nFrom: evil@example.org\r\nFrom: "),
    (rb"\r\nSubject: ", b"\r\nSubject: second\r\nSubject: "),
    (rb"base64\r\n\r\n..", b"base64\r\n\r\nAA"),
    (rb"--\r\n\Z", b"--\r\nmore\r\n"),
    (rb"t=\d+", b"t=1"),
]


@pytest.mark.parametrize(("what", "instead"), TAMPERED)
def test_tampering_fails(what: bytes, instead: bytes) -> None:
    changed, count = re.subn(what, instead, message(), count=1)
    assert count == 1 and changed != message()
    assert not verifies(changed)


def test_what_relays_do_to_blanks_does_not_matter() -> None:
    head, _, body = message("en").partition(b"\r\n\r\n")
    refolded = head.replace(b"\r\nSubject: Action needed:", b"\r\nsubject:  Action\r\n\tneeded:")
    assert refolded != head
    assert verifies(refolded + b"\r\n\r\n" + body + b"\r\n\r\n")
    assert verifies(b"Received: from a by b; Tue, 25 Jun 2024 01:00:00 +0000\r\n" + message("en"))


@given(st.text("a \t\r\n.\x00é", max_size=60))
def test_the_body_is_canonical_as_the_second_implementation_has_it(text: str) -> None:
    body = text.replace("\r", "").replace("\n", "\r\n").encode() + b"\r\n"
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


@settings(max_examples=50)
@given(st.lists(st.text("x y\tz", min_size=1, max_size=20), max_size=5), st.text("a b\t", max_size=200))
def test_any_body_and_subject_verify(lines: list[str], subject: str) -> None:
    raw = (
        f"From: a@example.com\r\nTo: b@example.com\r\nSubject: x{subject}\r\n\r\n"
        + "".join(f"{one}\r\n" for one in lines)
    ).encode()
    assert verifies(signed(raw, (RSA,), 1_720_000_000_000_000))


def test_ed25519_signs_the_digest_as_rfc_8463_has_it() -> None:
    """dkimpy would need another library for the curve; the canonical form is its own."""
    raw = compose(letter(), SENDER, texts()).message
    header = ED.sign(Canonical(raw), letter().written_at)
    assert b"a=ed25519-sha256; c=relaxed/relaxed; d=example.com;" in header
    unsigned, _, signature = header.rpartition(b"; b=")
    names = re.sub(rb"\s", b"", header.partition(b"h=")[2].partition(b";")[0]).split(b":")
    fields, _ = dkim.rfc822_parse(raw)
    left = [*fields, (b"DKIM-Signature", unsigned.partition(b":")[2] + b"; b=")]
    covered = b""
    for name in (*names, b"dkim-signature"):
        for field in [field for field in left if field[0].lower() == name][-1:]:
            left.remove(field)
            covered += b":".join(dkim.canonicalization.Relaxed.canonicalize_headers([field])[0])
    where, record = ED.record
    assert where == "e1._domainkey.example.com" and record.startswith("v=DKIM1; k=ed25519; p=")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(record.partition("p=")[2]))
    digest = hashlib.sha256(covered.removesuffix(b"\r\n")).digest()
    public.verify(base64.b64decode(b"".join(signature.split())), digest)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_read_from_its_file_and_no_word_of_it_told(kind: str) -> None:
    made = generate_private_key(65_537, 2_048) if kind == "rsa" else Ed25519PrivateKey.generate()
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert Signer.read("example.com", "s", pem).algorithm == f"{kind}-sha256"
    for bad in (b"", pem[:60], b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(ValueError, match=r"^holds no private key in PEM without a password$"):
            Signer.read("example.com", "s", bad)


def test_only_keys_that_dkim_knows_are_taken() -> None:
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="neither an RSA key"):
        Signer.read("example.com", "s", other)
