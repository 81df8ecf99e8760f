"""Why the customer complains, in the customer's own view (facet C, 投诉原因)."""

from config.codes import CodeTable
from gateway.contract.complaint import Code
from normalizers.facet import suggest
from normalizers.text import Folded

MADE_BY = "rules:reason_code"


def classify(folded: Folded, codes: CodeTable) -> Code | None:
    """A suggestion with evidence and confidence (0 to 1), or None where no word suggests any class."""
    return suggest(folded, codes, "C", MADE_BY)
