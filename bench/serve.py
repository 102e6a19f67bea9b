"""Starts Gapura for the bench, with everything on: a fresh home with 1,000 metered keys over 50 accounts, the
openai/api policy with 100 rules, and forwarding headers believed from loopback.

    python bench/serve.py            # ports 8080 and 8081, one gate; GAPURA_PORT, GAPURA_WORKERS … as always

Who calls from where is written to `callers.tsv` beside the home, for `rotate.lua`.
"""

import os
import random
import shutil
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from gapura.app.home import prepare
from gapura.atlas import packs, sources
from gapura.clock import system_clock
from gapura.settings import Settings
from gapura.store import accounts, keys, ledger
from gapura.store.base import Connection
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.terms import ids

# Taken out of the environment: Gapura stops at a variable of its prefix that is no setting.
FOLDER = Path(os.environ.pop("GAPURA_BENCH", "") or Path.home() / ".cache/gapura-bench") / "gapura"
UPSTREAM = "http://127.0.0.1:9100/v1"
PACK = "openai/api"
ACCOUNTS, KEYS, ADDRESSES, RULES = 50, 1_000, 10_000, 100

# High enough never to refuse, and yet counted: a purse of each kind is spent from by every request.
PER_MINUTE, BUDGET = 10_000_000_000, 10**15

# The first 16 bits of what each regional registry has given most of its IPv6 addresses from, /12 each.
REGISTRIES = (0x2400, 0x2600, 0x2800, 0x2A00, 0x2C00)

# None of these keeps the bench's own callers out: they are for other models and accounts, or warn and allow.
EFFECTS = ("block", "warn", "review", "allow")


def rules() -> Iterator[str]:
    covered = sorted(packs.pack(PACK).supported)
    for n in range(RULES):
        effect = EFFECTS[n % len(EFFECTS)]
        lines = [f'id = "rule-{n:03}"', f'effect = "{effect}"', f'territories = ["{covered[n]}", "{covered[-n - 1]}"]']
        if effect in {"block", "review"}:
            lines.append(f'models = ["gpt-5-{n}-*"]')
        if effect == "allow":
            lines.append(f'accounts = ["customer-{n:03}"]')
        yield "\n".join(["[[policies.rules]]", *lines, ""])


def addresses(home: Path) -> list[str]:
    """Public ones, half IPv4 and half IPv6, of places that the policy serves."""
    atlas, served = sources.load(home), packs.pack(PACK).supported
    drawn = random.Random(9)
    found: dict[str, None] = {}
    while len(found) < ADDRESSES:
        four = len(found) % 2 == 0
        six = drawn.choice(REGISTRIES) << 112 | drawn.getrandbits(116)
        made = IPv4Address(drawn.getrandbits(32)) if four else IPv6Address(six)
        place = atlas.locate(str(made))
        if place.certainty == "certain" and place.territory in served:
            found[str(made)] = None
    return list(found)


def fill(db: Connection, secret: Secret) -> list[str]:
    at = system_clock()
    told = [{"external_id": f"customer-{n:03}", "budget": BUDGET} for n in range(ACCOUNTS)]
    owners = accounts.upsert(db, None, accounts.from_dicts(told), at).created
    for owner in owners:
        ledger.set_budget(db, "tok:" + owner.id, BUDGET, ref=ids.new("chg", at), at=at)
    tokens = [keys.draw() for _ in range(KEYS)]
    for n, token in enumerate(tokens):
        wanted = keys.Wanted(
            account_id=owners[n % ACCOUNTS].id, requests_per_minute=PER_MINUTE, tokens_per_minute=PER_MINUTE
        )
        keys.create(db, None, wanted, token, secret, at)
    return tokens


def main() -> None:
    shutil.rmtree(FOLDER / "home", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "gapura.toml").write_text("\n".join(["[[policies]]", f'pack = "{PACK}"', "", *rules()]))
    os.environ |= {
        "GAPURA_HOME": str(FOLDER / "home"),
        "GAPURA_CONFIG": str(FOLDER / "gapura.toml"),
        "GAPURA_TRUSTED_PROXIES": "127.0.0.1/32",
        "GAPURA_LOG_LEVEL": "warning",
        "OPENAI_BASE_URL": UPSTREAM,
        "OPENAI_API_KEY": "sk-upstream",
    }
    os.environ.setdefault("GAPURA_WORKERS", "1")
    settings = Settings.load(os.environ)
    home = prepare(settings, sandbox=False, clock=system_clock)
    store = Store.open(settings.database_path, secret=home.secret, clock=system_clock)
    tokens = store.write(lambda db: fill(db, home.secret)).result()
    store.close()
    callers = zip(addresses(settings.home), (tokens[n * 7 % KEYS] for n in range(ADDRESSES)), strict=True)
    (FOLDER / "callers.tsv").write_text("".join(f"{token}\t{address}\n" for address, token in callers))
    gapura = Path(sys.executable).with_name("gapura")
    os.execv(gapura, [str(gapura), "serve"])


if __name__ == "__main__":
    main()
