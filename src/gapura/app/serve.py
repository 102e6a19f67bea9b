"""`gapura serve`: prepare the home, bind the sockets, start the processes, and say what is in force."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing

from gapura import __version__, clock, runtime
from gapura.app import loops
from gapura.app.gate import GateProcess
from gapura.app.home import Home, prepare, tell_once
from gapura.app.logs import configure
from gapura.app.rules import in_force
from gapura.atlas import sources
from gapura.atlas.sources import Atlas
from gapura.clock import system_clock
from gapura.rulebook.lints import Limits, standing
from gapura.rulebook.opinions import product_name, product_of
from gapura.rulebook.problems import problems
from gapura.sandbox import base_urls, run
from gapura.settings import Settings
from gapura.store import rulebooks
from gapura.store.base import StoreFailed
from gapura.store.sqlite import Store
from gapura.supervisor import Child, Life, Supervisor
from gapura.terms.rulebook import Policy, Rulebook

BACKLOG = 4096


def serve(settings: Settings, *, sandbox: bool) -> int:
    """Until it is told to stop; the exit code.  Raises HomeTaken, StoreFailed, BadDocument, OSError, which say why."""
    configure(settings.log_level, settings.log_format)
    with runtime.hold(settings.home):
        home = prepare(settings, sandbox=sandbox, clock=system_clock)
        # At once: whatever fails from here on, what is told only once has been told.
        say(tell_once(settings.home, home.once, terminal=sys.stdout.isatty()))
        gates = bind(settings.host, settings.port, "GAPURA_PORT")
        keeper = bind(settings.admin_host, settings.admin_port, "GAPURA_ADMIN_PORT")
        authorizer = (
            bind(settings.authorizer_host, settings.authorizer_port, "GAPURA_AUTHORIZER_PORT")
            if settings.authorizes
            else None
        )
        pages = bind(settings.portal_host, settings.portal_port, "GAPURA_PORTAL_PORT") if settings.public_url else None
        vendors = bind("127.0.0.1", 0, "the sandbox") if home.sandbox else None
        simulators = base_urls(vendors.getsockname()[1]) if vendors else {}
        book, limits = _ruling(settings, home, simulators)
        atlas = sources.load(settings.home, settings.documents)
        asked = url(authorizer) if authorizer else ""
        own = (keeper, pages) if pages else (keeper,)
        told = _keeper(settings, home, simulators, atlas, own, asked)
        children = [Child("keeper", told, own, stage=1, hup=True)]
        if vendors:
            children.append(Child("sandbox", _sandbox(vendors), (vendors,)))
        doors = (gates, authorizer) if authorizer else (gates,)
        children += [
            Child(f"gate {number}", _gate(settings, home, simulators, atlas, doors, number), doors, stage=2)
            for number in range(settings.workers or cores())
        ]

        def announce() -> None:
            say([*banner(settings, home, book, gates, keeper, asked), *notes(home, book, limits, atlas)])

        return Supervisor(children, drain_s=settings.drain_s, on_ready=announce).run()


def _ruling(settings: Settings, home: Home, simulators: dict[str, str]) -> tuple[Rulebook, Limits]:
    """Before anything is started: rules that cannot be read stop it here, with one clear message."""
    with closing(Store.open(settings.database_path, secret=home.secret)) as store:
        book, paper = in_force(settings, simulators, lambda: store.read(lambda db: rulebooks.in_state(db, "active")))
        return book, paper.limits


def say(lines: Sequence[str]) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201 - what the command says to its user


def cores() -> int:
    """Those that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(allowed(0)) if allowed else os.cpu_count() or 1


class PortTaken(StoreFailed):
    """An address cannot be listened on."""

    code = "port_taken"


def bind(host: str, port: int, name: str) -> socket.socket:
    """A listening socket, for all processes that serve there.  `name` is the setting that decides it."""
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        why = "it is in use by another program" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortTaken(f"cannot listen on {host}:{port}: {why}; set {name}") from None
    return made


