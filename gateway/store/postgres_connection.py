"""PostgreSQL as the store uses it: where it is, connections with their limits, transactions, and its absence.

While the server cannot be reached, callers hear so at once; one of them tries again after a pause that grows. Nothing
that was sent and not answered is sent again here: whether it was committed is unknown, and the sender's own retry,
under its key, finds out.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg

from config.secret import Secret
from gateway.ops.killpoints import point
from gateway.ops.logs import log
from gateway.store.port import StoreAway, StoreUnavailable
from gateway.store.postgres_pool import Connection, Pool

T = TypeVar("T")

CONNECT_S = 5.0
STATEMENT_S = 30.0
COMMAND_S = STATEMENT_S + 5
"""The net under it, for a server or a network that says nothing any more."""
LOCK_S = 3.0
"""Longer than the server takes to find a deadlock (1 s, `deadlock_timeout`)."""
IDLE_IN_TRANSACTION_S = 10.0
"""A process that stops, or is cut off, in the middle of a transaction lets go of its locks after this."""
WAIT_S = 10.0
"""How long a caller waits for a free connection."""
SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
ATTEMPTS = 6
"""Runs of one transaction that other nodes keep colliding with."""

WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
"""Rows that are changed are locked first and read after: each statement sees what was committed before it."""
HURRIED_WRITE = f"{WRITE}; SET LOCAL lock_timeout = 100"
"""Milliseconds."""
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""One snapshot for the whole Plan."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_COLLISIONS = frozenset({"40001", "40P01", "23505", "42P07"})
"""serialization_failure, deadlock_detected, unique_violation, duplicate_table: another node was quicker; run again, it
shows."""
_BUSY = frozenset({"55P03", "57014"})
"""lock_not_available, query_canceled (statement_timeout)."""
_AWAY_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
"""connection, authorization, no such database, resources (disk full), operator intervention, system, internal."""
_AWAY = frozenset({"25006", "25P03"})
"""read_only_sql_transaction (a standby), idle_in_transaction_session_timeout."""


class ServerAway(StoreAway):
    """The server cannot be reached or cannot commit; not the fault of what it was asked."""


class StatementFailed(Exception):
    """A mistake in a statement or its values. The text is the server's name for it and never a value."""

    def __init__(self, name: str, sqlstate: str) -> None:
        super().__init__(f"PostgreSQL refused a statement: {name}")
        self.sqlstate = sqlstate


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is and who asks. `url` holds no password."""

    url: str
    password: Secret | None = None


def find_address(url: str, password: Secret | None = None) -> Address:
    """`postgresql://user@host:port,host:port/database?sslmode=...`, with one host or several. Raises ValueError for
    anything else, or with a password.
    """
    try:
        parsed = urlsplit(url)
    except ValueError:
        raise ValueError("the store's url is not of the form postgresql://user@host/database") from None
    if parsed.scheme not in ("postgresql", "postgres") or not parsed.path.strip("/"):
        raise ValueError("the store's url is not of the form postgresql://user@host/database")
    if parsed.password is not None or "password" in parse_qs(parsed.query, keep_blank_values=True):
        raise ValueError("the store's url holds a password; put it into store.password_file or HUIYIN__STORE__PASSWORD")
    return Address(url, password)


def _settle(patient: bool) -> Mapping[str, str]:
    def to_ms(seconds: float) -> str:
        return str(round(seconds * 1000))

    return {
        "application_name": "huiyin",
        "client_encoding": "UTF8",
        "statement_timeout": "0" if patient else to_ms(STATEMENT_S),
        "lock_timeout": to_ms(60) if patient else to_ms(LOCK_S),
        "idle_in_transaction_session_timeout": "0" if patient else to_ms(IDLE_IN_TRANSACTION_S),
        # What a statement outside of BEGIN gets: the same as with WRITE.
        "default_transaction_isolation": "read committed",
        # Short statements; compiling them costs more than it gives.
        "jit": "off",
    }


def _options(address: Address, *, patient: bool) -> dict[str, Any]:
    password = address.password.get_secret_value() if address.password is not None else None
    return {
        "dsn": address.url,
        # Without one asyncpg looks into PGPASSWORD and ~/.pgpass, as every PostgreSQL program does.
        **({"password": password} if password is not None else {}),
        "timeout": CONNECT_S,
        "command_timeout": None if patient else COMMAND_S,
        "server_settings": dict(_settle(patient)),
        "statement_cache_size": 256,
        # Of several hosts, and after a failover, the one that takes writes.
        "target_session_attrs": "read-write",
    }


async def connect(address: Address, *, patient: bool = False) -> Connection:
    """One connection. `patient`: without time limits, for a migration. Raises what asyncpg raises."""
    return await asyncpg.connect(**_options(address, patient=patient))


def is_away(error: BaseException) -> bool:
    """The server, the network or the disk, and not a mistake in a statement or its values."""
    if isinstance(error, asyncpg.PostgresError):
        state = _find_state(error)
        return (state[:2] in _AWAY_CLASSES or state in _AWAY) and state not in _BUSY
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # that is a value of the wrong type
    return isinstance(error, (OSError, TimeoutError, asyncpg.InternalClientError))


def _find_state(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or ""


def say_away(error: BaseException) -> str:
    return f"the database cannot be used now ({type(error).__name__})"


def explain_absence(error: Exception) -> StoreUnavailable:
    """For who opens the database, of an `is_away` or a ValueError: ServerAway where waiting may help, else what is wrong
    with the settings.
    """
    name = type(error).__name__
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        where = "see store.url and store.password_file"
        return StoreUnavailable(f"the database refuses this user or password ({name}); {where}")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return StoreUnavailable(f"there is no database of the name in store.url ({name})")
    if isinstance(error, socket.gaierror):
        # A container that is stopped has no name.
        return ServerAway(f"the host in store.url is not known now ({error.strerror})")
    if isinstance(error, ValueError):
        return StoreUnavailable(f"store.url cannot be used: {error}")
    return ServerAway(say_away(error))


class _Gate:
    """Closed for a growing while after the server was not reached, open again with the first that reaches it."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_until = 0.0
        self._reason = ""

    def check(self) -> None:
        """Lets one caller through when the pause is over: the others hear what came of the last attempt."""
        now = asyncio.get_running_loop().time()
        left = self._closed_until - now
        if left > 0:
            raise ServerAway(self._reason, after_s=max(1, round(left + 0.5)))
        if self._failures:
            self._closed_until = now + LONGEST_PAUSE_S

    def note_failure(self, reason: str) -> None:
        if not self._failures:
            log.warning("store.away", reason=reason)
        self._failures += 1
        longest = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2 ** min(self._failures, 10))
        # Jitter, so that the nodes do not all come back in one moment.
        self._closed_until = asyncio.get_running_loop().time() + longest * random.uniform(0.5, 1)  # noqa: S311
        self._reason = reason

    def note_success(self) -> None:
        if self._failures:
            log.info("store.back", failures=self._failures)
            self._failures, self._closed_until = 0, 0.0


