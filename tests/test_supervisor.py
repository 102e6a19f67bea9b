"""Real processes: started in order, started again when killed, drained in reverse, and none left behind."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

import pytest

PROGRAM = r"""
import os, select, signal, socket, sys
import structlog
from gapura.supervisor import Child, Life, Supervisor

structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
births, born = os.pipe()
door = socket.create_server(("127.0.0.1", 0))

def member(name):
    def main(life):
        stop = []
        read, write = os.pipe()
        signal.signal(signal.SIGTERM, lambda *_: os.write(write, b"x"))
        print(name, "up", os.getpid(), flush=True)
        if name == "early":
            os.write(born, b"x")
        elif "needy" in sys.argv:  # it serves only where the other one was born twice
            os.read(births, 1)
            os.kill(children[0].pid, signal.SIGKILL)
            os.read(births, 1)
        life.ready()
        select.select([read, life.lifeline], [], [])
        if "door" in sys.argv:
            print(name, "door", knock(), flush=True)
        os.write(1, f"{name} down\n".encode())  # two at once must not mix
    return main

def knock():
    try:
        socket.create_connection(ADDRESS, 1).close()
        return "open"
    except OSError:
        return "shut"

def broken(life):
    raise RuntimeError("cannot")

ADDRESS = door.getsockname()
children = [Child("early", member("early"), stage=1), Child("late", member("late"), (door,), stage=2)]
if "broken" in sys.argv:
    children.append(Child("broken", broken, stage=3))
print("ends", Supervisor(children, drain_s=5, on_ready=lambda: print("ready", flush=True)).run(), flush=True)
"""


class Running:
    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.out: IO[str] = self.process.stdout

    def line(self) -> list[str]:
        return self.out.readline().split()

    def rest(self) -> list[list[str]]:
        return [line.split() for line in self.out]


@pytest.fixture
def running() -> Iterator[Running]:
    it = Running()
    yield it
    with suppress(ProcessLookupError):
        it.process.kill()
    it.process.wait()
    it.out.close()


def start(it: Running) -> dict[str, int]:
    pids = {}
    for name in ("early", "late"):
        said = it.line()
        assert said[:2] == [name, "up"]
        pids[name] = int(said[2])
    assert it.line() == ["ready"]
    return pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drains_from_the_last_stage_to_the_first(running: Running, number: signal.Signals) -> None:
    start(running)
    running.process.send_signal(number)
    assert running.rest() == [["late", "down"], ["early", "down"], ["ends", "0"]]


@pytest.mark.parametrize("name", ["early", "late"])
def test_what_is_killed_is_started_again(running: Running, name: str) -> None:
    pids = start(running)
    os.kill(pids[name], signal.SIGKILL)
    said = running.line()
    assert said[:2] == [name, "up"]
    assert int(said[2]) != pids[name]
    running.process.send_signal(signal.SIGTERM)
    assert running.rest()[-1] == ["ends", "0"]


def test_no_orphan_outlives_the_supervisor(running: Running) -> None:
    start(running)
    running.process.kill()
    assert sorted(running.rest()) == [["early", "down"], ["late", "down"]]


def test_a_child_that_cannot_start_ends_all() -> None:
    it = Running("broken")
    said = it.rest()
    assert said[-1] == ["ends", "1"]
    assert ["ready"] not in said
    it.process.wait()
    it.out.close()


def test_who_dies_during_the_start_is_started_again() -> None:
    it = Running("needy")
    assert [it.line()[:2] for _ in range(4)] == [["early", "up"], ["late", "up"], ["early", "up"], ["ready"]]
    it.process.send_signal(signal.SIGTERM)
    assert it.rest()[-1] == ["ends", "0"]
    it.process.wait()
    it.out.close()


def test_a_door_is_shut_as_soon_as_nobody_is_behind_it() -> None:
    it = Running("door")
    start(it)
    it.process.send_signal(signal.SIGTERM)
    said = it.rest()
    assert [line for line in said if "door" in line] == [["late", "door", "open"], ["early", "door", "shut"]]
    it.process.wait()
    it.out.close()
