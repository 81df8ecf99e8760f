"""INSERTs on PostgreSQL: what is the same in all rows is sent once, and nobody who reads the rows can tell."""

from collections.abc import Sequence

import pytest

from gateway.store.plan import Plan, Row, insert_into, put
from gateway.store.sql_store import SqlStore
from gateway.store.tables import threads
from tests.store.conftest import Bench, make_envelope, on_postgres


@on_postgres
@pytest.mark.parametrize(
    "groups",
    [
        pytest.param([[("a", "r", 1, 5, True)]], id="one row"),
        pytest.param(
            [[("a", "r", 1, 5, True), ("b", "r", 1, 5, True), ("c", "r", 1, 5, True)]], id="all but one alike"
        ),
        pytest.param([[("a", "r", 1, 1, True), ("b", "s", 2, 2, False)]], id="columns alike"),
        pytest.param([[("a", "\0", 1, 5, True), ("b", "\0", 1, 5, True)]], id="what text cannot hold, in all"),
        pytest.param([[("a", "\0", 1, 5, True), ("b", "r", 1, 5, True)]], id="what text cannot hold, in one"),
        pytest.param(
            [
                [("a", "r", 1, 5, True), ("b", "r", 1, 5, True)],
                [("c", "r", 1, 6, True), ("d", "s", 1, 5, True)],
                [("e", "s", 2, 7, False), ("f", "s", 2, 7, False)],
                [("g", "t", 3, 8, False)],
            ],
            id="alike at first, then not, then again",
        ),
    ],
)
async def test_rows_are_what_was_given_whatever_they_have_in_common(
    store: SqlStore, bench: Bench, groups: Sequence[Sequence[Row]]
):
    statement = insert_into(threads)

    def keep(rows: Sequence[Row]) -> Plan[None]:
        yield from put(statement, [(key.encode(), *rest) for key, *rest in rows])
        yield from put(statement, [(b"again " + key.encode(), *rest) for key, *rest in rows])

    for rows in groups:
        await store._engine.write("test", lambda rows=rows: keep(rows))
    given = [(key.encode(), receipt.replace("\0", "\u2400"), *rest) for rows in groups for key, receipt, *rest in rows]
    given += [(b"again " + key, *rest) for key, *rest in given]
    assert sorted(bench.query("SELECT key, receipt, number, last_ms, ended FROM threads")) == sorted(given)


@on_postgres
async def test_what_is_missing_in_some_rows_or_in_all_stays_missing(store: SqlStore, bench: Bench):
    for at, wanted in enumerate([(True, True), (False, False), (True, False), (False, True), (False,), (True,)]):
        await store.accept([make_envelope(f"{at} {place}", wanted=each) for place, each in enumerate(wanted)])
    found = bench.query("SELECT receipt IS NULL, number IS NULL FROM inbox")
    assert sorted(found) == [(False, False)] * 5 + [(True, True)] * 5
