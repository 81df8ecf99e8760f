"""Whatever a customer does in whatever order: which words are one complaint, of which kind and at which branch.

The channel, the store and the rules are real; what they should come to is said a second time by a small model.
"""

import asyncio
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wechat_account import open_with

from adapters.wechat.simulator import RECEIVED_AT, push
from config.settings import Settings
from gateway.contract.clock import Millis
from gateway.contract.complaint import Kind
from gateway.stages.reading import Read, Reader
from gateway.stages.register import to_registered
from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore
from tests.contract.house import make_house
from tests.keyring import read_keys
from tests.store.conftest import LEASE, FixedClock

WINDOW_S, BRANCH_S = 1_800, 7_200
CHANNEL = open_with(branch_window_s=BRANCH_S)

# What is done -> the words, or the event and its key.
STEPS = {
    "say": "我昨天下午去办业务",
    "praise:": "表扬：大堂经理小陈",
    "complain:": "投诉：取款机坏了",
    "end": "完毕",
    "ask": "查询",
    "people": "人工",
    "praise": ("CLICK", "huiyin.praise"),
    "inquiry": ("CLICK", "huiyin.inquiry"),
    "complaint": ("CLICK", "huiyin.complaint"),
    "scan 1": ("SCAN", "branch:F0591001"),
    "scan 2": ("subscribe", "qrscene_branch:SH-021-0003"),
    "view": ("VIEW", "https://bank.example"),
}
BRANCHES = {"scan 1": "F0591001", "scan 2": "SH-021-0003"}


@dataclass
class Matter:
    kind: Kind
    branch: str
    words: list[str] = field(default_factory=list)
    is_chosen: bool = field(default=True, compare=False)


@dataclass
class Model:
    """The promises of the README in a few lines."""

    matters: list[Matter] = field(default_factory=list)
    is_open: bool = False
    last_s: int = 0
    chosen: tuple[Kind | None, int] = (None, 0)
    branch: tuple[str, int] = ("", 0)

    def do(self, step: str, now_s: int) -> None:
        if step == "view":
            return
        if self.is_open and now_s - self.last_s > WINDOW_S:
            self.is_open = False
        if step in BRANCHES:
            self.branch = (BRANCHES[step], now_s)
        if step in ("say", "praise:", "complain:"):
            self._say(step, now_s)
        if self.is_open:
            self.last_s = now_s
        if step in ("end", "ask", *Kind):
            self.is_open = False
            self.chosen = (Kind(step) if step in set(Kind) else None, now_s)

    def _say(self, step: str, now_s: int) -> None:
        chosen, chosen_s = self.chosen
        kind = {"praise:": Kind.PRAISE, "complain:": Kind.COMPLAINT}.get(step) or (
            chosen if now_s - chosen_s <= WINDOW_S else None
        )
        branch = self.branch[0] if now_s - self.branch[1] <= BRANCH_S else ""
        if not self.is_open:
            self.matters.append(Matter(kind or Kind.COMPLAINT, branch, is_chosen=kind is not None))
            self.is_open = True
        matter = self.matters[-1]
        if kind is Kind.COMPLAINT:
            matter.kind, matter.is_chosen = Kind.COMPLAINT, True
        elif step == "praise:" and not matter.is_chosen:
            matter.kind = Kind.PRAISE  # nobody chose, so the words decide
        matter.branch = matter.branch or branch
        matter.words.append(str(STEPS[step]))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(Settings(), make_house(tmp_path_factory.mktemp("bank")), {"gzh": CHANNEL})


async def live(reader: Reader, folder: Path, steps: list[tuple[str, int]], *, at_once: bool) -> list[Matter]:
    url = f"sqlite:///{folder / 'huiyin.db'}"
    migrate(url)
    store = SqliteStore(url, read_keys, clock=FixedClock(), min_free_mb=0)
    await store.open()
    documents: dict[str | None, bytes] = {}  # in the order in which the matters began
    try:
        now_s = RECEIVED_AT // 1000
        for number, (step, pause_s) in enumerate(steps):
            now_s += pause_s
            done = STEPS[step]
            fields = {} if isinstance(done, str) else {"MsgType": "event", "Event": done[0], "EventKey": done[1]}
            call = push(
                text=done if isinstance(done, str) else "",
                key=str(number),
                fields=fields,
                received_at=now_s * 1000,
                created_at_s=now_s * 100 + number,
            )
            for _ in range(2):  # a retry changes nothing
                await store.accept(CHANNEL.receive(call))  # type: ignore[arg-type]
            if not at_once:
                documents |= await register(store, reader)
        documents |= await register(store, reader)
    finally:
        await store.close()
    return [read_matter(document) for document in documents.values()]


async def register(store: SqliteStore, reader: Reader) -> dict[str | None, bytes]:
    documents: dict[str | None, bytes] = {}
    while items := await store.claim_inbox(100, Millis(2**50), LEASE):
        outcomes = [reader.read(item) for item in items]
        results = [
            to_registered(item, outcome, []) if isinstance(outcome, Read) else outcome
            for item, outcome in zip(items, outcomes, strict=True)
        ]
        assert all(await store.register(results, Millis(2**50)))
        documents |= {item.receipt: o.document for item, o in zip(items, outcomes, strict=True) if isinstance(o, Read)}
    return documents


def read_matter(document: bytes) -> Matter:
    complaint = json.loads(document)
    branch = complaint["branch"]["code"] if complaint["branch"] else ""
    return Matter(Kind(complaint["kind"]), branch, complaint["narrative"].split("\n\n"))


pauses = st.sampled_from([1, 1, 1, 60, 60, 1_799, 1_801, 5_400, 7_201])


@settings(deadline=None, max_examples=40)
@example(steps=[("praise", 1), ("say", 1), ("end", 1), ("say", 1)], at_once=False)
@example(steps=[("praise", 1), ("say", 1), ("ask", 1), ("say", 1)], at_once=True)
@example(steps=[("praise", 1), ("say", 60), ("say", 1_801)], at_once=False)
@example(steps=[("praise", 1), ("say", 1), ("complain:", 1), ("praise:", 1)], at_once=False)
@example(steps=[("say", 1), ("inquiry", 1), ("say", 1)], at_once=True)
@example(steps=[("say", 1), ("scan 1", 1), ("say", 1), ("scan 2", 1), ("say", 1)], at_once=False)
@example(steps=[("scan 1", 1), ("say", 5_400), ("say", 1_801), ("end", 1), ("say", 1)], at_once=True)
@example(steps=[("say", 1), ("praise:", 1)], at_once=False)
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), pauses), max_size=14), at_once=st.booleans())
def test_any_conversation_comes_to_the_complaints_that_the_guide_promises(reader, steps, at_once):
    model, now_s = Model(), RECEIVED_AT // 1000
    for step, pause_s in steps:
        now_s += pause_s
        model.do(step, now_s)
    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(live(reader, Path(folder), steps, at_once=at_once)) == model.matters
