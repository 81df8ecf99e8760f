"""What is kept holds no secret, and a push is known again by what was sent."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import Refused
from gateway.intake.accept import Acceptance
from gateway.intake.scrub.envelope import Scrub
from gateway.store.port import Told
from tests.intake.conftest import Open, Party
from tests.intake.test_scrub import enclose
from tests.keyring import mark

SAID, OTHER = "验证码是483920，请退款", "验证码是483921，请退款"
KEY = {"Idempotency-Key": "k"}
LONG = "。" * 40_000


async def test_the_same_push_again_is_a_duplicate_and_other_digits_are_a_conflict(open_site: Open) -> None:
    site = await open_site(Party())
    first = json.loads((await site.ask("POST", "/intake/party", SAID.encode(), **KEY))[2])
    again = json.loads((await site.ask("POST", "/intake/party", SAID.encode(), **KEY))[2])
    assert (again["receipt"], first["duplicate"], again["duplicate"]) == (first["receipt"], False, True)
    assert (await site.ask("POST", "/intake/party", OTHER.encode(), **KEY))[0] == 409


async def test_the_digits_are_in_no_file_of_the_store_and_the_words_around_them_are_kept(open_site: Open) -> None:
    site = await open_site(Party())
    await site.ask("POST", "/intake/party", SAID.encode(), **KEY)
    (kept,) = await site.store.find_kept("party", 0, 2**62, "", 10)
    item = await site.store.find_envelope(kept)
    assert item is not None
    assert item.envelope.raw.decode() == "验证码是[已删除:验证码]，请退款"


@pytest.mark.parametrize("words", [SAID, SAID + LONG, "没有" + LONG])
@pytest.mark.parametrize("soon", [True, False])
async def test_long_and_short_ones_are_kept_the_same_way(open_site: Open, words: str, soon: bool) -> None:
    site = await open_site()
    accept = Acceptance(site.store, Scrub(mark), lambda: None)

    async def keep(envelope: Envelope) -> Sequence[Accepted]:
        if not soon:
            return await accept.keep([envelope])
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        accept.keep_soon([envelope], told.set_result)
        outcome = await told
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    (first,) = await keep(enclose(words.encode(), "text/plain"))
    (again,) = await keep(enclose(words.encode(), "text/plain"))
    assert (first.duplicate, again.duplicate) == (False, True)
    item = await site.store.find_envelope(first.envelope_id)
    assert item is not None
    assert "483920" not in item.envelope.raw.decode()
    with pytest.raises(Refused):
        await keep(enclose(words.replace("。", "！").encode() + b"!", "text/plain"))
