"""How many letters a second one core composes, signed and unsigned, in three languages.

    python -m bench.letters --out bench/results/letters-DATE.json

A letter is the notice of June 2024 with two places, two keys, two networks and a provider to go to, in text and HTML,
with an event for the calendar.  Each has another account and another name, as in a campaign.  Times are the processor's
own, of one thread.  Passes with at least 300 unsigned and 100 signed (RSA of 2,048 bits) a second in each language.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gapura.clock import instant, system_clock, text
from gapura.letters import Sender, Texts, compose
from gapura.letters.dkim import Signer
from gapura.letters.texts import SHIPPED
from gapura.terms.letter import Evidence, Letter, Place, UsedKey, Way

UNSIGNED, SIGNED = 300, 100
EACH, ROUNDS = 300, 5
SENDER = Sender(
    address="notices@example.com", name="Example AI", reply_to="help@example.com", bounces="bounces@example.com"
)
NOTICE = Letter(
    campaign="cmp_2024",
    account="",
    external_id="",
    stage="T-14",
    kind="notice",
    message_id="",
    to="",
    zone="Asia/Shanghai",
    provider="OpenAI",
    product="API",
    policy="openai/api",
    source="https://platform.openai.com/docs/supported-countries",
    effective_at=instant("2024-07-09T00:00:00+08:00"),
    written_at=instant("2024-06-25T09:00:00+08:00"),
    ways=(Way(provider="qwen", name="Qwen", base_url="https://ai.example.com/v1", counterparts=(("a", "b"),) * 3),),
    appeal_url="https://ai.example.com/appeal/abc",
    status_url="https://ai.example.com/status/abc",
)


def letters(language: str) -> list[Letter]:
    return [
        msgspec.structs.replace(
            NOTICE,
            account=f"acc_{number}",
            external_id=f"org-{number}",
            name=f"Contoh {number}",
            to=f"a{number}@example.com",
            language=language,
            evidence=Evidence(
                first_at=NOTICE.written_at - number * 3_600_000_000,
                last_at=NOTICE.written_at,
                days=number % 30 + 1,
                requests=number * 17 + 1,
                places=(Place("CN", number * 16 + 1, 9), Place("HK", number, 2)),
                keys=(UsedKey("gp-0Kq7", "production", number), UsedKey("gp-9Xz2", f"key {number}", 5)),
                networks=(f"203.0.{number % 256}.0/24", "2001:db8::/48"),
            ),
        )
        for number in range(EACH)
    ]


def rate(sender: Sender, language: str, texts: Texts, rounds: int = ROUNDS) -> dict[str, float]:
    """Letters a second of one core: the middle one of several rounds, and the worst."""
    made, found = letters(language), []
    for _ in range(rounds):
        started = time.process_time()
        for one in made:
            compose(one, sender, texts)
        found.append(EACH / (time.process_time() - started))
    return {"median": round(median(found)), "worst": round(min(found))}


def run(rounds: int = ROUNDS) -> dict[str, Any]:
    texts = Texts.load()
    rsa = Signer("example.com", "r", generate_private_key(65_537, 2_048))
    edwards = Signer("example.com", "e", Ed25519PrivateKey.generate())
    senders = {
        "unsigned": SENDER,
        "rsa-2048": msgspec.structs.replace(SENDER, signers=(rsa,)),
        "ed25519": msgspec.structs.replace(SENDER, signers=(edwards,)),
    }
    return {
        name: {language: rate(sender, language, texts, rounds) for language in SHIPPED}
        for name, sender in senders.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    found = run()
    good = all(one["median"] >= UNSIGNED for one in found["unsigned"].values()) and all(
        one["median"] >= SIGNED for one in found["rsa-2048"].values()
    )
    told = {
        "ok": good,
        "at": text(system_clock()),
        "machine": f"{platform.machine()}, one core, Python {platform.python_version()}",
        "letters_a_second": found,
    }
    print(json.dumps(told, indent=1))
    if chosen.out:
        chosen.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
