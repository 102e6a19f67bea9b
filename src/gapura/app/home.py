"""What a start finds in the home, or makes there: the secret, the store, the first sign-in and the first key."""

import os
from pathlib import Path

import msgspec

from gapura.clock import Clock
from gapura.settings import PROVIDER_VARIABLES, Settings
from gapura.settings.keys import default_variable
from gapura.store import accounts, journal, keys, principals, secrets
from gapura.store.audit import Change
from gapura.store.base import Connection, StoreFailed, mark, marked
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store

FIRST = {"external_id": "default", "organisation": "default", "name": "First account"}


class Once(msgspec.Struct, frozen=True):
    """What is told once and kept nowhere: "" where it was there before, or was given by a setting."""

    admin_token: str = ""
    api_key: str = ""


class Home(msgspec.Struct, frozen=True):
    """A home that is ready.  `lost`: providers that it had before and has no key for now."""

    secret: Secret
    sandbox: bool
    once: Once
    lost: tuple[str, ...] = ()


def prepare(settings: Settings, *, sandbox: bool, clock: Clock) -> Home:
    """Make or find the state, for whoever holds the home's lock.

    The sandbox is started when it is asked for, and when a new state has no provider's key; a home that ever had a
    real provider never falls back to it.  Raises StoreFailed and BadRequest, which say what to do.
    """
    secret = secrets.load(settings.home, settings.secret)
    (settings.home / "directory").mkdir(mode=0o700, exist_ok=True)
    (settings.home / "journal").mkdir(mode=0o700, exist_ok=True)
    journal.sweep(settings.home / "journal")
    store = Store.open(settings.database_path, secret=secret, clock=clock)
    try:
        had = tuple(store.read(lambda db: marked(db, "providers")).split())
        simulated = _simulated(settings, had, asked=sandbox, mode=store.read(lambda db: marked(db, "mode")))
        now = () if simulated else tuple(settings.provider_keys)

        def begin(db: Connection) -> Once:
            mark(db, "mode", "sandbox" if simulated else "real")
            mark(db, "providers", " ".join(dict.fromkeys((*had, *now))))
            return _bootstrap(db, settings, secret, clock())

        started = Change(actor="system", action="start", subject="gateway", reason="gapura serve")
        once = store.change(started, begin).result()
    finally:
        store.close()
    lost = () if simulated else tuple(name for name in had if name not in settings.provider_keys)
    return Home(secret, simulated, once, lost)


def _simulated(settings: Settings, had: tuple[str, ...], *, asked: bool, mode: str) -> bool:
    variables = ", ".join(default_variable(name) for name in had)
    if had and asked:
        raise StoreFailed(
            f"{settings.home} has served real providers ({', '.join(had)}); "
            "start the sandbox on another folder (GAPURA_HOME)"
        )
    if had and not settings.provider_keys:
        raise StoreFailed(f"{settings.home} has served real providers, and no key of one is set; set {variables}")
    if asked or (not settings.provider_keys and mode in {"", "sandbox"}):
        return True
    if not settings.provider_keys:
        names = ", ".join(f"{stem}_API_KEY" for stem in PROVIDER_VARIABLES.values())
        raise StoreFailed(f"no provider has a key; set one of {names}, or start with --sandbox")
    return False


def _bootstrap(db: Connection, settings: Settings, secret: Secret, at: int) -> Once:
    """Whoever comes first needs a way in: by the settings, else drawn, and told once."""
    admin = key = ""
    if settings.admin_token:
        principals.bootstrap(db, settings.admin_token, secret, at)
    elif not principals.page(db, limit=1):
        admin = principals.draw()
        principals.create(db, principals.Wanted(role="owner", name="first sign-in"), admin, secret, at)
    if settings.bootstrap_key or not keys.page(db, None, limit=1):
        wanted = keys.Wanted(account_id=_first_account(db, at), name="bootstrap")
        if settings.bootstrap_key:
            keys.bootstrap(db, wanted, settings.bootstrap_key, secret, at)
        else:
            key = keys.draw()
            keys.create(db, None, wanted, key, secret, at)
    return Once(admin, key)


def _first_account(db: Connection, at: int) -> str:
    accounts.upsert(db, None, accounts.from_dicts([FIRST]), at)
    return accounts.by_external_id(db, None, FIRST["organisation"], FIRST["external_id"]).id


def tell_once(home: Path, once: Once, *, terminal: bool) -> list[str]:
    """Lines for the operator: the secrets themselves on a terminal, else the path of a file that only they can read."""
    told = [("sign-in", once.admin_token), ("API key", once.api_key)]
    lines = [f"{label:<10}  {value}" for label, value in told if value]
    if not lines or terminal:
        return [f"{line}   (shown once)" for line in lines]
    path = home / "bootstrap.txt"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join([*lines, ""]))
    return [f"secrets     {path}   (shown nowhere else; delete it once you have read it)"]
