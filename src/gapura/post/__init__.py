"""How it is sent, and what comes back.

    sending → pace → pool → connection → outcomes, with a journal beside it       returns → suppression

sending     `Post`: a message to one address, and what became of it
journal     what was about to go and what was answered, on disk: a process that was killed has left it
outcomes    what an answer means, by the step at which it came       pace       how fast, by domain
relay       the server that takes our mail: GAPURA_SMTP_URL and `[mail.relay]`
returns     bounces, delays and complaints, from a folder or by a webhook       suppression  who is not written to
"""

from gapura.post.journal import Journal, recover
from gapura.post.outcomes import Stopped
from gapura.post.relay import Relay, read
from gapura.post.sending import Post

__all__ = ["Journal", "Post", "Relay", "Stopped", "read", "recover"]
