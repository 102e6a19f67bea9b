"""Zhipu's tokens, judged by another implementation of HS256."""

import base64
import json

from cryptography.hazmat.primitives import hashes, hmac

from gapura.providers.jwt import token


def plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_as_the_vendors_sdk_makes_it() -> None:
    header, claims, signature = token("myid.my.secret", 1_795_367_370_074_999).split(".")
    assert json.loads(plain(header)) == {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}
    assert json.loads(plain(claims)) == {"api_key": "myid", "exp": 1795367580074, "timestamp": 1795367370074}
    judge = hmac.HMAC(b"my.secret", hashes.SHA256())
    judge.update(f"{header}.{claims}".encode())
    judge.verify(plain(signature))
    assert "secret" not in plain(claims).decode()


def test_a_key_without_a_secret_goes_out_as_it_is() -> None:
    assert token("whole", 1) == "whole"
