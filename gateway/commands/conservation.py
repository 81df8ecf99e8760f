"""`huiyin conservation`: 件件有着落 as a table. What was accepted is registered, set aside, dismissed or still to be read;
what is owed is done, waiting, parked or dismissed.
"""

import argparse
import asyncio
import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from config.settings import Settings
from gateway.commands.opening import load_settings, opened_store
from gateway.store.chain import CAME, Days, Tally
from gateway.store.rows import Balance, Imbalance

_ACCEPTED = {"accepted": CAME, "registered": "registered", "set_aside": "set_aside", "dismissed": "dismissed"}
_OWED = {"owed": CAME, "done": "done", "waiting": "waiting", "parked": "parked", "owed_dismissed": "dismissed"}
_COLUMNS = ("day", "channel", *_ACCEPTED, "to_be_read", *_OWED, "balanced")

Line = dict[str, str | int | bool]


def run_conservation(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    books, balance = asyncio.run(_read(settings, options))
    lines = make_lines(books)
    match options.format:
        case "json":
            print(json.dumps(_to_json(lines, balance), ensure_ascii=False, indent=2))
        case "csv":
            writer = csv.DictWriter(sys.stdout, _COLUMNS)
            writer.writeheader()
            writer.writerows({**line, "balanced": "yes" if line["balanced"] else "no"} for line in lines)
        case _:
            print("\n".join(_to_table(lines)))
    for text in tell_balance(balance, recount=options.recount):
        print(f"huiyin: {text}", file=sys.stderr)
    return 0 if all(line["balanced"] for line in lines) and not balance.imbalances and not balance.behind else 1


async def _read(settings: Settings, options: argparse.Namespace) -> tuple[Counter[Tally], Balance]:
    days = Days(settings.bank.timezone)
    async with opened_store(settings) as store:
        books = await store.read_books(days, options.since, options.until)
        return books, await store.check_balance(days, recount=options.recount)


def make_lines(books: Mapping[Tally, int]) -> list[Line]:
    """One line per day and channel. What is owed stands at the day it was born and the channel of its complaint."""
    places: defaultdict[tuple[str, str], Counter[tuple[bool, str]]] = defaultdict(Counter)
    for tally, count in books.items():
        places[tally.day, tally.channel][tally.subject == "envelope", tally.state] += count
    lines = []
    for (day, channel), counts in sorted(places.items()):
        line: Line = {"day": day, "channel": channel}
        line |= {column: counts[True, state] for column, state in _ACCEPTED.items()}
        line["to_be_read"] = counts[True, "accepted"]
        line |= {column: counts[False, state] for column, state in _OWED.items()}
        line["balanced"] = (
            counts[True, CAME] == sum(counts[True, s] for s in ("registered", "set_aside", "dismissed", "accepted"))
            and counts[False, CAME] == sum(counts[False, s] for s in ("done", "waiting", "parked", "dismissed"))
            and min(counts.values()) >= 0
        )
        lines.append(line)
    return lines


def tell_balance(balance: Balance, *, recount: bool) -> list[str]:
    if balance.behind:
        return ["too much is not sealed yet to compare it with what waits; is a gateway with the role sweep running?"]
    if balance.imbalances:
        return [_tell(one) for one in balance.imbalances]
    counted = "everything that is there" if recount else "everything that waits"
    return [f"the history agrees with {counted}"]


def _tell(one: Imbalance) -> str:
    what = f"{one.subject} {one.where}"
    if one.state == CAME:
        return f"does not balance: of {what} {one.told} came, and {one.found} are in a state"
    return f"does not balance: of {what} the history says {one.told} {one.state}, and there are {one.found}"


def _to_json(lines: Sequence[Line], balance: Balance) -> dict[str, object]:
    return {
        "lines": lines,
        "imbalances": [
            {"subject": one.subject, "where": one.where, "state": one.state, "history": one.told, "found": one.found}
            for one in balance.imbalances
        ],
        "compared": not balance.behind,
        "balanced": all(line["balanced"] for line in lines) and not balance.imbalances,
    }


def _to_table(lines: Sequence[Line]) -> list[str]:
    heads = ["day", "channel", "accepted", "registered", "set aside", "dismissed", "to be read"]
    heads += ["owed", "done", "waiting", "parked", "dismissed", ""]
    rows = [heads] + [
        [*(str(line[column]) for column in _COLUMNS[:-1]), "" if line["balanced"] else "DOES NOT BALANCE"]
        for line in lines
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(len(heads))]
    signs = ["", "", "", " = ", " + ", " + ", " + ", "   ", " = ", " + ", " + ", " + ", "  "]
    written = []
    for number, row in enumerate(rows):
        cells = [
            (signs[n] if number == 0 or not signs[n].strip() else "   ")
            + (cell.ljust(widths[n]) if n < 2 else cell.rjust(widths[n]))
            for n, cell in enumerate(row)
        ]
        written.append("  ".join([cells[0], cells[1] + "  " + "".join(cells[2:])]).rstrip())
    return written
