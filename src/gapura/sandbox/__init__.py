"""Simulators of OpenAI, Qianfan v2, DashScope and BigModel v4 on real sockets, in each vendor's own wire format.

    bytes → edge → server → vendor: authorise → read → check → script → write → faults → edge → bytes

`script` decides what is said, the vendors' modules only how it is written.  No code is shared with
`gapura.providers`: a mistake made on both sides would prove itself right.
"""

from gapura.sandbox.live import Live, running
from gapura.sandbox.server import Sandbox, base_urls, create_sandbox, native_url, run

__all__ = ["Live", "Sandbox", "base_urls", "create_sandbox", "native_url", "run", "running"]
