"""Every metric of the house, in one typed list. Labels are names from the settings and stable codes: few values each."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

registry = CollectorRegistry()

accepted = Counter("huiyin_accepted", "Envelopes kept", ["channel", "outcome"], registry=None)
"""outcome: new, supplement, duplicate"""
rekeyed = Counter(
    "huiyin_rekeyed",
    "Polled things under a used key with other content, kept under another",
    ["channel"],
    registry=registry,
)
refused = Counter("huiyin_refused", "Calls refused at the door", ["channel", "code"], registry=None)
removed = Counter("huiyin_removed", "Secrets removed before anything was kept", ["channel", "kind"], registry=None)
"""kind: password, code, cvv, pin, expiry, track"""
answer_seconds = Histogram(
    "huiyin_answer_seconds",
    "From the whole request read to the reply ready, commit included",
    ["channel"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=None,
)
read = Counter("huiyin_read", "Envelopes read by the register stage", ["channel", "outcome"], registry=registry)
"""outcome: registered, supplemented, set_aside, dismissed, later, lost_claim"""
verdicts = Counter("huiyin_verdicts", "Complaints registered, by level", ["channel", "level"], registry=registry)
signals = Counter("huiyin_signals", "Urgency signals raised", ["signal"], registry=registry)
duties = Counter("huiyin_duties", "Attempts at duties", ["target", "instance", "outcome"], registry=registry)
"""outcome: done, later, parked, dismissed, lost_claim"""
standing = Gauge(
    "huiyin_standing", "Things now in an unfinished state", ["subject", "where", "state"], registry=registry
)
oldest_seconds = Gauge(
    "huiyin_oldest_seconds",
    "Age of the oldest thing in an unfinished state",
    ["subject", "where", "state"],
    registry=registry,
)
alarms = Counter("huiyin_alarms", "Promises found broken by the sweep", ["promise"], registry=registry)
desks = Gauge("huiyin_desks", "Processes that answer calls beside the gateway's own", registry=registry)
polled = Counter("huiyin_polled", "Polls of a channel", ["channel", "outcome"], registry=registry)
last_poll = Gauge("huiyin_last_poll_timestamp_seconds", "Last good poll of a channel", ["channel"], registry=registry)
bugs = Counter("huiyin_bugs", "Failures without a name, each logged with its traceback", ["where"], registry=None)

unbalanced = Gauge(
    "huiyin_unbalanced",
    "Difference between what the history says and what is there",
    ["subject", "where", "state"],
    registry=registry,
)
deadlines = Gauge(
    "huiyin_deadlines", "Undecided complaints near their deadline or past it", ["channel", "state"], registry=registry
)
"""state: approaching, passed"""
heard = Gauge(
    "huiyin_last_accepted_timestamp_seconds",
    "When a channel last had something accepted",
    ["channel"],
    registry=registry,
)
missing = Gauge(
    "huiyin_missing", "Numbers of a channel's source that did not come between others", ["channel"], registry=registry
)
unsealed_seconds = Gauge(
    "huiyin_unsealed_seconds", "Age of the oldest row of the history that is not sealed", registry=registry
)
alarm_calls = Counter(
    "huiyin_alarm_calls", "Words about alarms to people on duty", ["notice", "outcome"], registry=registry
)
"""outcome: told, failed"""
chain_blocks = Gauge("huiyin_chain_blocks", "Blocks of the sealed history", registry=registry)
chain_faults = Gauge("huiyin_chain_fault", "1: the head of the chain is not as it was signed", registry=registry)
late_rows = Counter("huiyin_late_rows", "Rows of the history that appeared behind the head", registry=registry)


Place: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample and its labels."""


class Shared(Collector):
    """Metrics that processes beside the gateway move as well (its desks): here they stand together."""

    def __init__(self, *own: Collector) -> None:
        self._own = own
        self._beside: dict[Place, float] = {}
        self._taken: dict[Place, float] = {}

    def collect(self) -> Iterator[Metric]:
        beside = dict(self._beside)
        for metric in (metric for own in self._own for metric in own.collect()):
            samples = [s._replace(value=s.value + beside.pop(_place(s), 0.0)) for s in metric.samples]
            # What only the others have counted.
            names = {f"{metric.name}{ending}" for ending in _ENDINGS}
            samples += [
                Sample(name, dict(labels), beside.pop((name, labels))) for name, labels in list(beside) if name in names
            ]
            metric.samples = samples
            yield metric

    def take(self) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
        """What was counted in this process since this was asked last."""
        counts = []
        for sample in (sample for own in self._own for metric in own.collect() for sample in metric.samples):
            place = _place(sample)
            known = self._taken.get(place)
            if sample.value != known and not sample.name.endswith("_created"):
                self._taken[place] = sample.value
                counts.append((*place, sample.value - (known or 0.0)))
        return counts

    def add(self, counts: Iterable[tuple[str, tuple[tuple[str, str], ...], float]]) -> None:
        for name, labels, more in counts:
            self._beside[name, labels] = self._beside.get((name, labels), 0.0) + more


_ENDINGS = ("_total", "_bucket", "_sum", "_count")


def _place(sample: Sample) -> Place:
    return sample.name, tuple(sample.labels.items())


shared = Shared(accepted, refused, removed, answer_seconds, bugs)
registry.register(shared)


def render() -> tuple[bytes, str]:
    """The text exposition and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
