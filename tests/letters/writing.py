"""A letter as campaigns write them, and a sender with keys that tests may know."""

from functools import cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gapura.clock import instant
from gapura.letters import Sender, Texts
from gapura.letters.dkim import Signer
from gapura.terms.letter import Evidence, Letter, Place, UsedKey, Way

SENDER = Sender(
    address="notices@example.com",
    name="Example AI",
    reply_to="help@example.com",
    bounces="bounces@example.com",
    zone="Asia/Shanghai",
)
NOTICE = Letter(
    campaign="cmp_2024",
    account="acc_1",
    external_id="org-4711",
    stage="T-14",
    kind="notice",
    message_id="",
    to="li@example.com",
    name="Acme",
    language="en",
    zone="Asia/Shanghai",
    provider="OpenAI",
    product="API",
    policy="openai/api",
    source="https://platform.openai.com/docs/supported-countries",
    effective_at=instant("2024-07-09T00:00:00+08:00"),
    written_at=instant("2024-06-25T09:00:00+08:00"),
    evidence=Evidence(
        first_at=instant("2024-06-01T00:00:00Z"),
        last_at=instant("2024-06-20T00:00:00Z"),
        days=17,
        requests=12_345,
        places=(Place("CN", 12_000, 17), Place("HK", 345, 1)),
        keys=(UsedKey("gp-0Kq7", "production", 12_000), UsedKey("gp-9Xz2", "", 345)),
        networks=("203.0.113.0/24", "2001:db8::/48"),
    ),
    ways=(
        Way(
            provider="qwen",
            name="Alibaba Cloud Qwen",
            base_url="https://gateway.example.com/v1",
            counterparts=(("gpt-4o", "qwen-plus"), ("gpt-4o-mini", "qwen-flash")),
        ),
    ),
    appeal_url="https://gateway.example.com/appeal/abc",
    status_url="https://gateway.example.com/status/abc",
)


def letter(**fields: Any) -> Letter:
    """The notice of June 2024 to one account, with these fields instead."""
    return msgspec.structs.replace(NOTICE, **fields)


@cache
def texts() -> Texts:
    return Texts.load()


@cache
def signers() -> tuple[Signer, Signer]:
    """RSA and Ed25519, as a domain that changes over has both."""
    return (
        Signer("example.com", "r1", generate_private_key(65_537, 2_048)),
        Signer("example.com", "e1", Ed25519PrivateKey.generate()),
    )
