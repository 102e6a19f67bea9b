"""What a campaign needs of the process that it runs in; the keeper's is `app/campaigning.py`."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from gapura.store.campaigns import Kept
from gapura.store.rulebooks import By
from gapura.terms.letter import Way
from gapura.terms.rulebook import Policy


class Around(Protocol):
    """What the river needs of the process that it runs in."""

    def policy(self, kept: Kept) -> Policy:
        """As it is in force, or as it would be.  Raises BadDocument, NotFound."""

    def spared(self, policy: Policy, at: int) -> Callable[[str, str], bool] | None:
        """None where no rule of it asks about accounts."""

    def locate(self, address: str) -> str:
        """The territory, "" where it is not certain."""

    def place_data(self) -> str: ...

    def territories(self) -> tuple[str, ...]: ...

    def page(self, account: str, at: int) -> tuple[str, str]:
        """Of its status, and of the form where it objects; "": there is none."""

    def ways(self, territories: Iterable[str], also: Policy | None = None) -> tuple[Way, ...]:
        """Who serves all of these places, by what is in force and by this policy."""

    def publish(self, accounts: Collection[str]) -> None: ...

    def against(self, kept: Kept) -> list[str]:
        """What keeps its dates from being put in force, in words.  Raises BadDocument, NotFound, Conflict."""

    async def arm(self, kept: Kept, by: By) -> tuple[str, str]:
        """Puts the campaign's dates in force: the policy version, and the one before."""

    async def for_everybody(self, kept: Kept, starts: int, by: By) -> str:
        """From then on they hold for whoever was told of nothing, too; the policy version, "" where nothing of it is in
        force."""

    async def disarm(self, kept: Kept, by: By) -> None:
        """Puts the former version back, if the campaign's is still in force."""
