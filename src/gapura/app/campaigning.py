"""Campaigns in the keeper: what the river needs of the process that it runs in."""

import asyncio
from collections.abc import Callable, Collection, Iterable

import msgspec

from gapura.app.ruling import Ruling
from gapura.atlas import territories
from gapura.atlas.sources import Atlas
from gapura.providers import catalogue
from gapura.rulebook import arming, papers
from gapura.rulebook.conditions import for_everybody
from gapura.rulebook.facts import Facts
from gapura.rulebook.weigh import covers, weigh
from gapura.settings import Settings
from gapura.store import accounts, links, rulebooks
from gapura.store.base import Conflict
from gapura.store.campaigns import Kept
from gapura.store.rulebooks import By, Document
from gapura.store.sqlite import Store
from gapura.terms.letter import Way
from gapura.terms.rulebook import Phase, Policy


class Surroundings:
    """What `campaign.pipeline` asks of a keeper.  `publish` tells the gates of accounts."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        ruling: Ruling,
        atlas: Callable[[], Atlas],
        publish: Callable[[Collection[str]], None],
    ) -> None:
        self._store, self._settings, self._ruling, self._atlas = store, settings, ruling, atlas
        self._tell = publish

    def policy(self, kept: Kept) -> Policy:
        """In force, once it runs; before that, of the version that it names, and after it was taken out of force, of
        the one that it put in force."""
        name = kept.spec.policy
        if not kept.armed:
            return arming.policy(*self._document(kept).content, name)
        if found := next((one for one in self._ruling.rules.book.policies if one.name == name), None):
            return found
        return arming.policy(*self._store.read(lambda db: rulebooks.document(db, kept.armed)).content, name)

    def spared(self, policy: Policy, at: int) -> Callable[[str, str], bool] | None:
        if all(for_everybody(rule) for rule in policy.rules):
            return None

        def spare(account: str, territory: str) -> bool:
            found = self._store.read(lambda db: accounts.get(db, None, account))
            provider, _, product = policy.pack.name.partition("/")
            facts = Facts(
                provider=provider, model="", territory=territory, certainty="certain", account=found, at=at,
                product=policy.product or product,
            )  # fmt: skip
            return weigh(msgspec.structs.replace(policy, exceptions=(), phases=()), facts).effect != "block"

        return spare

    def locate(self, address: str) -> str:
        located = self._atlas().locate(address)
        return located.territory if located.certainty == "certain" else ""

    def place_data(self) -> str:
        return self._atlas().version

    def territories(self) -> tuple[str, ...]:
        return tuple(sorted(territories.CODES))

    def page(self, account: str, at: int) -> tuple[str, str]:
        return links.pages(self._store.secret, self._settings().public_url, account, at)

    def ways(self, territories_: Iterable[str], also: Policy | None = None) -> tuple[Way, ...]:
        """The providers of this gateway that serve all of these places, by what is in force and by what is to come."""
        book, at, places = self._ruling.rules.book, self._store.clock(), tuple(territories_)
        if not places:
            return ()
        vendors = catalogue.catalogue().vendors
        policies = (*book.policies, *((also,) if also else ()))
        return tuple(
            Way(provider=one.provider, name=one.provider, base_url=vendors[one.provider].base_url)
            for one in book.endpoints
            if one.provider in vendors
            and all(covers(policy, place, at) for place in places for policy in _guards(policies, one.provider))
        )

    def publish(self, accounts_: Collection[str]) -> None:
        self._tell(accounts_)

    def against(self, kept: Kept) -> list[str]:
        """What keeps its dates from being put in force."""
        stored = self._document(kept)
        text = self._armed(kept, stored, self._store.clock())
        return self._ruling.against(papers.read(*(stored.content if text is None else (text.encode(), "toml"))))

    async def arm(self, kept: Kept, by: By) -> tuple[str, str]:
        former = self._store.read(lambda db: rulebooks.now(db, "active"))
        stored = self._document(kept)
        version = stored.version
        if (text := self._armed(kept, stored, by.at)) is not None:
            made = self._store.write(lambda db: rulebooks.propose(db, text, "toml", by))
            version = (await asyncio.wrap_future(made)).id
        await self._ruling.activate(version, by)
        return version, former.id if former else ""

    async def disarm(self, kept: Kept, by: By) -> None:
        now = self._store.read(lambda db: rulebooks.now(db, "active"))
        if kept.armed and now is not None and now.id == kept.armed and kept.former != kept.armed:
            await self._ruling.activate(kept.former, by)

    async def for_everybody(self, kept: Kept, starts: int, by: By) -> str:
        now = self._store.read(lambda db: rulebooks.now(db, "active"))
        if now is None or now.id != kept.armed:
            return ""
        content = self._store.read(lambda db: rulebooks.document(db, now.id)).content
        phases = arming.policy(*content, kept.spec.policy).phases
        if not any(phase.told_only for phase in phases):
            return ""
        last = Phase(effect="block", starts=max(starts, phases[-1].starts + 1), zone=kept.spec.zone)
        text = arming.with_phases(*content, kept.spec.policy, (*phases, last))
        made = await asyncio.wrap_future(self._store.write(lambda db: rulebooks.propose(db, text, "toml", by)))
        await self._ruling.activate(made.id, by)
        return made.id

    def _armed(self, kept: Kept, stored: Document, at: int) -> str | None:
        phases = dates(kept, at)
        return arming.armed(*stored.content, kept.spec.policy, phases) if phases else None

    def _document(self, kept: Kept) -> Document:
        if kept.spec.version:
            return self._store.read(lambda db: rulebooks.document(db, rulebooks.get(db, kept.spec.version).id))
        active = self._store.read(lambda db: rulebooks.in_state(db, "active"))
        if active is None:
            raise Conflict(
                "no policy version is in force; propose one (gapura policy propose) and name it in the campaign",
                param="version",
            )
        return active


def dates(kept: Kept, at: int) -> tuple[Phase, ...]:
    """What a campaign writes into its policy: it warns from now on, and does what it says by place from the day on, to
    those who were told of it."""
    spec = kept.spec
    acts = sorted((act for act in spec.acts if act.by == "place"), key=lambda act: act.after_days)
    day = 86_400_000_000
    ahead = [
        Phase(effect=act.effect, starts=spec.effective_at + act.after_days * day, told_only=act.effect == "block")
        for act in acts
        if act.effect != "suspend"
    ]
    if not ahead:
        return ()
    return (Phase(effect="warn", starts=at), *ahead) if ahead[0].effect != "warn" else tuple(ahead)


def _guards(policies: Iterable[Policy], provider: str) -> list[Policy]:
    return [policy for policy in policies if provider in policy.pack.guards]
