"""The same gateway, committing every call by itself: what group commit is measured against.

Everything else is the same: intake, keys, receipts, history, the statements. As is usual for such a service, ten
connections commit at once on PostgreSQL; SQLite has one writer.
"""

import sys

from gateway import cli
from gateway.store import group, postgres, postgres_group

CONNECTIONS = 10


def main() -> int:
    group.GROUP_LIMIT = postgres_group.GROUP_LIMIT = 1
    postgres_group.FLIGHTS = postgres.FLIGHTS = CONNECTIONS  # type: ignore[attr-defined]  # as it is imported there
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
