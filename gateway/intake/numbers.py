"""Drawing receipt numbers. The store draws again when a number is taken, inside the accepting transaction."""

import secrets

from gateway.contract.receipt import Receipt, make_receipt


def draw_receipt() -> Receipt:
    return make_receipt(10**10 + secrets.randbelow(9 * 10**10))