class Transaction:
    """Begun when the first statement needs it: a last statement that is also the only one commits by itself."""

    def __init__(self, connection: Connection, begin: str) -> None:
        self._connection = connection
        self._begin = begin
        self._is_begun = False
        self._left: tuple[str, Sequence[Any]] = "", ()

    async def begin(self) -> Connection:
        if not self._is_begun:
            await self._connection.execute(self._begin)
            self._is_begun = True
        return self._connection

    def leave(self, text: str, values: Sequence[Any]) -> None:
        """A last statement, which need not be sent before the commit."""
        self._left = text, values

    async def send(self) -> None:
        """Send what was left."""
        text, values = self._left
        if text:
            await (await self.begin()).execute(text, *values)
        self._left = "", ()

    async def commit(self) -> None:
        text, values = self._left
        if text and not self._is_begun and self._begin == WRITE:
            await self._connection.execute(text, *values)
            return
        await self.send()
        if self._is_begun:
            await self._connection.execute("COMMIT")

    async def roll_back(self) -> None:
        if self._is_begun:
            await self._connection.execute("ROLLBACK")


class Server:
    """Transactions on pooled connections: of `accepting` connections for accepts, which nothing else may use up, and
    of `others` for everything else.
    """

    def __init__(self, address: Address, *, accepting: int, others: int) -> None:
        self._address = address
        self._limits = {"accept": accepting, "others": others}
        self._pools: dict[str, Pool] = {}
        self._gate = _Gate()

    def open(self) -> None:
        """Connects to nothing yet."""
        self._pools = {name: Pool(self._connect, limit) for name, limit in self._limits.items()}

    async def close(self) -> None:
        """Waits a little for transactions under way, then cuts them off."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close(WAIT_S)

    async def _connect(self) -> Connection:
        connection = await connect(self._address)
        try:
            await _insist_on_durability(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def transact(
        self,
        kind: str,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        begin: str = WRITE,
        attempts: int = ATTEMPTS,
    ) -> T:
        """One transaction, run again from the start where it collided with one of another node.

        Raises ServerAway, StoreUnavailable (too busy), StatementFailed, or what `work` raised; then nothing was kept,
        except that after ServerAway it may have been.
        """
        for attempt in range(1, attempts + 1):
            try:
                return await self._transact_once(kind, work, begin)
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if isinstance(error.__cause__, UnicodeError):
                    raise error.__cause__ from None  # half a surrogate; its text holds no value
                state = _find_state(error)
                if state in _BUSY:
                    raise StoreUnavailable(f"the database is too busy ({type(error).__name__})", after_s=1) from None
                collided = state in _COLLISIONS or isinstance(error, asyncpg.InvalidCachedStatementError)
                if not collided or attempt == attempts:
                    raise StatementFailed(type(error).__name__, state) from None
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
        raise AssertionError("the last attempt returns or raises")

    async def _transact_once(self, kind: str, work: Callable[[Transaction], Awaitable[T]], begin: str) -> T:
        async with self._hold(kind) as connection:
            point(f"{kind}.before_begin")
            transaction = Transaction(connection, begin)
            try:
                result = await work(transaction)
                point(f"{kind}.before_commit")
                await transaction.commit()
            except Exception as error:
                if not is_away(error):
                    await transaction.roll_back()
                raise
            point(f"{kind}.after_commit")
            return result

    @asynccontextmanager
    async def _hold(self, kind: str) -> AsyncIterator[Connection]:
        pool = self._pools.get("accept" if kind == "accept" else "others")
        if pool is None:
            raise StoreUnavailable("the store is not open")
        self._gate.check()
        connection = await self._take(pool)
        try:
            yield connection
        except BaseException as error:
            if not isinstance(error, Exception):
                connection.terminate()  # cancelled in the middle of something
            elif is_away(error):
                # A connection that failed is not trusted again.
                connection.terminate()
                raise ServerAway(say_away(error)) from None
            raise
        finally:
            pool.give_back(connection)

    async def _take(self, pool: Pool) -> Connection:
        try:
            connection = await pool.take(WAIT_S)
        except Exception as error:
            if isinstance(error, TimeoutError) and pool.is_used_up:
                raise StoreUnavailable("all connections to the database are in use", after_s=1) from None
            if not is_away(error):
                raise
            self._gate.note_failure(say_away(error))
            raise ServerAway(say_away(error)) from None
        self._gate.note_success()
        return connection


async def _insist_on_durability(connection: Connection) -> None:
    """A commit must have reached the disk. What is stricter (`remote_apply`) stays."""
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
