"""`huiyin tell`: a customer is told that there is news, on whatever way reaches them."""

import argparse
import asyncio

from config.settings import Settings
from gateway import plugins
from gateway.app import check_delivery
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.complaint import Complaint
from gateway.contract.ports import Event, House, Purpose
from gateway.contract.receipt import Receipt, parse_receipt, spoken
from gateway.ops.time import SystemClock
from gateway.stages.ways import Way, find_addresses, find_ways, plan_way


def run_tell(options: argparse.Namespace) -> int:
    receipt = parse_receipt(options.receipt)
    if receipt is None:
        raise Refusal("that is no receipt number: it has twelve digits and the last one checks the others")
    settings = load_settings(options).settings
    house, _ = open_rules(settings, kept_key=True)
    ways = asyncio.run(_tell(settings, house, receipt))
    print(f"{spoken(receipt)}: {', then '.join(way.instance for way in ways)}")
    return 0


async def _tell(settings: Settings, house: House, receipt: Receipt) -> list[Way]:
    """The ways that will be tried. A running gateway sends; where none runs, the next one that starts does."""
    notices = {n: plugins.open_notice(n, e, house) for n, e in settings.notices.items() if e.enabled}
    try:
        check_delivery(settings, notices)
        async with opened_store(settings) as store:
            trace = await store.trace(receipt)
            if trace is None or not trace.versions:
                raise Refusal(f"no complaint is registered under {spoken(receipt)}")
            complaint = Complaint.model_validate_json(trace.versions[-1][3])
            ways = find_ways(find_addresses(complaint), notices, settings.delivery.order)
            if not ways:
                raise Refusal(f"no way leads to the customer of {spoken(receipt)}; add a section [notices.NAME]")
            now = SystemClock().now_ms()
            await store.owe(receipt, [plan_way(ways, Purpose.PROGRESS.value, Event.REGISTERED, now)], now)
            return ways
    finally:
        for notifier in notices.values():
            await notifier.close()
