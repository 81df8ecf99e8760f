"""The checker sees what is wrong: a test that nothing can fail proves nothing."""

from dataclasses import replace

import pytest

from tests.faults.checker import Acknowledged, Held, Record, Told, check

GOOD = Record(
    acknowledged=[
        Acknowledged("m1", "call 1", "R1"),
        Acknowledged("m1", "call 1", "R1"),
        Acknowledged("m2", "call 1", "R1"),
        Acknowledged("m3", "mail 3", None),
        Acknowledged("m4", "call 4", "R4"),
    ],
    sent=["m1", "m2", "m3", "m4", "m5"],
    ledger=[Held("R1", 2, "L1", "m1 m2"), Held("R3", 1, "L2", "m3")],
    tracker=[Held("R1", 1, "T1", "m1"), Held("R3", 1, "T2", "m3"), Held("R1", 2, "", "m1 m2")],
    parked=["no_transcript"],
    poison={"m4": "no_transcript"},
)
MAILED = replace(
    GOOD, acknowledged=[*GOOD.acknowledged[:3], Acknowledged("m3", "mail 3", "R3"), *GOOD.acknowledged[4:]]
)


def test_a_run_in_which_all_went_well_has_no_fault():
    finding = check(GOOD)
    assert finding.faults == []
    assert (finding.accepted, finding.forwarded) == (4, 3)


def test_a_mail_that_was_sent_twice_is_one_mail():
    assert check(replace(MAILED, told=[Told("mail 3", "R3", "a")] * 2)).faults == []


LEDGER, TRACKER, TOLD = GOOD.ledger, GOOD.tracker, GOOD.acknowledged


@pytest.mark.parametrize(
    ("record", "faults"),
    [
        (replace(MAILED, told=[]), ["untold: mail 3 was never told its number"]),
        (
            replace(MAILED, told=[Told("mail 3", "R3", "a"), Told("mail 3", "R3", "b")]),
            ["untold: mail 3 was told in more than one mail"],
        ),
        (
            replace(MAILED, told=[Told("mail 3", "R1", "a")]),
            ["untold: mail 3 was told another number than R3"],
        ),
        (replace(GOOD, ledger=LEDGER[:1]), ["lost: m3 is not in the ledger"]),
        (replace(GOOD, tracker=TRACKER[:2]), ["lost: m2 is not at the tracker"]),
        (
            replace(GOOD, ledger=[*LEDGER, Held("R5", 1, "L3", "m3")]),
            ["doubled: m3 is under 2 receipts in the ledger"],
        ),
        (
            replace(GOOD, tracker=[*TRACKER, Held("R5", 1, "T3", "m3")]),
            ["doubled: m3 is under 2 receipts in the tracker"],
        ),
        (
            replace(GOOD, tracker=[*TRACKER, Held("R3", 2, "T3", "m3")]),
            ["doubled: R3 has 2 tickets in the tracker"],
        ),
        (
            replace(GOOD, acknowledged=[*TOLD, Acknowledged("m1", "call 1", "R9")]),
            [
                "contradicting: call 1 was given 2 receipts",
                "contradicting: m1 was acknowledged as R9 and is filed under another number",
            ],
        ),
        (
            replace(GOOD, tracker=[TRACKER[0], TRACKER[2], Held("R3", 1, "", "m3")]),
            ["disordered: R3 was changed before it was made"],
        ),
        (
            replace(GOOD, tracker=[*TRACKER, Held("R1", 1, "", "m1")]),
            ["disordered: R1 came to the tracker as version 1 after 2"],
        ),
        (replace(GOOD, parked=["no_transcript", "status_422"]), ["stuck: parked as status_422"]),
        (replace(GOOD, parked=[]), ["stuck: poison that was to be parked as no_transcript is not"]),
        (replace(GOOD, waiting="2 never came to an end"), ["stuck: 2 never came to an end"]),
        (replace(GOOD, chain="the chain is broken"), ["chain: the chain is broken"]),
        (replace(GOOD, books="does not balance"), ["books: does not balance"]),
    ],
    ids=lambda value: value[0].partition(" ")[0] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_named(record: Record, faults: list[str]):
    assert check(record).faults == faults


def test_what_nobody_acknowledged_may_be_absent_or_there_once():
    assert check(replace(GOOD, ledger=[*LEDGER, Held("R5", 1, "L3", "m5")])).faults == []
