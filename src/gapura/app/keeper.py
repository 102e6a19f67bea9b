"""The keeper in its process: the store and all that is said and done around it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from gapura import __version__, portal, runtime
from gapura.app import loops
from gapura.app.answering import Answering
from gapura.app.campaigning import Surroundings
from gapura.app.home import Home
from gapura.app.mail import Mail
from gapura.app.ruling import Ruling
from gapura.atlas import builds
from gapura.atlas.config import plan
from gapura.atlas.sources import Atlas
from gapura.campaign.pipeline import DAILY, SENDING, River
from gapura.clock import SECOND, Clock, system_clock
from gapura.console.api import admin
from gapura.console.context import Campaigns, Context, GateStatus, Status
from gapura.keeper.bookkeeping import Bookkeeping
from gapura.keeper.granting import Granting
from gapura.keeper.hearing import Hearing
from gapura.keeper.hub import Hub
from gapura.keeper.ingest import Ingest
from gapura.keeper.inquiries import Inquiries
from gapura.keeper.jobs import Jobs
from gapura.keeper.lending import Lending
from gapura.keeper.outbox import Outbox
from gapura.keeper.placing import Placing
from gapura.keeper.proving import Proving
from gapura.keeper.recover import recover
from gapura.keeper.remembering import Remembering
from gapura.keeper.residing import Residing
from gapura.keeper.returning import Returning
from gapura.keeper.telling import Telling
from gapura.portal import Portal
from gapura.providers.prices import of_book
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.lints import Limits
from gapura.settings import BadSetting, Settings
from gapura.store import appeals, audit
from gapura.store.base import StoreFailed
from gapura.store.retention import BATCHES
from gapura.store.sqlite import Store
from gapura.supervisor import Life
from gapura.terms.link import Hello, NewAtlas, Report, Welcome
from gapura.terms.place import Located

log = structlog.get_logger()

RECOVER_S = 1.0
RETAIN_S = 3600.0
DAY = 86_400 * SECOND


class Keeper:
    """`rules` is the rulebook in force.  `simulators`: provider → base URL, where the sandbox runs.  `authorizer` is
    where front ends may ask, "" for nowhere."""

    def __init__(
        self,
        settings: Settings,
        home: Home,
        simulators: dict[str, str],
        atlas: Atlas,
        clock: Clock,
        *,
        authorizer: str = "",
    ) -> None:
        self.settings, self._simulators, self._clock = settings, simulators, clock
        self._authorizer = authorizer
        self.store = Store.open(settings.database_path, secret=home.secret, clock=clock)
        self.ingest = Ingest(self.store, settings.home / "journal", clock)
        self.placing = Placing(self.store, settings.home, atlas, lambda: self.settings.documents, self._new_atlas)
        try:
            self.books = Bookkeeping(self.store, clock, settings.ledger_url)
            lending = Lending(self.store, clock, shared=self.books.shared, catch_up=self.books.catch_up)
            self.hub = Hub(lending, self._welcome, clock, remembering=Remembering(self.store, clock))
            self.ruling = Ruling(settings, simulators, self.store, self.hub, self._locate)
        except BaseException:  # whatever it is, the store's thread must not keep this process from ending
            self.store.close()
            raise
        self.telling = Telling(self.store, self.hub, settings.home / "directory" / "keys.dir")
        self.residing = Residing(self.store, home.secret, lambda: self.rules, self.telling.publish, clock)
        self.jobs = Jobs(self.store, clock)
        self.hearing = Hearing(self.store, self.jobs, self.telling.publish, clock)
        self.granting = Granting(
            self.store, self.jobs, self.telling.publish, self.hub.call_back, clock, self.books.shared
        )
        self.proving = Proving(self.store, self.jobs, clock)
        self.outbox = Outbox(self.store, clock)
        inquiries = Inquiries(self.store, lambda: of_book(self.rules.book), clock, self.books.shared)
        self.hub.on_inquiry = inquiries.answer
        self.mail = Mail(lambda: self.settings, clock)
        self.answering = Answering(self.store, lambda: self.settings, lambda: self.rules, self.mail, self.jobs)
        around = self._around = Surroundings(
            self.store, lambda: self.settings, self.ruling, lambda: self.placing.atlas, self.telling.publish_accounts
        )
        self.river = River(self.store, around, self.mail, clock)
        self.outbox.ear = self.river
        self.jobs.register(DAILY, self.river.day, for_ever=True)
        self.jobs.register(SENDING, self.river.send, for_ever=True)
        self.jobs.register(appeals.HEARD, self.river.heard, for_ever=True)
        self.returning = Returning(self.store, self.mail, self.river, self.jobs, clock)
        self._day = system_clock() // DAY
        self.telling.write()
        self.ruling.adopt("gapura serve")
        self.context = Context(
            store=self.store,
            settings=settings,
            atlas=lambda: self.placing.atlas,
            documents=lambda: self.settings.documents,
            trial_atlas=self.placing.trial,
            renew_atlas=self.placing.renew,
            rules=lambda: self.rules,
            publish=self.telling.publish,
            shadow=lambda: self.ruling.shadow,
            renew=self._renew,
            renew_shadow=self.ruling.renew_shadow,
            check=self.ruling.check,
            reload=self.reload,
            metrics=self.metrics,
            status=self.status,
            wake=self.jobs.wake,
            recall=self.hub.call_back,
            campaigns=Campaigns(self.river, around, self.mail),
            ledger=self.books.shared,
        )

    async def run(
        self, stop: asyncio.Event, admin_socket: socket.socket, life: Life, portal_socket: socket.socket | None = None
    ) -> None:
        """Serve until `stop`; the gates have drained before.  `portal_socket`: for accounts' own pages, where there are
        any."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
        path = runtime.socket_path(self.settings.home)
        servers = [
            (loops.server(admin(self.context), self.settings), admin_socket),
            (loops.server(admin(self.context, local=True), self.settings), local_socket(path)),
        ]
        if portal_socket is not None:
            hosts = frozenset(self.settings.portal_hosts)
            servers.append((loops.server(self.portal(), self.settings, hosts), portal_socket))
        try:
            async with self.working(), asyncio.TaskGroup() as serving:
                for one, at in servers:
                    serving.create_task(one.serve(sockets=[at]))
                life.ready()
                await stop.wait()
                for one, _ in servers:
                    one.should_exit = True
        finally:
            path.unlink(missing_ok=True)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Everything but the admin API; at the end what the gates wrote is taken in, and the store closed."""
        try:
            builds.sweep(self.settings.home)
            await self.placing.try_to_renew()
            await recover(self.store, self.ingest, self._clock)
            await self.hub.start(runtime.gates_socket(self.settings.home))
            self.granting.begin()
            async with asyncio.TaskGroup() as tasks:
                work = (self.ingest, self.hub, self.residing, self.jobs, self.outbox, self.books)
                jobs = [
                    tasks.create_task(job)
                    for job in (*(one.run() for one in work), self._recovering(), self._retaining())
                ]
                yield
                await self.hub.close()
                for job in jobs:
                    job.cancel()
            await self.telling.close()
            await self.mail.close()
            await self.finish()
        finally:
            self.books.close()
            self.store.close()

    async def finish(self) -> None:
        """What gates wrote is taken in, and what those that ended were lent comes back."""
        while await self.ingest.step():
            pass
        await recover(self.store, self.ingest, self._clock)
        await self.books.finish()

    def portal(self) -> Portal:
        """Accounts' own pages."""
        hearing = portal.Hearing(
            self.store, lambda: self.rules, self.telling.publish, self.jobs.wake, self._around.ways
        )
        return Portal(hearing, portal.Door(self.settings, self.store.secret))

    @property
    def rules(self) -> Rules:
        return self.ruling.rules

    def reload(self) -> Rules:
        """Read gapura.toml again, and put it in force everywhere.  Raises BadDocument, BadSetting, and StoreFailed."""
        fresh = Settings.load(os.environ, cwd=Path.cwd())
        documents = msgspec.structs.replace(self.settings, documents=fresh.documents)
        plan(fresh.documents)
        self.ruling.reload(documents)
        self.settings = documents
        self._renewing = asyncio.get_running_loop().create_task(self.placing.try_to_renew())
        return self.rules

    def metrics(self) -> dict[str, float]:
        """The gates' counters added up, and the keeper's own."""
        found: dict[str, float] = {
            "gapura_gates": self.hub.count,
            "gapura_journal_lag_seconds": self.ingest.lag(),
            "gapura_journal_entries_total": self.ingest.entries,
            "gapura_journal_missing_total": self.ingest.missing,
            "gapura_journal_strange_total": self.ingest.strange,
        }
        for report in self.hub.reports.values():
            for series, value in report.counters.items():
                found[series] = found.get(series, 0) + value
        return found

    def status(self) -> Status:
        return Status(
            version=__version__,
            serving=True,
            ready=True,
            policy_version=self.rules.book.version,
            sandbox=self.rules.book.sandbox,
            atlas_as_of=self.placing.atlas.as_of,
            directory_seq=self.telling.seq,
            journal_lag_s=self.ingest.lag(),
            gates=tuple(map(self._gate, self.hub.here())),
            problems=(*self.ruling.problems(), *self._astray(), *self._unfinished()),
            authorizer=self._authorizer,
        )

    def _new_atlas(self, news: NewAtlas) -> None:
        self.hub.publish_atlas(news)
        self.ruling.relocate()
        self._look_again()

    def _renew(self, rules: Rules, limits: Limits, made_of: Mapping[str, Any]) -> None:
        self.ruling.renew(rules, limits, made_of)
        self._look_again()

    def _look_again(self) -> None:
        """Campaigns weigh everybody anew: who is affected may be others now."""
        self.store.write(self.river.look_again).add_done_callback(_noted)
        self.jobs.wake()

    def _locate(self, address: str) -> Located:
        return self.placing.atlas.locate(address)

    def _gate(self, hello: Hello) -> GateStatus:
        report = self.hub.reports.get(hello.incarnation, Report({}, {}))
        return GateStatus(
            hello.gate, hello.pid, hello.incarnation, atlas=report.atlas, atlas_problem=report.atlas_problem
        )

    def _astray(self) -> Iterator[str]:
        """Place data that could not be loaded."""
        if self.placing.problem:
            yield f"the newest place data cannot be loaded: {self.placing.problem}"
        for gate in map(self._gate, self.hub.here()):
            if gate.atlas_problem:
                yield f"gate {gate.gate} has older place data: {gate.atlas_problem}"

    def _unfinished(self) -> Iterator[str]:
        """What is due and is not done."""
        yield from self.jobs.problems()
        yield from self.books.problems()
        yield from self.hearing.problems()
        yield from self.returning.problems()
        yield from filter(None, [self.river.stopped])

    def _welcome(self) -> Welcome:
        rules, shadow = self.ruling.encoded(), self.ruling.encoded_shadow()
        return Welcome(rules, str(self.telling.path), self.telling.file_seq, self._clock(), self.placing.news(), shadow)

    def _hang_up(self) -> None:
        try:
            self.reload()
            self.ruling.adopt("SIGHUP")
        except (BadDocument, BadSetting, StoreFailed) as error:
            log.warning("rules not reloaded; the former ones stay in force", error=str(error))

    async def _recovering(self) -> None:
        while True:
            await asyncio.sleep(RECOVER_S)
            try:
                await recover(self.store, self.ingest, self._clock)
            except (StoreFailed, OSError) as error:
                log.warning("dead gates are not recovered yet", error=str(error))

    async def _retaining(self) -> None:
        """Once an hour, what is over its time."""
        while True:
            try:
                for batch in BATCHES:
                    while await asyncio.wrap_future(self.store.write(partial(batch, at=self._clock()))):
                        pass
                await self.jobs.forget()
                if days := self.settings.keep_texts_days:
                    before = self._clock() - days * DAY
                    for forget in (audit.forget, appeals.forget):
                        await asyncio.wrap_future(self.store.write(partial(forget, before=before)))
            except (StoreFailed, OSError) as error:
                log.warning("what is over its time is still kept", error=str(error))
            await asyncio.sleep(RETAIN_S)


def _noted(done: "Future[None]") -> None:
    """Where it could not be, it is done with the next day's."""
    if error := done.exception():
        log.warning("campaigns are not weighed anew yet", error=str(error))


def local_socket(path: Path) -> socket.socket:
    """A Unix socket that only this user can reach, in place of one that a dead keeper left."""
    made = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    made.bind(str(path))
    path.chmod(0o600)
    return made
