"""A bank for adapters under test: three branches, a clock that moves by hand, keys from a fixed master key."""

import sqlite3
from contextlib import closing
from functools import cache, partial
from pathlib import Path

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from config.branches import BranchEntry
from gateway.contract.clock import Millis
from gateway.contract.ports import House
from gateway.contract.signing import derive_key
from gateway.stages import wrapping
from gateway.store import tables
from gateway.store.sqlite_connection import run
from gateway.store.vault import Vault
from tests.keyring import read_keys

START = Millis(1_767_232_800_000)
"""2026-01-01 10:00 in Shanghai."""

BRANCHES = {
    each.code: each
    for each in (
        BranchEntry("F0591001", "福州五一支行", "福建", ("五一支行",)),
        BranchEntry("BR-350100-0007", "福州湖东支行", "福建"),
        BranchEntry("SH-021-0003", "上海陆家嘴支行", "上海", ("陆家嘴支行",)),
    )
}


class ManualClock:
    def __init__(self, now: int = START) -> None:
        self.now = now

    def now_ms(self) -> Millis:
        return Millis(self.now)

    def advance(self, ms: int) -> None:
        self.now += ms


@cache
def open_vault() -> Vault:
    """One for all tests, its keys in no database."""
    vault = Vault(read_keys)
    vault.fetch_keyring()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as file:
        file.execute(str(CreateTable(tables.vault).compile(dialect=sqlite.dialect())))
        run(file, vault.plan_make(START))
        run(file, vault.plan_load())
    return vault


class Safe:
    """What the store gives the house, without a store."""

    async def wrap(self, value: bytes, about: str, matter: str) -> bytes:
        return open_vault().seal(value, about, START)

    async def unwrap(self, sealed: bytes, about: str) -> bytes:
        return open_vault().unseal(sealed, about)


def make_house(data_dir: Path, clock: ManualClock | None = None) -> House:
    return House(
        clock=clock or ManualClock(),
        public_url="https://huiyin.bank.example",
        data_dir=data_dir,
        bank_name="示例银行",
        bank_hotline="95561",
        timezone="Asia/Shanghai",
        branches=BRANCHES,
        seal=partial(wrapping.seal, Safe()),  # type: ignore[arg-type]
        unseal=partial(wrapping.unseal, Safe()),  # type: ignore[arg-type]
        derive_each=lambda purpose: {1: derive_key(b"a fixed master key for the tests", purpose)},
    )
