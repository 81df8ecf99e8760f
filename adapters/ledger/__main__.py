"""`python -m adapters.ledger data/ledger.db > ledger.csv`"""

import io
import sqlite3
import sys
from pathlib import Path

from adapters.ledger.export import export_csv


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m adapters.ledger LEDGER.DB > FILE.csv\n")
        return 2
    out = io.TextIOWrapper(sys.stdout.buffer, "utf-8-sig", newline="")
    try:
        export_csv(Path(sys.argv[1]), out)
    except sqlite3.Error:
        sys.stderr.write("There is no ledger at that path.\n")
        return 1
    out.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
