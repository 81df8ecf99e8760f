"""The words and weights that tell a complaint from praise, a suggestion and an inquiry."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class KindTables:
    """`cues`: notion -> words. `model`: the weights as table text."""

    cues: dict[str, tuple[str, ...]]
    model: str


@cache
def load_kind_tables() -> KindTables:
    tables = files("config").joinpath("tables")
    cues = tomllib.loads(tables.joinpath("kind.toml").read_text("utf-8"))
    return KindTables(
        {name: tuple(words) for name, words in cues.items()}, tables.joinpath("kind_model.csv").read_text("utf-8")
    )
