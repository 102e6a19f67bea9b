"""One gate in its process: the river's `Gate` made real, and the clockwork around it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog

from gapura import runtime
from gapura.app import loops
from gapura.app.home import Home
from gapura.app.rules import rulebook, ways
from gapura.atlas.proxies import Trust
from gapura.atlas.sources import Atlas
from gapura.clock import Clock
from gapura.gate.authorizer import Access, Authorizer
from gapura.gate.edge import EdgeProtocol
from gapura.gate.http import App
from gapura.gate.inquiries import Inquiries
from gapura.gate.link import Link, State
from gapura.gate.memory import Memory
from gapura.gate.metrics import Metrics, shadow_samples
from gapura.gate.placing import Placing, load
from gapura.gate.proxy2 import trusting
from gapura.gate.purses import Purses
from gapura.providers.transport import Transport
from gapura.request.locate import Places
from gapura.request.notice import Notices
from gapura.request.pipeline import Gate
from gapura.request.route import Health
from gapura.request.shadow import Shadow
from gapura.rulebook.compile import Rules
from gapura.rulebook.egress import names_addresses
from gapura.settings import Settings
from gapura.store.directory import Directory
from gapura.store.journal import Journal, JournalFull
from gapura.supervisor import Life
from gapura.terms import ids
from gapura.terms.caller import Account
from gapura.terms.link import Report
from gapura.terms.record import Marked, Progress
from gapura.terms.rulebook import Rulebook

log = structlog.get_logger()

BEAT_S = 1.0
# Whether there is something to sync is asked no more often than that: an idle gate must not be busy asking.
LEAST_PAUSE_S = 0.001


class GateProcess:
    """`number` of the gates on this machine; `simulators` as in `app.rules`."""

    def __init__(
        self, settings: Settings, home: Home, simulators: dict[str, str], atlas: Atlas, clock: Clock, number: int
    ) -> None:
        self._settings, self._clock = settings, clock
        incarnation = ids.new("inc", clock())
        self.journal = Journal.open(
            settings.home / "journal", incarnation, segment_bytes=settings.journal_segment_bytes, clock=clock
        )
        self.link = Link(runtime.gates_socket(settings.home), incarnation, number, os.getpid())
        self.purses = Purses(self.link.ask, clock)
        book = rulebook(settings, simulators)
        self.placing = Placing(atlas, lambda told: load(settings.home, told, clock), self._placed)
        self.state = State(
            on_rules=self._new_rules,
            on_next=self._next_rules,
            on_atlas=self.placing.renew,
            on_directory=self._new_directory,
            on_delta=lambda delta: self._directory.apply(delta) if self._directory else None,
            purses=self.purses,
            max_age_s=settings.snapshot_max_age,
        )
        self.gate = Gate(
            clock=clock,
            pepper=home.secret.pepper,
            max_body=settings.max_body_bytes,
            places=Places(atlas, Trust(settings.trusted_proxies, settings.client_header), book.site_territory),
            purses=self.purses,
            journal=self.journal,
            transport=Transport(),
            health=Health(),
            ways=ways(book, settings),
            rules=Rules(book, atlas.locate),
            directory=_Nobody(),
            freshness=self.state,
            notices=Notices(settings.notice_page, settings.public_url),
            memory=Memory(self.link, home.secret),
        )
        self._directory: Directory | None = None
        self._welcomed = asyncio.Event()
        self.authorizer = self._authorizer() if settings.authorizes else None
        metrics = self._metrics = Metrics(
            self.gate.tally,
            {
                "gapura_open_requests": lambda: len(self.gate.running),
                "gapura_journal_room": lambda: float(self.journal.room),
                "gapura_keeper_connected": lambda: float(self.link.connected),
            },
            self._more_samples,
        )
        inquiries = Inquiries(self.link.inquire, clock)
        self.app = App(self.gate, metrics, lambda: self.placing.problem, inquiries)

    async def run(self, stop: asyncio.Event, listeners: Sequence[socket.socket], life: Life) -> None:
        """Serve until `stop`; then begun requests end, and what was lent goes back.  `listeners`: the gates' own, and
        the authorizer's where it is on."""
        # Front ends ask under any name: they hand on the client's.
        hosts = frozenset(self._settings.allowed_hosts)
        apps: list[tuple[Any, frozenset[str], type[EdgeProtocol]]]
        apps = [(self.app, hosts, self._protocol()), (self.authorizer, frozenset(), EdgeProtocol)]
        servers = [
            (loops.server(app, self._settings, names, protocol), at)
            for (app, names, protocol), at in zip(apps, listeners, strict=False)
        ]
        async with self.working(stop), asyncio.TaskGroup() as tasks:
            if not stop.is_set():
                for server, at in servers:
                    tasks.create_task(server.serve(sockets=[at]))
                life.ready()
                await stop.wait()
                for server, _ in servers:
                    server.should_exit = True

    @asynccontextmanager
    async def working(self, stop: asyncio.Event | None = None) -> AsyncIterator[None]:
        """Everything but the listener, from the keeper's welcome on, or from `stop` on: a keeper that is gone welcomes
        nobody.  At the end what was lent goes back."""
        async with asyncio.TaskGroup() as tasks:
            jobs = [tasks.create_task(job) for job in (self.link.run(self.state), self._beating(), self._syncing())]
            waited = [asyncio.ensure_future(event.wait()) for event in (self._welcomed, stop) if event]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for waiting in waited:
                waiting.cancel()
            await self.placing.settled()
            yield
            for back in self.purses.recall_all():
                self.link.give_back(back)
            self.beat()
            for job in jobs:
                job.cancel()
        await self.gate.transport.close()
        self.journal.close()

    def beat(self) -> None:
        """Once a second: what is under way and what is left go into the journal, the counters to the keeper."""
        gate, now = self.gate, self._clock()
        gate.health.merge(self.state.open_circuits, now)
        if gate.running:
            self.journal.append(Progress(now, tuple(one.progress() for one in gate.running.values())))
        if held := self.purses.held():
            self.journal.append(Marked(now, held))
        self.link.report(
            Report(
                self._metrics.samples(),
                gate.health.snapshot(now),
                atlas=self.placing.version,
                atlas_problem=self.placing.problem,
            )
        )

    async def _beating(self) -> None:
        while True:
            try:
                self.beat()
            except (JournalFull, OSError) as error:
                log.warning("the journal does not take a mark", error=str(error))
            await asyncio.sleep(BEAT_S)

    async def _syncing(self) -> None:
        """Bring the journal to the disk's platter, `journal_fsync_ms` after the last time."""
        pause = max(self._settings.journal_fsync_ms / 1000, LEAST_PAUSE_S)
        written = -1
        while True:
            if self.journal.sequence != written:
                written = self.journal.sequence
                await asyncio.to_thread(self.journal.sync)
            await asyncio.sleep(pause)

    def _protocol(self) -> type[EdgeProtocol]:
        prefaced = self._settings.proxy_protocol == "required"
        return trusting(self.gate.places.trust) if prefaced else EdgeProtocol

    def _authorizer(self) -> Authorizer:
        settings = self._settings
        access = Access(
            secret=settings.authorizer_secret.encode(),
            peers=Trust(settings.authorizer_peers),
            proxies=Trust((*settings.authorizer_peers, *settings.trusted_proxies)),
            product=settings.authorizer_product,
            on_error=settings.authorizer_on_error,
        )
        return Authorizer(self.gate, access, self._account)

    def _account(self, organisation: str, external_id: str) -> Account | None:
        return self._directory.by_external_id(organisation, external_id) if self._directory else None

    def _new_rules(self, encoded: bytes) -> None:
        book = msgspec.msgpack.decode(encoded, type=Rulebook)
        if book != self.gate.rules.book:
            self.gate.rules = Rules(book, self.gate.places.atlas.locate)
            self.gate.ways = ways(book, self._settings)

    def _next_rules(self, encoded: bytes) -> None:
        """What has been counted stays as long as it is the same version."""
        book = msgspec.msgpack.decode(encoded, type=Rulebook) if encoded else None
        running = self.gate.shadow.rules.book if self.gate.shadow else None
        if book != running:
            self.gate.shadow = Shadow(Rules(book, self.gate.places.atlas.locate)) if book else None

    def _more_samples(self) -> dict[str, float]:
        return (self.authorizer.samples() if self.authorizer else {}) | shadow_samples(self.gate.shadow)

    def _placed(self, atlas: Atlas) -> None:
        gate = self.gate
        gate.places = gate.places._replace(atlas=atlas)
        if names_addresses(gate.rules.book):
            gate.rules = Rules(gate.rules.book, atlas.locate)
        if gate.shadow and names_addresses(gate.shadow.rules.book):
            gate.shadow.rules = Rules(gate.shadow.rules.book, atlas.locate)

    def _new_directory(self, path: str, seq: int) -> None:
        former, self._directory = self._directory, Directory(Path(path), seq)
        self.gate.directory = self._directory
        if former is not None:
            former.close()
        self._welcomed.set()


class _Nobody:
    """The directory before the keeper has sent one: no request is served by then."""

    def find(self, digest: bytes) -> None:  # noqa: ARG002 - the shape of a directory
        return None
