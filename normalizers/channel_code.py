"""Where the *business* was done (facet A, 投诉业务办理渠道): only from the customer's words, never from the channel by which the
complaint came in. None where the words do not say."""

from config.codes import CodeTable
from gateway.contract.complaint import Code
from normalizers.facet import suggest
from normalizers.text import Folded

MADE_BY = "rules:channel_code"


def classify(folded: Folded, codes: CodeTable) -> Code | None:
    """A suggestion with evidence and confidence (0 to 1), or None where no word suggests any class."""
    return suggest(folded, codes, "A", MADE_BY)
