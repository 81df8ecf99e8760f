from collections.abc import Iterator

import pytest

from tests.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One for all tests; each has a database of its own in it."""
    server = PostgresServer()
    yield server
    server.remove()
