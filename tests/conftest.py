from collections.abc import Iterator

import pytest

from gateway.store import postgres_connection
from tests.clamd_server import ClamdServer
from tests.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def patience() -> Iterator[None]:
    """A machine that is busy with other things must not look like a database that is away."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONNECT_S", "STATEMENT_S", "COMMAND_S", "IDLE_IN_TRANSACTION_S", "WAIT_S"):
            patch.setattr(postgres_connection, name, 120.0)
        yield


@pytest.fixture(scope="session")
def postgres_server(patience: None) -> Iterator[PostgresServer]:
    """One for all tests; each has a database of its own in it."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def clamd_server() -> Iterator[ClamdServer]:
    server = ClamdServer()
    yield server
    server.remove()
