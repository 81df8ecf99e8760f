"""One plan per customer and notice: ways in order, each tried only when the one before is known to have failed.

A way is a notice instance and an address it serves. Each is a duty of its own, born in the commit that closes the one
before, so the plan survives any crash and runs on any node, and a trace shows what was tried and why it went on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from gateway.contract.clock import Millis
from gateway.contract.complaint import Complaint
from gateway.contract.draft import Address, AddressKind
from gateway.contract.ports import Event, Notifier
from gateway.states import DutyState
from gateway.store.rows import Duty, NewDuty, Settled, Target


@dataclass(frozen=True, slots=True)
class Way:
    instance: str
    to: Address


def find_addresses(complaint: Complaint) -> list[Address]:
    """Where this customer can be told of the complaint: first where they wrote from. Of somebody who wishes to stay
    unknown that address alone: numbers in the text may be another's.
    """
    person, channel = complaint.complainant, complaint.channel
    found = []
    if person.wechat_openid:
        # An openid means something to its own account only.
        found.append(Address(AddressKind.WECHAT, person.wechat_openid, channel.instance))
    if not (person.anonymous and found):
        found += [Address(AddressKind.PHONE, phone) for phone in person.phones]
        found += [Address(AddressKind.EMAIL, address) for address in person.emails]
    return found


def find_ways(addresses: Sequence[Address], notices: Mapping[str, Notifier], order: Sequence[str]) -> list[Way]:
    """`order` names notice instances; empty: all, as they stand in the settings. One way per instance and kind: a
    customer with three numbers is not called three times.
    """
    ways: dict[tuple[str, AddressKind], Way] = {}
    for instance in order or notices:
        for address in addresses:
            if address.kind in notices[instance].serves:
                ways.setdefault((instance, address.kind), Way(instance, address))
    return list(ways.values())


def plan_way(ways: Sequence[Way], step: str, event: Event, now: Millis) -> NewDuty:
    """The duty for the first way; it carries the others."""
    first, *others = ways
    then = [{"instance": way.instance, **_describe(way.to)} for way in others]
    return NewDuty(
        target=Target.NOTICE,
        instance=first.instance,
        step=step,
        event=event,
        to=json.dumps({**_describe(first.to), **({"then": then} if then else {})}, ensure_ascii=False),
        address=digest_address(first.to),
        due_ms=now,
    )


def plan_next(duty: Duty, now: Millis) -> NewDuty | None:
    """The duty for the way after this one, or None."""
    others = json.loads(duty.to).get("then", ())
    ways = [Way(other["instance"], _read(other)) for other in others]
    return plan_way(ways, duty.step, duty.event, now) if ways else None


def conclude_way(duty: Duty, settled: Settled, now: Millis, patience_s: int) -> Settled:
    """A way that is refused for good, or whose "later" is longer than a customer should wait, gives way to the next.
    Never while an earlier attempt may have arrived unseen: then it is tried on, or waits for a person.
    """
    then = plan_next(duty, now)
    if then is None or settled.state is DutyState.DONE:
        return settled
    if duty.uncertain or settled.uncertain:
        if settled.state is DutyState.PARKED:
            detail = f"{settled.detail} An earlier attempt may have arrived, so no other way was tried.".strip()
            return replace(settled, detail=detail)
        return settled
    is_late = settled.state is DutyState.WAITING and settled.due_ms - duty.created_ms > patience_s * 1000
    if settled.state is DutyState.PARKED or is_late:
        return replace(settled, state=DutyState.DISMISSED, then=then)
    return settled


def digest_address(address: Address) -> bytes:
    """16 bytes; the same for all notices to one address."""
    return blake2b(f"{address.kind}\0{address.value}".encode(), digest_size=16).digest()


def write_address(address: Address) -> str:
    return json.dumps(_describe(address), ensure_ascii=False)


def read_address(text: str) -> Address:
    return _read(json.loads(text))


def _describe(address: Address) -> dict[str, str]:
    return {"kind": address.kind.value, "value": address.value, "thread": address.thread}


def _read(parts: Mapping[str, str]) -> Address:
    return Address(AddressKind(parts["kind"]), parts["value"], parts["thread"])
