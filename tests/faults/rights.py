"""Mounting and tracing are for root; who is not, may be allowed to by sudo, as in .ci/."""

import os

AS_ROOT = [] if os.getuid() == 0 else ["sudo", "-n"]
