"""A process of its own: asked many things at once, killed, left behind, and talking nonsense."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gapura.keeper.worker import Worker, WorkerFailed

PROGRAM = """
import asyncio, os, sys
import msgspec
from gapura.keeper.worker import serve

async def double(body):
    return msgspec.msgpack.encode(2 * msgspec.msgpack.decode(body))

async def fail(body):
    raise ValueError("not today")

async def die(body):
    os._exit(7)

async def slow(body):
    path = msgspec.msgpack.decode(body)
    open(path + ".begun", "w").close()
    while not os.path.exists(path):
        await asyncio.sleep(0.005)
    os.rename(path, path + ".done")
    return body

async def prints(body):
    print("a word among the frames")
    return body

tasks = {"double": double, "fail": fail, "die": die, "slow": slow, "prints": prints}
asyncio.run(serve(tasks))
"""
ARGV = (sys.executable, "-c", PROGRAM)


def test_many_at_once_and_each_gets_its_own_answer() -> None:
    async def main() -> list[int]:
        worker = Worker(ARGV)
        try:
            return await asyncio.gather(*(worker.ask("double", number, int) for number in range(200)))
        finally:
            await worker.close()

    assert asyncio.run(main()) == [2 * number for number in range(200)]


def test_what_a_task_raises_is_told_and_the_process_lives_on() -> None:
    async def main() -> int:
        worker = Worker(ARGV)
        for task, told in (("fail", "ValueError: not today"), ("unheard-of", "unheard-of")):
            with pytest.raises(WorkerFailed, match=told):
                await worker.ask(task, None, int)
        pid = worker.pid
        assert await worker.ask("prints", 3, int) == 3 and worker.pid == pid
        await worker.close()
        return worker.pid

    assert asyncio.run(main()) == 0


def test_one_that_dies_is_told_of_and_started_again() -> None:
    async def main() -> None:
        worker = Worker(ARGV)
        with pytest.raises(WorkerFailed, match=r"ended \(7\)"):
            await worker.ask("die", None, int)
        assert await worker.ask("double", 4, int) == 8
        os.kill(worker.pid, signal.SIGKILL)
        await asyncio.wait_for(worker._reading, 20)  # type: ignore[arg-type]
        assert await worker.ask("double", 5, int) == 10
        await worker.close()

    asyncio.run(main())


def test_one_that_talks_nonsense_is_ended() -> None:
    async def main() -> None:
        worker = Worker((sys.executable, "-c", "import os; os.write(1, b'x' * 400); os.read(0, 400); os.read(0, 1)"))
        with pytest.raises(WorkerFailed):
            await worker.ask("double", 1, int)

    asyncio.run(main())


def test_when_the_keeper_is_gone_it_ends_what_it_began_and_goes(tmp_path: Path) -> None:
    keeper = f"""
import asyncio, os, sys
from gapura.keeper.worker import Worker
async def main():
    worker = Worker((sys.executable, "-c", {PROGRAM!r}))
    asyncio.ensure_future(worker.ask("slow", {str(tmp_path / "it")!r}, str))
    while not os.path.exists({str(tmp_path / "it.begun")!r}):
        await asyncio.sleep(0.005)
    os.write(1, str(worker.pid).encode())
    await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", keeper], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        worker = int(os.read(process.stdout.fileno(), 20))
        process.kill()
        process.wait()
    os.kill(worker, 0)
    (tmp_path / "it").touch()
    descriptor = os.pidfd_open(worker)
    try:
        asyncio.run(readable(descriptor))
    finally:
        os.close(descriptor)
    assert (tmp_path / "it.done").exists()


async def readable(descriptor: int) -> None:
    """Until a process has ended."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    async with asyncio.timeout(60):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
