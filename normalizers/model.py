"""A small linear scorer: words and cues in, a probability for each class out, and which words spoke for it.

The weights are a table that a person can read (`config/tables/*_model.csv`); `benchmarks/train_models.py` makes it.
A text's words share a fixed say (`spread` over the square root of their number), so that length alone raises nothing;
cues, which stand for a whole notion, weigh in full.
"""

import csv
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

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
    """A model bound to the numbers of a lexicon's words: rows to sum up, no look-up by name on the way."""

    def __init__(self, model: Model, words: Sequence[str]) -> None:
        self.model = model
        self._nothing = (0.0,) * len(model.classes)
        self._rows = [model.words.get(word) for word in words]
        self.telling = [max(row) - row[-1] if row else 0.0 for row in self._rows]
        """How much each word speaks for its strongest class rather than the last one."""

    def judge(self, numbers: Collection[int], cues: Iterable[str]) -> dict[str, float]:
        """Numbers of the words in the text, each once, and its cues -> class -> probability."""
        rows = self._find_rows(numbers)
        say = self._share(rows)
        # Rows become columns: one step for each class instead of one for each word.
        totals = [
            bias + say * sum(column) for bias, column in zip(self.model.bias, zip(*rows, strict=True), strict=True)
        ]
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
        return self._share(self._find_rows(numbers))

    def _find_rows(self, numbers: Collection[int]) -> list[Weights]:
        """Of the words that the model knows. Where it knows none, one row that says nothing."""
        rows = map(self._rows.__getitem__, numbers)
        return [row for row in rows if row is not None] or [self._nothing]

    def _share(self, rows: Collection[Weights]) -> float:
        return self.model.spread / math.sqrt(len(rows))

    def weigh_cue(self, cue: str) -> float:
        """How much a cue speaks for its strongest class rather than the last one."""
        weights = self.model.cues.get(cue)
        return max(weights) - weights[-1] if weights else 0.0
