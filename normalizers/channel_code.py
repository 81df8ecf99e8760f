"""Where the *business* was done (facet A, 投诉业务办理渠道): only from the customer's words, never from the channel by which the
complaint came in. None where the words do not say."""

from gateway.contract.complaint import Code
from normalizers.facet import Hints

MADE_BY = "rules:channel_code"


def classify(hints: Hints) -> Code | None:
    """A suggestion with evidence and confidence (0 to 1), or None where no word suggests any class."""
    return hints.suggest("A", MADE_BY)
