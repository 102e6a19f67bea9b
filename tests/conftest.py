"""What holds for all tests: folders in memory where there is room, and no clock over Hypothesis."""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

# Most tests have a store, and wait for the disk at each of its transactions.  None can cut the power, so none can tell.
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30

if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # asked anew

# How long an example takes says what else the machine does.
settings.register_profile("here", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
