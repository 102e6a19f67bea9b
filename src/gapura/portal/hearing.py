"""What pages read and change in the store: as the account itself, in its own name."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from gapura.errors import NotFound
from gapura.portal.cases import Ways
from gapura.rulebook.compile import Rules
from gapura.rulebook.weigh import covers
from gapura.store import accounts, appeals, grounds
from gapura.store.appeals import Appeal, Filed
from gapura.store.audit import Change
from gapura.store.base import Connection, Work
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key
from gapura.terms.rulebook import Policy

T = TypeVar("T")
Publish = Callable[[Mapping[str, Key], Mapping[str, Account]], None]


class Hearing:
    """`publish` tells the gates, `wake` the jobs; `ways` says where applications may go instead."""

    def __init__(
        self, store: Store, rules: Callable[[], Rules], publish: Publish, wake: Callable[[], None], ways: Ways
    ) -> None:
        self.store, self._rules, self._publish, self._wake, self.ways = store, rules, publish, wake, ways

    def policies(self) -> tuple[Policy, ...]:
        return self._rules().book.policies

    async def read(self, work: Work[T]) -> T:
        return await asyncio.to_thread(self.store.read, work)

    async def file(self, account: str, name: str, reason: str, language: str) -> str:
        """The objection's id.  Raises NotFound for an unknown policy, and as `appeals.file`."""
        policy = next((one for one in self.policies() if one.name == name), None)
        if policy is None:
            raise NotFound(f"there is no policy {name}", param="policy")
        at = self.store.clock()

        def work(db: Connection) -> Appeal:
            seen = grounds.against(db, account, name, lambda place: covers(policy, place, at), at)
            told = [one.campaign for one in accounts.get(db, None, account).notices if one.policy == name]
            filed = Filed(
                account=account,
                policy=name,
                reason=reason,
                campaign=told[-1] if told else "",
                language=language,
                evidence=seen,
            )
            return appeals.file(db, filed, policy.appeals, account, at)

        by = Change(actor=account, action="appeal.file", subject=account, reason="by its own page")
        return (await self._change(by, work)).id

    async def withdraw(self, account: str, name: str) -> None:
        """Raises NotFound and Conflict."""
        at = self.store.clock()
        by = Change(actor=account, action="appeal.withdraw", subject=name, reason="by its own page")
        await self._change(by, lambda db: appeals.withdraw(db, None, name, account, at))

    async def _change(self, by: Change, work: Work[Appeal]) -> Appeal:
        done = await asyncio.wrap_future(self.store.change(by, work))
        account = await self.read(lambda db: accounts.get(db, None, done.account))
        self._publish({}, {account.id: account})
        self._wake()
        return done
