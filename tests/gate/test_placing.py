"""New place data at a gate: swapped whole, and never for worse."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.atlas.place_data import files, folder, ranges

from gapura.atlas.sources import Atlas, Packed
from gapura.clock import TurnableClock
from gapura.gate.placing import Placing, load
from gapura.terms.link import NewAtlas


def atlas(code: str) -> Atlas:
    return Atlas([Packed(ranges({"1.0.0.0/24": code}), "made", "2026-10-25")])


CHINA, SINGAPORE, TAIWAN = atlas("CN"), atlas("SG"), atlas("TW")


class Scene:
    """What the keeper tells of is loaded when the test lets it be."""

    def __init__(self, *found: Atlas | Exception) -> None:
        self.swapped: list[Atlas] = []
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self.begun, self.go = threading.Event(), threading.Event()
        self.placing = Placing(CHINA, self._load, self.swapped.append)
        self._found = list(found)

    def _load(self, told: NewAtlas) -> Atlas:
        self.asked.append(told.version)
        self.begun.set()
        self.threads.add(threading.get_ident())
        assert self.go.wait(60)
        found = self._found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(60):
            await story()

    asyncio.run(timed())


def test_data_are_loaded_beside_the_loop_and_swapped_whole() -> None:
    scene = Scene(SINGAPORE)

    async def story() -> None:
        scene.placing.renew(NewAtlas(SINGAPORE.version))
        await asyncio.sleep(0)  # the loop goes on while they are being loaded
        assert not scene.swapped
        scene.go.set()
        await scene.placing.settled()

    play(story)
    assert scene.swapped == [SINGAPORE] and scene.placing.version == SINGAPORE.version
    assert threading.get_ident() not in scene.threads


def test_of_what_comes_meanwhile_the_last_is_loaded() -> None:
    scene = Scene(SINGAPORE, TAIWAN)

    async def story() -> None:
        scene.placing.renew(NewAtlas(SINGAPORE.version))
        await asyncio.to_thread(scene.begun.wait, 10)
        scene.placing.renew(NewAtlas("skipped"))
        scene.placing.renew(NewAtlas(TAIWAN.version))
        scene.go.set()
        await scene.placing.settled()

    play(story)
    assert scene.asked == [SINGAPORE.version, TAIWAN.version] and scene.swapped == [SINGAPORE, TAIWAN]


@pytest.mark.parametrize("trouble", [ValueError("damaged"), OSError("gone"), MemoryError()])
def test_what_cannot_be_loaded_changes_nothing_and_is_told(trouble: Exception) -> None:
    scene = Scene(trouble, SINGAPORE)
    scene.go.set()

    async def story() -> None:
        scene.placing.renew(NewAtlas("new"))
        await scene.placing.settled()
        assert (scene.swapped, scene.placing.version) == ([], CHINA.version)
        assert scene.placing.problem == (str(trouble) or "MemoryError")
        scene.placing.renew(NewAtlas("new"))
        await scene.placing.settled()
        assert scene.swapped == [SINGAPORE] and not scene.placing.problem

    play(story)


def test_the_version_that_it_has_is_not_loaded_again() -> None:
    scene = Scene()

    async def story() -> None:
        scene.placing.renew(NewAtlas(CHINA.version))
        await scene.placing.settled()

    play(story)
    assert not scene.asked


def test_what_the_keeper_names_is_what_is_loaded(tmp_path: Path) -> None:
    home, tor = tmp_path / "home", tmp_path / "tor.txt"
    folder(home / "atlas", files({"1.0.0.0/24": "CN"}))
    tor.write_text("1.0.0.7\n")
    table = f'{{"networks": [{{"file": "{tor}", "kind": "tor"}}]}}'
    found = load(home, NewAtlas("v", table.encode()), TurnableClock(0)).locate("1.0.0.7")
    assert (found.territory, found.network) == ("CN", "tor")
    assert load(home, NewAtlas("v"), TurnableClock(0)).locate("1.0.0.7").network == ""
