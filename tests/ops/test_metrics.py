"""What several processes count stands together in the metrics of the gateway."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.ops.metrics import Shared


def read(shared: Shared) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(shared)
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_created" not in line)
    return {name: float(value) for name, value in pairs}


def make() -> tuple[Counter, Histogram, Shared]:
    counter = Counter("calls", "-", ["channel"], registry=None)
    seconds = Histogram("seconds", "-", ["channel"], buckets=(1, 5), registry=None)
    return counter, seconds, Shared(counter, seconds)


def test_what_others_counted_is_added_and_told_once() -> None:
    own_counter, own_seconds, own = make()
    other_counter, other_seconds, other = make()
    own_counter.labels("a").inc(2)
    own_seconds.labels("a").observe(0.5)
    other_counter.labels("a").inc(3)
    other_counter.labels("b").inc()
    other_seconds.labels("a").observe(3)
    other_seconds.labels("b").observe(9)
    own.add(other.take())
    assert other.take() == []
    other_counter.labels("b").inc()
    own.add(other.take())
    assert read(own) == {
        'calls_total{channel="a"}': 5,
        'calls_total{channel="b"}': 2,
        'seconds_bucket{channel="a",le="1.0"}': 1,
        'seconds_bucket{channel="a",le="5.0"}': 2,
        'seconds_bucket{channel="a",le="+Inf"}': 2,
        'seconds_count{channel="a"}': 2,
        'seconds_sum{channel="a"}': 3.5,
        'seconds_bucket{channel="b",le="1.0"}': 0,
        'seconds_bucket{channel="b",le="5.0"}': 0,
        'seconds_bucket{channel="b",le="+Inf"}': 1,
        'seconds_count{channel="b"}': 1,
        'seconds_sum{channel="b"}': 9,
    }
