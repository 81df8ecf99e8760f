"""`make bench`: prints ratios.   python -m benchmarks [accept] [pipeline] [million] [--rounds N] [--seconds S]"""

import argparse

from benchmarks import accept, million, pipeline

PARTS = {"accept": accept.measure, "pipeline": pipeline.measure, "million": million.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: accept and pipeline")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    for part in options.parts or ["accept", "pipeline"]:
        PARTS[part](options.rounds, options.seconds)


if __name__ == "__main__":
    main()
