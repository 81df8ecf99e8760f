"""Which product or service it is about (facet B, 投诉业务类别)."""

from config.codes import CodeTable
from gateway.contract.complaint import Code
from normalizers.facet import suggest
from normalizers.text import Folded

MADE_BY = "rules:business_code"


def classify(folded: Folded, codes: CodeTable) -> Code | None:
    """A suggestion with evidence and confidence (0 to 1), or None where no word suggests any class."""
    return suggest(folded, codes, "B", MADE_BY)
