"""Why the customer complains, in the customer's own view (facet C, 投诉原因)."""

from gateway.contract.complaint import Code
from normalizers.facet import Hints

MADE_BY = "rules:reason_code"


def classify(hints: Hints) -> Code | None:
    """A suggestion with evidence and confidence (0 to 1), or None where no word suggests any class."""
    return hints.suggest("C", MADE_BY)
