"""Receipts are numbers in disguise: each number has its own, it is found again, and it tells nothing."""

import itertools
import secrets
from collections import Counter

import pytest

from gateway.contract.receipt import BODIES, parse_receipt
from gateway.store.numbering import Numbering, Stock

SECRET = bytes(range(32))


def test_every_number_has_a_receipt_of_its_own_and_is_found_by_it():
    numbering = Numbering(SECRET)
    numbers = [*range(3_000), *(secrets.randbelow(BODIES) for _ in range(3_000)), BODIES - 1]
    receipts = numbering.write(numbers)
    assert len(set(receipts)) == len(set(numbers))
    assert [numbering.read(receipt) for receipt in receipts] == numbers
    assert all(parse_receipt(receipt) == receipt for receipt in receipts)


def test_the_same_secret_gives_the_same_receipts_in_any_batch_and_another_gives_others():
    numbering = Numbering(SECRET)
    together = numbering.write(range(50))
    assert together == [numbering.write([number])[0] for number in range(50)]
    # As first written: receipts that were given must be read the same way by every later version.
    assert together[:2] == ["487659683171", "905911944565"]
    assert not set(together) & set(Numbering(bytes(32)).write(range(50)))


def test_neighbours_have_nothing_in_common():
    receipts = Numbering(SECRET).write(range(20_000))
    bodies = [int(receipt[:-1]) for receipt in receipts]
    # Each decile of the receipts holds a tenth, and so does each decile of the steps from one to the next.
    for values in (bodies, [(b - a) % BODIES for a, b in itertools.pairwise(bodies)]):
        tenths = Counter((value - min(values)) * 10 // (max(values) - min(values) + 1) for value in values)
        # Chi-squared with 9 degrees of freedom: above 40 once in 100,000 secrets, and this secret is fixed.
        expected = len(values) / 10
        assert sum((tenths[place] - expected) ** 2 / expected for place in range(10)) < 40


def test_a_stock_gives_its_numbers_in_order_and_never_more_than_were_reserved():
    stock = Stock(Numbering(SECRET))
    stock.add(range(100, 700))
    taken = [*stock.take(3), *stock.take(0), *stock.take(500), *stock.take(97)]
    assert [number for number, _ in taken] == list(range(100, 700))
    assert taken == list(zip(range(100, 700), stock.numbering.write(range(100, 700)), strict=True))
    assert len(stock) == 0
    with pytest.raises(ValueError, match="reserved"):
        stock.take(1)
