"""The rules in force and the next ones beside them: what gapura.toml and the store say, told to the gates."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec
import structlog

from gapura.app.rules import in_force, rulebook, with_policies
from gapura.keeper.hub import Hub
from gapura.rulebook import lints, papers, trials
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.egress import names_addresses
from gapura.rulebook.lints import Limits
from gapura.rulebook.problems import problems
from gapura.settings import Settings
from gapura.store import rulebooks
from gapura.store.audit import Change
from gapura.store.base import Conflict, Connection, StoreFailed, mark, marked
from gapura.store.rulebooks import By, Document
from gapura.store.sqlite import Store
from gapura.terms.place import Located
from gapura.terms.rulebook import Rulebook

log = structlog.get_logger()


State = Literal["active", "shadow"]
FILE_DECIDES = (
    "gapura.toml has policies of its own, which decide; take [[policies]] and [packs] out of it and reload it "
    "(gapura policy reload)"
)


class Ruling:
    """`rules` decide, `shadow` is the version that runs beside them.  `locate` looks up the addresses of tests
    and of this gateway itself.

    Raises BadDocument, and StoreFailed where the version in force is damaged or cannot be read: nothing is served by
    rules that nobody chose.
    """

    def __init__(
        self,
        settings: Settings,
        simulators: dict[str, str],
        store: Store,
        hub: Hub,
        locate: Callable[[str], Located],
    ) -> None:
        self._settings, self._simulators, self._store, self._hub = settings, simulators, store, hub
        self._locate = locate
        self._astray = ""
        book, paper = in_force(settings, simulators, self._active)
        self.rules, self._limits = Rules(book, locate), paper.limits
        self.shadow = self._beside()

    @property
    def documents(self) -> Mapping[str, Any]:
        """gapura.toml's tables, as they are in force."""
        return self._settings.documents

    def check(self, documents: Mapping[str, Any]) -> Rulebook:
        """What these documents would be here.  Raises BadDocument."""
        return rulebook(msgspec.structs.replace(self._settings, documents=dict(documents)), self._simulators)

    def problems(self) -> Iterator[str]:
        """What a person should look at, in what is in force now."""
        book, at = self.rules.book, self._store.clock()
        yield from problems(book, at, self._locate)
        yield from lints.standing(book.policies, self._limits, at)
        if self._astray:
            yield self._astray

    def reload(self, settings: Settings) -> None:
        """Another gapura.toml.  Raises BadDocument, also where a test of its own fails, and StoreFailed: then nothing
        has changed."""
        book, paper = in_force(settings, self._simulators, self._active)
        rules = Rules(book, self._locate)
        if papers.decides(settings.documents):
            for outcome in trials.run(rules, paper.trials, self._locate, self._store.clock()):
                if not outcome.passed:
                    raise BadDocument(outcome.path, str(outcome))
        self._settings = settings
        self._put(rules, paper.limits)

    def renew(self, rules: Rules, limits: Limits, made_of: Mapping[str, Any]) -> None:
        """The store has another version in force: these rules, if gapura.toml still says what they were made of."""
        if made_of is self.documents:
            self._put(rules, limits)
        else:
            self.reload(self._settings)

    def against(self, paper: papers.Paper) -> list[str]:
        """In words, what keeps this document from being put in force.  Raises BadDocument."""
        rules, at = self._made(paper), self._store.clock()
        failed = (one for one in trials.run(rules, paper.trials, self._locate, at) if not one.passed)
        refused = (one for one in lints.lints(rules.book.policies, paper.limits, at) if one.refuses)
        decides = [FILE_DECIDES] * papers.decides(self.documents)
        return [*decides, *(f"a test fails: {one}" for one in failed), *map(str, refused)]

    async def activate(self, version: str, by: By) -> None:
        """Puts a stored version in force everywhere, "": what holds where nobody has written a policy.  Raises
        Conflict, which says what speaks against it, BadDocument and StoreFailed."""
        stored = self._store.read(lambda db: rulebooks.document(db, version)) if version else None
        paper = papers.read(*stored.content) if stored else papers.part({})
        if against := self.against(paper):
            raise Conflict("; ".join(against), code="policy_refused")
        rules = self._made(paper)

        def work(db: Connection) -> None:
            if version:
                rulebooks.activate(db, version, rules.book.version, by)
            else:
                rulebooks.retire(db, by)
            mark(db, "rulebook", rules.book.version)

        change = Change(actor=by.actor, action="policy.activate", subject=version or "default", reason=by.reason)
        await asyncio.wrap_future(self._store.change(change, work))
        self._put(rules, paper.limits)

    def _made(self, paper: papers.Paper) -> Rules:
        return Rules(with_policies(self._settings, self._simulators, paper), self._locate)

    def relocate(self) -> None:
        """Place data are others now; gates do the same by themselves."""
        if names_addresses(self.rules.book):
            self.rules = Rules(self.rules.book, self._locate)
            self.shadow = self._beside()

    def renew_shadow(self) -> None:
        """The store has another version in shadow, or none."""
        self.shadow = self._beside()
        self._hub.publish_next(self.encoded_shadow())

    def adopt(self, reason: str) -> None:
        """Into the audit, if these rules were not the last that were in force."""
        version, at = self.rules.book.version, self._store.clock()
        if self._store.read(lambda db: marked(db, "rulebook")) == version:
            return
        parts: dict[State, Rules | None] = {"shadow": self.shadow}
        if not papers.decides(self.documents):
            parts["active"] = self.rules

        def work(db: Connection) -> None:
            mark(db, "rulebook", version)
            for state, rules in parts.items():
                if rules is not None and (found := rulebooks.now(db, state)):
                    rulebooks.part_of(db, found.id, rules.book.version, By("system", reason, at))

        by = Change(actor="system", action="rulebook.reload", subject=version, reason=reason)
        self._store.change(by, work)

    def encoded(self) -> bytes:
        """The rulebook in force, as gates read it."""
        return msgspec.msgpack.encode(self.rules.book)

    def encoded_shadow(self) -> bytes:
        """The next one; empty where none runs."""
        return msgspec.msgpack.encode(self.shadow.book) if self.shadow else b""

    def _active(self) -> Document | None:
        return self._store.read(lambda db: rulebooks.in_state(db, "active"))

    def _put(self, rules: Rules, limits: Limits) -> None:
        self.rules, self._limits = rules, limits
        self._hub.publish_rules(self.encoded())
        self.renew_shadow()
        log.info("rules in force", version=rules.book.version)

    def _beside(self) -> Rules | None:
        """It decides nothing, so one that cannot be read is told and left out."""
        self._astray = ""
        try:
            if (stored := self._store.read(lambda db: rulebooks.in_state(db, "shadow"))) is None:
                return None
            book = with_policies(self._settings, self._simulators, papers.read(*stored.content))
            return Rules(book, self._locate)
        except (BadDocument, StoreFailed) as error:
            self._astray = f"the policy version in shadow does not run: {error}"
            return None
