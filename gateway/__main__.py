"""`python -m gateway` is `huiyin`."""

import sys

from gateway.cli import main

sys.exit(main())
