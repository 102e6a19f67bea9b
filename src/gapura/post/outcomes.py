"""What an answer of the relay means, by the step at which it came.

| step | 4xx | 5xx | no answer, cut, garbage |
|---|---|---|---|
| connect, greeting, hello | deferred | stopped | deferred |
| tls | deferred | stopped | deferred; a certificate that does not hold: stopped |
| login, sender | deferred | stopped | deferred |
| address | – | – | refused: the relay does not take such addresses, and was not asked |
| recipient, data | deferred | refused | deferred |
| content | deferred | refused | unsure |

Up to the sender an answer is about us: it would be the same for everybody, so nobody is counted as refused and sending
stops.  From the recipient on it is about one message.  Only a message whose content went out and was not answered for
may have arrived, and may yet not have.
"""

from typing import Literal, NamedTuple

from gapura.terms.letter import Outcome

Step = Literal["connect", "greeting", "hello", "tls", "login", "sender", "address", "recipient", "data", "content"]
ABOUT_US: frozenset[Step] = frozenset({"connect", "greeting", "hello", "tls", "login", "sender"})

DEFERRED, REFUSED = range(400, 500), range(500, 600)
CLOSING = 421
"""The relay closes the connection, and says so."""

NEEDS_LOGIN = frozenset({530, 534, 535, 538})
TOO_LARGE = 552
"""To the sender's SIZE: the one refusal there that is about the message."""


class Stopped(Exception):
    """The relay takes no mail from us, whoever it is for.  Says why, and what to look at; nothing more is sent."""


class Answer(NamedTuple):
    """`code` 0: none came, and `text` says why."""

    step: Step
    code: int
    text: str


def judge(answer: Answer) -> Outcome:
    """Raises Stopped, where the answer would be the same for everybody."""
    step, code, text = answer
    if code in REFUSED and (step in ABOUT_US or code in NEEDS_LOGIN):
        if step == "sender" and code == TOO_LARGE:
            return "refused"
        raise Stopped(f"the relay refuses us ({step}): {code} {text}")
    if code in REFUSED or step == "address":
        return "refused"
    if code in DEFERRED:
        return "deferred"
    if step == "content":
        return "delivered" if code == 250 else "unsure"  # noqa: PLR2004 - the code of RFC 5321
    return "deferred"
