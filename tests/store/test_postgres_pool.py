"""Connections to PostgreSQL that are kept open."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from config.secret import Secret
from gateway.store import postgres_pool
from gateway.store.postgres_connection import connect, find_address
from gateway.store.postgres_pool import Pool
from tests.postgres_server import PASSWORD
from tests.store.conftest import Bench, on_postgres

PATIENCE_S = 60.0


@pytest.fixture
async def pool(bench: Bench) -> AsyncIterator[Pool]:
    pool = Pool(partial(connect, find_address(bench.url, Secret(PASSWORD))), 2)
    yield pool
    await pool.close(0)


@on_postgres
async def test_a_connection_is_used_again(pool: Pool):
    first = await pool.take(PATIENCE_S)
    pool.give_back(first)
    assert await pool.take(PATIENCE_S) is first
    pool.give_back(first)


@on_postgres
async def test_one_left_in_a_transaction_or_ended_is_not(pool: Pool):
    first = await pool.take(PATIENCE_S)
    await first.execute("BEGIN")
    pool.give_back(first)
    second = await pool.take(PATIENCE_S)
    pool.give_back(second)
    second.terminate()
    third = await pool.take(PATIENCE_S)
    assert len({first, second, third}) == 3
    assert [each.is_closed() for each in (first, second, third)] == [True, True, False]
    pool.give_back(third)


@on_postgres
async def test_nor_is_one_that_nobody_wanted_for_long(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    first, second = await pool.take(PATIENCE_S), await pool.take(PATIENCE_S)
    pool.give_back(first)
    monkeypatch.setattr(postgres_pool, "IDLE_S", -1.0)
    third = await pool.take(PATIENCE_S)
    assert third is not first
    pool.give_back(second)
    pool.give_back(third)
    assert all(each.is_closed() for each in (first, second, third))


@on_postgres
async def test_no_more_than_the_limit_are_open_and_the_end_cuts_them_off(pool: Pool):
    both = [await pool.take(PATIENCE_S), await pool.take(PATIENCE_S)]
    with pytest.raises(TimeoutError):
        await pool.take(0.01)
    await pool.close(0)
    assert all(each.is_closed() for each in both)
    for each in both:
        pool.give_back(each)


@on_postgres
async def test_a_place_whose_connection_could_not_be_made_is_free_again(bench: Bench):
    broken = Pool(partial(connect, find_address(f"{bench.url}_absent", Secret(PASSWORD))), 1)
    for _ in range(2):
        with pytest.raises(Exception, match="does not exist"):
            await broken.take(PATIENCE_S)
    assert not broken.is_used_up
