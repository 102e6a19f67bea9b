"""What the admin API needs of the process that serves it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from gapura.atlas.builds import InForce
from gapura.atlas.corrections import Correction
from gapura.atlas.sources import Atlas
from gapura.campaign.deliver import Sender
from gapura.campaign.pipeline import Around, River
from gapura.rulebook.compile import Rules
from gapura.rulebook.lints import Limits
from gapura.settings import Settings
from gapura.store.ledger import Ledger
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key
from gapura.terms.letter import Composed, Letter, Returned
from gapura.terms.rulebook import Rulebook

Publish = Callable[[Mapping[str, Key], Mapping[str, Account]], None]
"""Tells all gates of keys (by the hex of their keyed hash) and accounts (by id) that changed; on the event loop."""


class GateStatus(msgspec.Struct, frozen=True):
    """A gate that is connected; `lag` is the number of its journal entries that are not in the store yet.  `atlas` is
    the version of its place data, `atlas_problem` why they are not the newest."""

    gate: int
    pid: int
    incarnation: str
    lag: int = 0
    atlas: str = ""
    atlas_problem: str = ""


class Status(msgspec.Struct, frozen=True):
    """`serving`: whether a keeper answers (a command without one works on the store itself).  `ready`: whether it
    does its work.  `journal_lag_s` is the age of the oldest entry that was not taken in yet.  `problems`: what a
    person should look at.  `authorizer`: where front ends may ask for decisions, "" for nowhere."""

    version: str
    serving: bool
    ready: bool
    policy_version: str
    sandbox: bool
    atlas_as_of: str
    directory_seq: int = 0
    journal_lag_s: float = 0.0
    gates: tuple[GateStatus, ...] = ()
    problems: tuple[str, ...] = ()
    authorizer: str = ""


class Mailer(Sender, Protocol):
    """A sender that shows letters, too, and reads what comes back."""

    async def show(self, letter: Letter) -> Composed: ...
    async def read(self, message: bytes) -> list[Returned]: ...


class Campaigns(NamedTuple):
    """`river` walks them within what is `around`; `mail` makes letters and hands them over."""

    river: River
    around: Around
    mail: Mailer


@dataclass(frozen=True, kw_only=True)
class Context:
    """`check` reads documents (the tables of a gapura.toml) as this deployment would; `reload` reads its own file
    again and puts it in force everywhere.  Both raise BadDocument, and `reload` BadSetting.
    `documents` are the tables of the file as they are in force.  `shadow` is the version that runs beside `rules`.
    `renew` puts another version of the policies in force, once the store says so: its rules, what it says of its lints,
    and the `documents` that it was made with; `renew_shadow` lets what the store says run beside.
    `trial_atlas` is the atlas with other builds or corrections, and `renew_atlas` puts what the home and the store
    hold in force everywhere; both raise as `atlas.sources.load`.  `metrics`: see `wire.exposition`.  `wake`: jobs were
    put that are due now.  `recall`: gates give back what they do not hold of a purse; on the event loop.  `campaigns`:
    None where no keeper runs.  `ledger`: the one that gateways share, None where the store keeps it."""

    store: Store
    settings: Settings
    atlas: Callable[[], Atlas]
    documents: Callable[[], Mapping[str, Any]]
    trial_atlas: Callable[[InForce | None, Sequence[Correction] | None], Atlas]
    renew_atlas: Callable[[], Awaitable[Atlas]]
    rules: Callable[[], Rules]
    shadow: Callable[[], Rules | None]
    renew: Callable[[Rules, Limits, Mapping[str, Any]], None]
    renew_shadow: Callable[[], None]
    publish: Publish
    check: Callable[[Mapping[str, Any]], Rulebook]
    reload: Callable[[], Rules]
    metrics: Callable[[], Mapping[str, float]]
    status: Callable[[], Status]
    wake: Callable[[], None] = lambda: None
    recall: Callable[[str], None] = lambda _: None
    campaigns: Campaigns | None = None
    ledger: Ledger | None = None

    @property
    def books(self) -> Ledger:
        """Where the ledger is kept."""
        return self.ledger or self.store
