"""Starts processes, restarts what dies, and drains all when told to.

Children are forked from here, so that they share what was loaded and need nothing handed over.  This process has no
threads, no event loop and nothing to lose: whatever kills a child, it starts another one.  The other way round, each
child holds the reading end of a pipe whose writing end is only here; when it ends, the supervisor is gone, and the
child drains and goes too, so that no orphan runs.

Listening sockets are bound before, and kept here, so that callers wait for a child that is started again.  Whoever
drains closes them: nobody shall be let in where nobody will answer.

SIGTERM and SIGINT drain (a second one ends at once); SIGHUP is passed on to children that want it.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import structlog

from gapura.errors import GapuraError

log = structlog.get_logger()

# Between two starts of a child that keeps dying; one that lived for STEADY_S begins again with the first.
PAUSES_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0
READY_S = 60.0
LINGER_S = 5.0

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Life(msgspec.Struct):
    """What a child gets: call `ready` once it serves; drain when `lifeline` (a file descriptor) can be read, and be
    gone `patience_s` later: nobody is left then to see to it."""

    lifeline: int
    ready_fd: int
    patience_s: float

    def ready(self) -> None:
        with suppress(BrokenPipeError):  # of a child that was started again nobody waits to hear
            os.write(self.ready_fd, b"1")
        os.close(self.ready_fd)


class Child(msgspec.Struct):
    """`main` runs in the child and returns when it has drained.  `listeners` are the child's; there those of others are
    closed.  `stage`: higher ones start later and drain earlier."""

    name: str
    main: Callable[[Life], None]
    listeners: tuple[socket.socket, ...] = ()
    stage: int = 0
    hup: bool = False
    pid: int = 0
    started: float = 0.0
    deaths: int = 0


class Supervisor:
    """`on_ready` is called once, when every child serves for the first time."""

    def __init__(self, children: Sequence[Child], *, drain_s: float, on_ready: Callable[[], None]) -> None:
        self._children = sorted(children, key=lambda child: child.stage)
        self._drain_s, self._on_ready = drain_s, on_ready
        self._life_read, self._life_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        self._listeners = [listener for child in children for listener in child.listeners]
        self._signals: list[int] = []
        self._due: dict[str, float] = {}

    def run(self) -> int:
        """Until it is told to stop.  Returns 0, or 1 where a child could not be started at all."""
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signals.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes us up, which is all that it is for
        for child in self._children:
            if not self._begin(child):
                log.error("could not be started", process=child.name)
                self._drain()
                return 1
        if not self._stopping():
            self._on_ready()
        while not self._stopping():
            self._sleep(max(0.0, min(self._due.values()) - time.monotonic()) if self._due else 3600.0)
            self._tend()
        self._drain()
        return 0

    def _stopping(self) -> bool:
        return signal.SIGTERM in self._signals or signal.SIGINT in self._signals

    def _tend(self) -> None:
        """Pass on hang-ups, reap who died, start again who is due."""
        if signal.SIGHUP in self._signals:
            self._signals = [number for number in self._signals if number != signal.SIGHUP]
            for child in self._children:
                if child.hup and child.pid:
                    os.kill(child.pid, signal.SIGHUP)
        for child, status in self._reap():
            child.deaths = 0 if time.monotonic() - child.started > STEADY_S else child.deaths + 1
            pause = PAUSES_S[min(child.deaths, len(PAUSES_S) - 1)]
            log.warning("died, starts again", process=child.name, status=status, in_s=pause)
            self._due[child.name] = time.monotonic() + pause
        for child in self._children:
            if self._due.get(child.name, float("inf")) <= time.monotonic():
                del self._due[child.name]
                os.close(self._start(child))

    def _reap(self) -> list[tuple[Child, int]]:
        dead = []
        for child in self._children:
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    child.pid = 0
                    dead.append((child, os.waitstatus_to_exitcode(status)))
        return dead

    def _begin(self, child: Child) -> bool:
        """Start it for the first time, and see to the others until it serves: it may need them.  False if it died or
        took too long."""
        ready, until = self._start(child), time.monotonic() + READY_S
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(ready, selectors.EVENT_READ)
                selector.register(self._wake_read, selectors.EVENT_READ)
                while (now := time.monotonic()) < until and not self._stopping():
                    next_s = max(0.0, min([until, *self._due.values()]) - now)
                    found = {key.fd for key, _ in selector.select(next_s)}
                    if ready in found:  # its end, too, is seen here before its death is
                        return os.read(ready, 1) == b"1"
                    if self._wake_read in found:
                        os.read(self._wake_read, 4096)
                    self._tend()
            return self._stopping()
        finally:
            os.close(ready)

    def _start(self, child: Child) -> int:
        """Fork it; what can be read once it serves, or ends."""
        ready_read, ready_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that comes before the child has forgotten our handlers would be lost in them.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        pid = os.fork()
        if pid == 0:
            os.close(ready_read)
            self._be(child, Life(self._life_read, ready_write, self._drain_s + LINGER_S))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        os.close(ready_write)
        child.pid, child.started = pid, time.monotonic()
        log.info("started", process=child.name, pid=pid)
        return ready_read

    def _be(self, child: Child, life: Life) -> None:
        """In the child: forget the supervisor's own, run, and never return."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # Ctrl-C goes to the whole group of a terminal; only the supervisor acts on it, and drains in order.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            for listener in self._listeners:
                if listener not in child.listeners:
                    listener.close()
            os.close(self._life_write)
            os.close(self._wake_read)
            os.close(self._wake_write)
            child.main(life)
            status = 0
        except GapuraError as error:  # a disk without room, a store that cannot be opened: a person can act on it
            log.error("failed", process=child.name, error=error.message)  # noqa: TRY400 - where in our code, helps nobody
        except BaseException:  # a child that fails says why, whatever it was
            log.exception("failed", process=child.name)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _drain(self) -> None:
        """Stop the stages from the last to the first; a second signal, or the end of patience, kills."""
        self._signals.clear()
        for listener in self._listeners:
            listener.close()
        for stage in sorted({child.stage for child in self._children}, reverse=True):
            members = [child for child in self._children if child.stage == stage]
            for child in members:
                self._tell(child, signal.SIGTERM)
            until = time.monotonic() + self._drain_s + LINGER_S
            while any(child.pid for child in members) and time.monotonic() < until and not self._stopping():
                self._sleep(min(until - time.monotonic(), 1.0))
                self._reap()
            for child in members:
                self._tell(child, signal.SIGKILL)
                if child.pid:
                    os.waitpid(child.pid, 0)
                    child.pid = 0

    def _tell(self, child: Child, number: signal.Signals) -> None:
        if child.pid:
            with suppress(ProcessLookupError):
                os.kill(child.pid, number)

    def _sleep(self, seconds: float) -> None:
        """Until a signal comes, at most that long."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            if selector.select(seconds):
                os.read(self._wake_read, 4096)
