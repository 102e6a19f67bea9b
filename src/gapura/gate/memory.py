"""What this gate remembers of an account's conversations: sealed here, kept by the keeper, read here only."""

from typing import Literal

from gapura.errors import GapuraError, Unready
from gapura.gate.link import Link
from gapura.store.base import StoreFailed
from gapura.store.sealed import seal, unseal
from gapura.store.secrets import Secret

LABEL = "responses"


class Memory:
    def __init__(self, link: Link, secret: Secret) -> None:
        self._link, self._secret = link, secret

    async def find(self, account: str, name: str) -> bytes | None:
        """None where there is none of that name.  Raises Unready where the keeper is away."""
        return await self._opened("find", account, name)

    async def drop(self, account: str, name: str) -> bool:
        """Whether there was one.  Raises Unready."""
        return await self._opened("drop", account, name) is not None

    async def keep(self, account: str, name: str, data: bytes) -> bool:
        """Whether it is kept now: the answer goes out in any case."""
        try:
            await self._link.remember("keep", account, name, seal(self._secret, LABEL, f"{account}/{name}", data))
        except (GapuraError, ValueError):  # the keeper is away, or it is too long for the socket
            return False
        return True

    async def _opened(self, what: Literal["find", "drop"], account: str, name: str) -> bytes | None:
        sealed = await self._link.remember(what, account, name)
        try:
            return unseal(self._secret, LABEL, f"{account}/{name}", sealed) if sealed else None
        except StoreFailed as error:
            raise Unready("What was kept of this conversation cannot be read.") from error
