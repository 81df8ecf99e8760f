"""A small linear scorer: words and cues in, a probability for each class out, and which words spoke for it.

The weights are a table that a person can read (`config/tables/*_model.csv`); `benchmarks/train_models.py` makes it.
A text's words share a fixed say (`spread` over the square root of their number), so that length alone raises nothing;
cues, which stand for a whole notion, weigh in full.
"""

import csv
import math
from collections.abc import Collection, Iterable, Mapping
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

    def judge(self, words: Collection[str], cues: Iterable[str]) -> dict[str, float]:
        """Class -> probability. `words` are those of the text that the model knows, each once."""
        totals = list(self.bias)
        if words:
            say = self.spread / math.sqrt(len(words))
            for word in words:
                for at, weight in enumerate(self.words[word]):
                    totals[at] += weight * say
        for cue in cues:
            for at, weight in enumerate(self.cues.get(cue, ())):
                totals[at] += weight
        top = max(totals)
        powers = [math.exp(total - top) for total in totals]
        whole = sum(powers)
        return {name: power / whole for name, power in zip(self.classes, powers, strict=True)}


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
