"""`make bench`: prints ratios.   python -m benchmarks [PART ...] [--store sqlite|postgres] [--rounds N] [--seconds S]"""

import argparse
from collections.abc import Callable

from benchmarks import accept, growth, million, nodes, pipeline, wechat
from benchmarks.databases import STORES

PARTS: dict[str, Callable[[int, int, str], None]] = {
    "accept": accept.measure,
    "nodes": nodes.measure,
    "pipeline": pipeline.measure,
    "million": million.measure,
    "growth": growth.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "wechat", []], help="default: accept and pipeline")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--slow-store", type=float, default=0.0, metavar="S", help="wechat: hold the store so long")
    options = parser.parse_args()
    for part in options.parts or ["accept", "pipeline"]:
        if part == "wechat":
            wechat.measure(options.rounds, options.seconds, options.slow_store)
        else:
            PARTS[part](options.rounds, options.seconds, options.store)


if __name__ == "__main__":
    main()
