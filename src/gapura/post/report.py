"""Reports that programs write for programs: delivery status (RFC 3464) and complaints (ARF, RFC 5965)."""

from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from email.policy import compat32
from typing import NamedTuple

from gapura.post.fields import content, line, value

STATUS, GLOBAL_STATUS, FEEDBACK, DISPOSITION = (
    "message/delivery-status",
    "message/global-delivery-status",
    "message/feedback-report",
    "message/disposition-notification",
)
ORIGINAL = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})


class Said(NamedTuple):
    """What is said of one recipient.  `action`: one of RFC 3464, or `complaint`; `mail_from`: the letter's envelope."""

    action: str
    recipient: str
    status: str
    answer: str
    mail_from: str = ""


def read(message: Message) -> list[Said]:
    """[] where there is no such report."""
    found: list[Said] = []
    for part in message.walk():
        kind = part.get_content_type()
        if kind in (STATUS, GLOBAL_STATUS):
            found += _statuses(part)
        elif kind == FEEDBACK:
            found += _complaint(part)
    return found


def original(message: Message) -> Message | None:
    """The letter that the report quotes, or its headers."""
    for part in message.walk():
        if part.get_content_type() in ORIGINAL:
            held = part.get_payload()
            if isinstance(held, list) and held and isinstance(held[0], Message):
                return held[0]
            return message_from_string(content(part), policy=compat32)
    return None


def is_receipt_of_reading(message: Message) -> bool:
    return any(part.get_content_type() == DISPOSITION for part in message.walk())


def _statuses(part: Message) -> Iterator[Said]:
    """Each group that names a recipient; the first group is about the message as a whole."""
    for group in _groups(part):
        recipient = value(group, "Original-Recipient") or value(group, "Final-Recipient")
        action = value(group, "Action").lower().partition(" ")[0]
        if recipient or action:
            diagnostic = value(group, "Diagnostic-Code")
            answer = diagnostic.partition(";")[2].strip() or diagnostic or value(group, "Status")
            yield Said(action, recipient, value(group, "Status"), line(answer))


def _complaint(part: Message) -> Iterator[Said]:
    for group in _groups(part):
        kind = value(group, "Feedback-Type").lower()
        if kind and kind != "not-spam":
            recipient = value(group, "Original-Rcpt-To") or value(group, "Removal-Recipient")
            yield Said("complaint", recipient, "", kind, value(group, "Original-Mail-From"))


def _groups(part: Message) -> list[Message]:
    """Groups of fields with blank lines between; some servers encode them, or call them text."""
    held = part.get_payload()
    if isinstance(held, list):
        groups = [one for one in held if isinstance(one, Message)]
        if any(len(group.keys()) for group in groups):
            return groups
        whole = Message()  # the parser took the part's encoding for none
        whole["Content-Transfer-Encoding"] = value(part, "Content-Transfer-Encoding")
        whole.set_payload("\n".join(str(group.get_payload()) for group in groups))
        text = content(whole)
    else:
        text = content(part)
    blocks = text.replace("\r\n", "\n").strip().split("\n\n")
    return [message_from_string(block, policy=compat32) for block in blocks if block.strip()]
