"""`make bench`: prints ratios.   python -m benchmarks [accept] [pipeline] [million] [wechat] [--rounds N] [--seconds S]"""

import argparse

from benchmarks import accept, million, pipeline, wechat

PARTS = {"accept": accept.measure, "pipeline": pipeline.measure, "million": million.measure, "wechat": wechat.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: accept and pipeline")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--slow-store", type=float, default=0.0, metavar="S", help="wechat: hold the store so long")
    options = parser.parse_args()
    for part in options.parts or ["accept", "pipeline"]:
        if part == "wechat":
            wechat.measure(options.rounds, options.seconds, options.slow_store)
        else:
            PARTS[part](options.rounds, options.seconds)


if __name__ == "__main__":
    main()
