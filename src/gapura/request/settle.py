"""What was sent upstream is settled once, whichever way it ends.

`Settling` writes a request's entries into the journal: *open* before the first byte goes upstream (one an attempt),
and exactly one end before the last byte goes to the caller.  What the hold took and the answer did not cost goes back.
"""

from collections import Counter
from typing import Protocol

from gapura import crash
from gapura.clock import Clock
from gapura.errors import GapuraError, RegionBlocked, Unready, UpstreamFailed
from gapura.providers import estimators
from gapura.terms.caller import Caller
from gapura.terms.holds import Taken
from gapura.terms.loss import Loss
from gapura.terms.place import Origin
from gapura.terms.record import Context, Ended, Entry, Opened, Outcome, Refused
from gapura.terms.rulebook import Rulebook, Target
from gapura.terms.usage import Usage
from gapura.terms.verdict import Decision, Shadowed
from gapura.wire.dialect import Asked

NOTHING = Usage()


class Journal(Protocol):
    """The part of `gapura.store.journal.Journal` that a request needs."""

    @property
    def room(self) -> bool: ...
    def append(self, entry: Entry) -> int: ...


class Held(Protocol):
    """The part of `gapura.request.meter.Metering` that a settlement needs."""

    @property
    def amount(self) -> int: ...
    @property
    def purse(self) -> str: ...
    @property
    def holds(self) -> tuple[Taken, ...]: ...
    def release(self, usage: Usage) -> None: ...
    def undo(self) -> None: ...


class Begun(Protocol):
    """An answer on its way: `gapura.request.relay.Whole` or `Stream`."""

    @property
    def usage(self) -> Usage | None: ...
    def relayed(self) -> int: ...
    def doubts(self, usage: Usage) -> bool:
        """Whether what was handed on shows that this cannot be all."""


