"""What a process does. One process may do all, or any split over many machines that share a PostgreSQL store."""

from enum import StrEnum


class Role(StrEnum):
    ACCEPT = "accept"
    REGISTER = "register"
    COLLECT = "collect"
    FORWARD = "forward"
    NOTIFY = "notify"
    SWEEP = "sweep"


ALL: frozenset[Role] = frozenset(Role)


def read_roles(text: str) -> frozenset[Role]:
    """`accept,register` -> roles; empty: all. Raises ValueError."""
    return frozenset(Role(part.strip()) for part in text.split(",") if part.strip()) or ALL
