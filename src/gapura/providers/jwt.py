"""Zhipu's tokens (RFC 7519, HS256): what an account of BigModel sends in the place of its key `id.secret`.

>>> token("myid.mysecret", 1_795_367_370_074_000).split(".")[0]
'eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04iLCJ0eXAiOiJKV1QifQ'
"""

import hmac
from base64 import urlsafe_b64encode

import msgspec

# As the vendor's SDK has it (zai-sdk 0.2.3, core/_jwt_token.py): milliseconds.
LIFETIME_MS = 210_000

_ENCODER = msgspec.json.Encoder()


def token(key: str, now: int) -> str:
    """Good for 210 s from `now` (UTC microseconds).  A key without a secret is sent as it is, and refused there."""
    name, dot, secret = key.partition(".")
    if not dot:
        return key
    at = now // 1000
    header = {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}
    claims = {"api_key": name, "exp": at + LIFETIME_MS, "timestamp": at}
    signed = _part(_ENCODER.encode(header)) + b"." + _part(_ENCODER.encode(claims))
    return (signed + b"." + _part(hmac.digest(secret.encode(), signed, "sha256"))).decode()


def _part(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
