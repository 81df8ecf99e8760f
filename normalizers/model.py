"""A small linear scorer: words and cues in, a probability for each class out, and which words spoke for it.

The weights are a table that a person can read (`config/tables/*_model.csv`); `benchmarks/train_models.py` makes it.
A text's words share a fixed say (`spread` over the square root of their number), so that length alone raises nothing;
cues, which stand for a whole notion, weigh in full.
"""

import csv
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")

Weights = tuple[float, ...]
"""One weight for each class, in the order of `Model.classes`."""


@dataclass(frozen=True, slots=True)
class Model:
    classes: tuple[str, ...]
    bias: Weights
    spread: float
    words: Mapping[str, Weights]
    cues: Mapping[str, Weights]


def read_model(text: str) -> Model:
    """CSV `sort,feature,<class>...` with sorts bias, spread, word and cue -> the model. Raises ValueError."""
    rows = csv.reader(StringIO(text))
    classes = tuple(next(rows)[2:])
    tables: dict[str, dict[str, Weights]] = {"bias": {}, "spread": {}, "word": {}, "cue": {}}
    for sort, feature, *weights in rows:
        if sort not in tables or len(weights) != len(classes):
            raise ValueError(f"a model row of sort {sort!r} with {len(weights)} weights cannot be read")
        tables[sort][feature] = tuple(map(float, weights))
    return Model(classes, tables["bias"][""], tables["spread"][""][0], tables["word"], tables["cue"])


class Scorer:
    """A model bound to the numbers of a lexicon's words: columns to sum up, no look-up by name on the way."""

    def __init__(self, model: Model, words: Sequence[str]) -> None:
        self.model = model
        nothing = (0.0,) * len(model.classes)
        rows = [model.words.get(word, nothing) for word in words]
        self._columns = [[row[at] for row in rows] for at in range(len(model.classes))]
        self._known = [int(word in model.words) for word in words]
        self.telling = [max(row) - row[-1] for row in rows]
        """How much each word speaks for its strongest class rather than the last one."""

    def judge(self, numbers: Collection[int], cues: Iterable[str]) -> dict[str, float]:
        """Numbers of the words in the text, each once, and its cues -> class -> probability."""
        pick = _pick(numbers)
        say = self.model.spread / math.sqrt(max(1, sum(pick(self._known))))
        totals = [bias + say * sum(pick(column)) for bias, column in zip(self.model.bias, self._columns, strict=True)]
        weights = self.model.cues
        for cue in cues:
            if cue in weights:
                for at, weight in enumerate(weights[cue]):
                    totals[at] += weight
        top = max(totals)
        powers = [math.exp(total - top) for total in totals]
        whole = sum(powers)
        return {name: power / whole for name, power in zip(self.model.classes, powers, strict=True)}

    def share_say(self, numbers: Collection[int]) -> float:
        """What one word of this text weighs."""
        return self.model.spread / math.sqrt(max(1, sum(_pick(numbers)(self._known))))

    def weigh_cue(self, cue: str) -> float:
        """How much a cue speaks for its strongest class rather than the last one."""
        weights = self.model.cues.get(cue)
        return max(weights) - weights[-1] if weights else 0.0


def _pick(numbers: Collection[int]) -> Callable[[list[T]], Sequence[T]]:
    """What takes the values at these places out of a column, at three times the speed of asking for each."""
    if len(numbers) < 2:
        return lambda column: [column[number] for number in numbers]
    return itemgetter(*numbers)
