"""Keeping the collector of cycles from stopping everybody."""

import gc

_YOUNG = 10_000
"""Objects made before the young ones are looked through. What a request makes goes away by itself when it is answered."""


def settle_memory() -> None:
    """Once everything is set up: what is there now stays for good and is not looked through again.

    There are some 300,000 of them - settings, tables of rules, compiled statements - and a full collection walked
    through all of them every second or two under load, for 70 ms in which nobody was answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