def _keeper(
    settings: Settings,
    home: Home,
    simulators: dict[str, str],
    atlas: Atlas,
    listeners: Sequence[socket.socket],
    asked: str,
) -> Callable[[Life], None]:
    """`listeners`: the admin API's, and accounts' pages' where there are any."""
    admin, *pages = listeners

    def main(life: Life) -> None:
        # Here, not above: gates are forked from the same process and shall not carry what letters and pages need.
        from gapura.app.keeper import Keeper  # noqa: PLC0415

        async def process(stop: asyncio.Event) -> None:
            keeper = Keeper(settings, home, simulators, atlas, system_clock, authorizer=asked)
            await keeper.run(stop, admin, life, *pages)

        loops.run(life, process)

    return main


def _gate(
    settings: Settings,
    home: Home,
    simulators: dict[str, str],
    atlas: Atlas,
    listeners: Sequence[socket.socket],
    number: int,
) -> Callable[[Life], None]:
    def main(life: Life) -> None:
        async def process(stop: asyncio.Event) -> None:
            await GateProcess(settings, home, simulators, atlas, system_clock, number).run(stop, listeners, life)

        loops.run(life, process)

    return main


def _sandbox(listener: socket.socket) -> Callable[[Life], None]:
    def main(life: Life) -> None:
        async def process(stop: asyncio.Event) -> None:
            simulating = asyncio.ensure_future(run(listener))
            life.ready()
            await stop.wait()
            simulating.cancel()
            await asyncio.wait([simulating])

        loops.run(life, process)

    return main


def banner(
    settings: Settings, home: Home, book: Rulebook, gates: socket.socket, keeper: socket.socket, asked: str = ""
) -> list[str]:
    """What is in force: addresses (`asked` is the authorizer's), providers, policies."""
    lines = [
        f"gapura {__version__}{'   SANDBOX: the vendors are simulated, nothing leaves this machine' * home.sandbox}",
        f"serves      {url(gates)}/v1",
        f"admin       {url(keeper)}/api/v1",
        f"state       {settings.home}",
    ]
    if settings.public_url:
        lines.insert(3, f"accounts    {settings.public_url}, served on {settings.portal_host}:{settings.portal_port}")
    if asked:
        product = settings.authorizer_product or "the product that they name"
        peers = ", ".join(settings.authorizer_peers)
        lines.insert(3, f"authorizer  {asked} for {peers}; {product}; undecided: {settings.authorizer_on_error}")
    for endpoint in book.endpoints:
        where = f"processes in {endpoint.processing_territory or 'an unknown territory'}"
        lines.append(f"provider    {endpoint.provider:<7} {endpoint.base_url} ({where})")
    lines += [f"policy      {told(policy)}" for policy in book.policies] or ["policy      none: no provider is guarded"]
    lines.append(f"rules       version {book.version}, {len(book.routes)} models")
    return lines


def notes(home: Home, book: Rulebook, limits: Limits, atlas: Atlas) -> list[str]:
    """What a person should look at."""
    at = system_clock()
    found = [*problems(book, at, atlas.locate), *standing(book.policies, limits, at)]
    return [
        *(f"note        {problem}" for problem in found),
        *(f"note        {name} was set up before and has no key now" for name in home.lost),
    ]


def told(policy: Policy) -> str:
    """A policy in one line.

    >>> from gapura.atlas.packs import pack
    >>> told(Policy(name="openai/api", pack=pack("openai/api")))[:47]
    'openai/api: list of 2026-09-26, 208 territories'
    """
    pack = policy.pack
    size = f"{len(pack.supported) + len(pack.partial)} territories" if pack.kind == "allow" else "all but a few"
    phases = ", ".join(f"{phase.effect} from {clock.text(phase.starts)}" for phase in policy.phases) or "block at once"
    product = product_of(policy)
    guards = ", ".join(pack.guards) if product == "api" else f"{product_name(policy)}, as front ends ask"
    models = f" ({', '.join(policy.models)} alone)" * bool(policy.models)
    return (
        f"{policy.name}: list of {pack.as_of}, {size}, guards {guards}{models}; not listed: {phases}; "
        f"unknown: {policy.on_unknown}; sources disagree: {policy.on_disagreement}; partial: {policy.on_partial}"
    )


def url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