class Tally:
    """What each provider was asked and gave, counted for /metrics: attempts by (provider, outcome), where one that
    another target followed is `failed`; tokens by (provider, kind); `astray`: refusals of the place that we call from,
    since the caller's was judged before anything was sent."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.tokens: Counter[tuple[str, str]] = Counter()
        self.astray: Counter[str] = Counter()

    def ended(self, provider: str, outcome: str, usage: Usage, failure: UpstreamFailed | None = None) -> None:
        self.attempts[provider, outcome] += 1
        if outcome == "failed" and failure is not None and failure.code == RegionBlocked.code:
            self.astray[provider] += 1
        if usage.total:
            self.tokens[provider, "input"] += usage.input
            self.tokens[provider, "output"] += usage.output


class Settling:
    """One request's way into the record; `running` is the gate's table of what is upstream now."""

    __slots__ = (
        "_begun",
        "_body",
        "_clock",
        "_context",
        "_held",
        "_id",
        "_inputs",
        "_journal",
        "_provider",
        "_running",
        "_talks",
        "_tally",
        "attempts",
        "failure",
    )

    def __init__(
        self, request_id: str, journal: Journal, clock: Clock, running: dict[str, "Settling"], tally: Tally
    ) -> None:
        self._id, self._journal, self._clock, self._running = request_id, journal, clock, running
        self._tally, self._provider = tally, ""
        self.attempts = 0
        self.failure: UpstreamFailed | None = None  # of the attempt before
        self._body, self._inputs = b"", 0
        self._talks = True  # whether output tokens can be seen in the answer
        self._context: Context | None = None
        self._held: Held | None = None
        self._begun: Begun | None = None

    def about(
        self,
        asked: Asked,
        caller: Caller,
        origin: Origin,
        book: Rulebook,
        decision: Decision,
        shadow: Shadowed | None = None,
    ) -> None:
        """Who asks for what, from where, and what was decided: from here on even a refusal is recorded."""
        account = caller.account
        self._talks = asked.output_limit != 0
        # In the order of its fields, and `Opened` below: by name they take six times as long.
        self._context = Context(
            account.id,
            caller.key.id,
            account.organisation,
            asked.model,
            bool(asked.stream),
            book.sandbox,
            origin.territory,
            origin.certainty,
            origin.derivation,
            origin.address,
            origin.peer,
            book.egress_territory,
            decision.id,
            decision.policy_version,
            decision.effect,
            decision.verdicts,
            origin.answers,
            origin.subdivision,
            origin.network,
            shadow,
        )

    def held(self, hold: Held, body: bytes) -> None:
        """Something was taken; whatever happens from here on, what is not used of it goes back."""
        self._held, self._body = hold, body

    def open(self, target: Target, losses: tuple[Loss, ...]) -> None:
        """Before the first byte goes upstream.  Raises Unready when the journal has no room for a new request."""
        assert self._held is not None  # noqa: S101 - the river meters before it sends
        if not self.attempts:
            if not self._journal.room:
                raise Unready("This gateway cannot record new requests now: its disk is full.", retry_after=5)
            crash.point("before-open")
        self.attempts += 1
        failure = self.failure
        self._journal.append(
            Opened(
                self._id,
                self._clock(),
                self.attempts,
                target.provider,
                target.model,
                self._held.amount,
                self._held.purse,
                tuple([loss.field for loss in losses]),
                "" if failure is None else f"{failure.status} {failure.code}",
                self._context if self.attempts == 1 else None,
                self._held.holds,
            )
        )
        if failure is not None:
            self._tally.ended(self._provider, "failed", NOTHING, failure)
        self._provider = target.provider
        self._running[self._id] = self
        crash.point("after-open")

    def begun(self, answer: Begun) -> None:
        """The first token is there; from here on the answer itself knows what was used."""
        self._begun = answer

    def progress(self) -> tuple[str, int, int]:
        """The request's row in a progress entry."""
        usage = self.so_far()
        return self._id, usage.input, usage.output

    def so_far(self) -> Usage:
        """What was used up to now: by the vendor's word, unless that cannot be, else by our estimate."""
        if self._begun is None:
            return Usage()
        told = self._begun.usage
        if told is not None and not (self._talks and self._begun.doubts(told)):
            return told
        self._inputs = self._inputs or estimators.inputs(self._provider, self._body)
        inputs = told.input if told is not None and told.input else self._inputs
        outputs = self._begun.relayed() if self._talks else 0
        images, seconds, characters = (told or NOTHING).beside  # which we cannot guess
        return Usage(inputs, outputs, estimated=True, images=images, seconds=seconds, characters=characters)

    def complete(self) -> None:
        """The answer is whole, and its last byte is about to go out."""
        self._end("complete", 200, self.so_far())

    def cut(self, status: int, error: str) -> None:
        """It ended early.  Where the first token was there, the vendor bills what was sent: so do we."""
        self._end("cut", status, self.so_far(), error)

    def failed(self, error: GapuraError, *, started: bool) -> None:
        """The caller gets an error.  Nothing that failed before the first token counts as usage."""
        if started:
            return self.cut(error.status, str(error.code))
        if self.attempts:
            return self._end("failed", error.status, Usage(), str(error.code))
        if self._held is not None:
            self._held.undo()
            self._held = None
        if self._context is not None and self._journal.room:
            self._journal.append(Refused(self._id, self._clock(), error.status, str(error.code), self._context))
        return None

    def _end(self, outcome: Outcome, status: int, usage: Usage, error: str = "") -> None:
        """The end entry.  A second call changes nothing: the first end is the end."""
        if self._running.pop(self._id, None) is not None:
            crash.point("before-end")
            self._journal.append(Ended(self._id, self._clock(), outcome, status, usage, error))
            self._tally.ended(self._provider, outcome, usage, self.failure)
            crash.point("after-end")
        held, self._held = self._held, None
        if held is not None:
            held.release(usage)
