"""Which product or service it is about (facet B, 投诉业务类别)."""

from gateway.contract.complaint import Code
from normalizers.facet import Hints

MADE_BY = "rules:business_code"


def classify(hints: Hints) -> Code | None:
    """A suggestion with evidence and confidence (0 to 1), or None where no word suggests any class."""
    return hints.suggest("B", MADE_BY)
