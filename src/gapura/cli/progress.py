"""What takes long, on a terminal: one line on standard error that is written over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO

PAUSE_S = 0.3


@contextmanager
def shown(share: Callable[[], float], screen: TextIO) -> Iterator[Callable[[str], None]]:
    """`share` tells how much of the present step is done, in percent (negative: not known).  Gives a function that
    takes the name of the next step.  Where nobody watches, nothing is written."""
    if not screen.isatty():
        yield lambda _: None
        return
    step, over = ["starting"], Event()

    def draw() -> None:
        while not over.wait(PAUSE_S):
            done = share()
            screen.write(f"\r\033[K{step[0]}" + (f" {done:.0f} %" if 0 < done < 100 else " …"))  # noqa: PLR2004 - percent
            screen.flush()
        screen.write("\r\033[K")
        screen.flush()

    def tell(next_step: str) -> None:
        step[0] = next_step

    drawing = Thread(target=draw, daemon=True)
    drawing.start()
    try:
        yield tell
    finally:
        over.set()
        drawing.join()
