"""Many requests, callers who leave, and vendors who are faster or slower than we are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import pytest
import uvloop

from gapura.errors import UpstreamFailed
from gapura.providers.transport import Answer, Deadlines, Transport, Upstream, upstream

PATIENT = Deadlines(connect_s=20, first_byte_s=20, idle_s=20)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MEGABYTE = 1 << 20

Run = Callable[[Coroutine[Any, Any, None]], None]
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


@asynccontextmanager
async def serving(script: Callable[[Reader, Writer], Awaitable[None]]) -> AsyncIterator[Upstream]:
    """A vendor; at the end all its connections must have ended without an error."""
    tasks: list[asyncio.Task[None]] = []

    async def accept(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()
    await asyncio.gather(*tasks)


async def gone(reader: Reader) -> None:
    with suppress(ConnectionError):
        while await reader.read(MEGABYTE):
            pass


async def ask(transport: Transport, at: Upstream, body: bytes = b"") -> Answer:
    return await transport.send(at, "/chat", [], body, PATIENT)


def test_two_hundred_at_once_then_one_after_the_other(run: Run) -> None:
    async def main() -> None:
        served: list[int] = []
        everybody = asyncio.Event()
        asked = 0

        async def echo(reader: Reader, writer: Writer) -> None:
            nonlocal asked
            served.append(0)
            me = len(served) - 1
            while head := await reader.readuntil(b"\r\n\r\n"):
                name = head.split()[1]
                asked += 1
                if asked == 200:
                    everybody.set()
                await everybody.wait()
                served[me] += 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(name), name))

        async with serving(echo) as at:
            transport = Transport()

            async def one(n: int) -> None:
                answer = await transport.send(at, f"/{n}", [], b"", PATIENT)
                assert await answer.body(100) == b"/%d" % n
                answer.close()

            await asyncio.gather(*(one(n) for n in range(200)))
            assert len(served) == 200
            for n in range(50):
                await one(n)
            assert sorted(served)[-2:] == [1, 51], "the connection used last is used first"
            await transport.close()

    run(main())


def test_who_hangs_up_early_is_gone_at_the_vendor_too(run: Run) -> None:
    async def main() -> None:
        left: asyncio.Queue[str] = asyncio.Queue()

        async def endless(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(CHUNKED + b"4\r\nsatu\r\n")
            await gone(reader)
            left.put_nowait("left")

        async def mute(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            left.put_nowait("asked")
            await gone(reader)
            left.put_nowait("left")

        transport = Transport()
        async with serving(endless) as at:
            answer = await ask(transport, at)
            assert await answer.read() == b"satu"
            answer.close()
            answer.close()
            assert await left.get() == "left"
            assert await answer.read() == b""
        async with serving(mute) as at:
            task = asyncio.create_task(ask(transport, at))
            assert await left.get() == "asked"
            task.cancel()
            assert await left.get() == "left"
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
        await transport.close()

    run(main())


def test_a_vendor_waits_for_a_slow_reader(run: Run) -> None:
    async def main() -> None:
        pouring: asyncio.Future[Writer] = asyncio.get_running_loop().create_future()

        async def pour(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * MEGABYTE) + bytes(64 * MEGABYTE))
            pouring.set_result(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

        async with serving(pour) as at:
            transport = Transport()
            answer = await ask(transport, at)
            vendor = (await pouring).transport
            still = 0
            before = vendor.get_write_buffer_size()
            while still < 100:  # turns of the loop in which not a byte moved
                await asyncio.sleep(0)
                now = vendor.get_write_buffer_size()
                still, before = (still + 1, now) if now == before else (0, now)
            assert before > 32 * MEGABYTE, "we swallowed it"
            assert len(await answer.read()) <= MEGABYTE
            assert len(await answer.body(64 * MEGABYTE)) > 60 * MEGABYTE
            again = await ask(transport, at)
            assert (again.reused, await again.body(10)) == (True, b"ok")
            await transport.close()

    run(main())


def test_a_whole_answer_that_nobody_read_leaves_a_good_connection(run: Run) -> None:
    async def main() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)

        async with serving(script) as at:
            transport = Transport()
            for reused in (False, True, True):
                answer = await ask(transport, at)
                assert answer.reused is reused
                answer.close()
            await transport.close()

    run(main())


def test_a_large_body_waits_for_the_vendor_and_for_its_answer(run: Run) -> None:
    async def main() -> None:
        async def thorough(reader: Reader, writer: Writer) -> None:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(16 * MEGABYTE)
                assert body == bytes(range(256)) * (MEGABYTE // 16)
                writer.write(OK)

        async def hasty(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await asyncio.sleep(0)
            await refused.wait()

        large = bytes(range(256)) * (MEGABYTE // 16)
        refused = asyncio.Event()
        transport = Transport()
        async with serving(thorough) as at:
            for reused in (False, True):
                answer = await ask(transport, at, large)
                assert (await answer.body(10), answer.reused) == (b"ok", reused)
                answer.close()
            await transport.close()
        async with serving(hasty) as at:
            for _ in range(2):  # what it did not hear must not be read as the next request
                answer = await ask(transport, at, large)
                assert (answer.status, await answer.body(10), answer.reused) == (413, b"no", False)
                answer.close()
            refused.set()
            await transport.close()

    run(main())


def test_what_comes_unasked_is_never_an_answer(run: Run) -> None:
    async def main() -> None:
        asked = 0
        dropped = asyncio.Event()

        async def script(reader: Reader, writer: Writer) -> None:
            nonlocal asked
            asked += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            if asked == 1:
                await answered.wait()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
                await gone(reader)
                dropped.set()
            else:
                await gone(reader)

        answered = asyncio.Event()
        async with serving(script) as at:
            transport = Transport()
            for reused in (False, False):
                answer = await ask(transport, at)
                assert (await answer.body(10), answer.reused) == (b"ok", reused)
                answer.close()
                answered.set()
                await dropped.wait()
            await transport.close()

    run(main())


def test_bounds(run: Run) -> None:
    async def main() -> None:
        left: asyncio.Queue[None] = asyncio.Queue()

        async def script(reader: Reader, writer: Writer) -> None:
            while not reader.at_eof():
                with suppress(asyncio.IncompleteReadError):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(OK)
            left.put_nowait(None)

        async with serving(script) as at:
            transport = Transport(most_idle=1, most_open=3)
            answers = [await ask(transport, at) for _ in range(3)]
            with pytest.raises(UpstreamFailed) as caught:
                await ask(transport, at)
            assert (caught.value.status, caught.value.code, caught.value.trips) == (503, "upstream_saturated", False)
            for answer in answers:
                answer.close()
            await left.get()
            await left.get()  # two are closed, one is kept
            assert (await ask(transport, at)).reused
            with pytest.raises(UpstreamFailed, match="more than 1 bytes"):
                await (await ask(transport, at)).body(1)
            await transport.close()
        async with serving(script) as at:
            transport = Transport(idle_s=0.01)
            (await ask(transport, at)).close()
            while not left.empty():
                left.get_nowait()
            await left.get()  # idle for too long
            assert not (await ask(transport, at)).reused
            await transport.close()

    run(main())


def test_an_answer_that_is_over_by_its_own_word(run: Run) -> None:
    """A stream says [DONE]; the end of its framing may come with it, later or never."""

    async def main() -> None:
        end = asyncio.Event()

        async def script(reader: Reader, writer: Writer) -> None:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(CHUNKED + b"4\r\ndone\r\n")
                await end.wait()
                writer.write(b"0\r\n\r\n")
                ended.set()

        ended = asyncio.Event()
        async with serving(script) as at:
            transport = Transport()
            first = await ask(transport, at)
            assert await first.read() == b"done"
            first.finish()
            assert await first.read() == b""
            second = await ask(transport, at)
            assert not second.reused, "the first is not over"
            end.set()
            await ended.wait()
            assert await second.body(10) == b"done"
            second.finish()
            assert (await ask(transport, at)).reused and (await ask(transport, at)).reused
            await transport.close()

    run(main())


def test_closing_ends_what_is_under_way(run: Run) -> None:
    async def main() -> None:
        async def script(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(CHUNKED)
            await gone(reader)

        async with serving(script) as at:
            transport = Transport()
            answer = await ask(transport, at)
            await transport.close()
            with pytest.raises(UpstreamFailed, match="broke off"):
                await answer.read()

    run(main())


def test_who_leaves_while_we_connect_takes_no_place(run: Run) -> None:
    async def main() -> None:
        async def answer(reader: Reader, writer: Writer) -> None:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)

        async with serving(answer) as at:
            transport = Transport(most_open=3)
            for turns in range(8):
                for _ in range(3):
                    asking = asyncio.ensure_future(ask(transport, at))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    asking.cancel()
                    with suppress(asyncio.CancelledError):
                        await (await asking).body(MEGABYTE)
            for _ in range(3):
                assert await (await ask(transport, at)).body(MEGABYTE) == b"ok"
            await asyncio.wait_for(transport.close(), PATIENT.idle_s)

    run(main())


def test_a_connection_that_is_gone_before_we_have_it() -> None:
    """Its end has been told by then: who asked on it would wait for ever."""

    async def create(factory: Callable[[], asyncio.Protocol], *_: Any, **__: Any) -> tuple[None, asyncio.Protocol]:
        made = factory()
        made.connection_made(asyncio.Transport())
        made.connection_lost(None)
        return None, made

    async def main() -> None:
        transport, loop = Transport(), asyncio.get_running_loop()
        loop.create_connection = create  # type: ignore[method-assign,assignment]  # what no vendor does on demand
        with pytest.raises(UpstreamFailed, match="at once"):
            await ask(transport, upstream("http://127.0.0.1:9"))
        await transport.close()

    asyncio.run(main())


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_cannot_smuggle_another(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break") as caught:
        asyncio.run(one_header(value))
    assert value.decode() not in str(caught.value)


async def one_header(value: bytes) -> Answer:
    return await Transport().send(upstream("http://127.0.0.1:1"), "/", [(b"authorization", value)], b"", PATIENT)


@pytest.mark.parametrize("path", ["no-slash", "/a b", "/a\r\nhost: x", "/\u00e9"])
def test_a_path_cannot_either(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be asked for"):
        asyncio.run(Transport().send(upstream("http://127.0.0.1:1"), path, [], b"", PATIENT))


def test_base_urls() -> None:
    assert upstream("http://[::1]:9100") == Upstream("http", "::1", 9100, "")
    assert upstream("https://dashscope.aliyuncs.com/compatible-mode/v1/").prefix == "/compatible-mode/v1"
    assert upstream("HTTPS://API.Example.COM") == Upstream("https", "api.example.com", 443, "")
    for bad in ("", "api.openai.com/v1", "ftp://x", "https://", "https://u:p@x", "https://x?y=1", "https://x#y",
                "https://x/a b", "https://b\u00fccher.example", "https://x:99999"):  # fmt: skip
        with pytest.raises(ValueError, match=r"\w"):
            upstream(bad)
