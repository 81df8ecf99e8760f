"""What the customer said and wrote, as one text for the rules that look for facts.

The agent's and the bot's words are left out: their names, numbers and scripts are the bank's. A number that is said in
pieces, with the agent's 嗯 and 好的 between them, is one number again.
"""

import re
from collections.abc import Sequence

from gateway.contract.complaint import Speaker, Turn
from normalizers.numeral import DIGITS
from normalizers.speakers import keep_customer

_ENDS_IN_NUMBER = re.compile(rf"[\d{DIGITS}][\s，,。.、]*$")
_BEGINS_WITH_NUMBER = re.compile(rf"[\s嗯啊呃哦对是然后，,。.、]{{0,8}}(?=[\d{DIGITS}]{{2}})")
_PROMPT_LENGTH = 12


def join_speech(narrative: str, turns: Sequence[Turn]) -> str:
    """Narrative first, then the customer's turns, a line each."""
    parts = [keep_customer(narrative)] if narrative else []
    number_open = False
    for turn in turns:
        if turn.speaker is not Speaker.CUSTOMER:
            number_open = number_open and len(turn.text) <= _PROMPT_LENGTH
            continue
        continued = _BEGINS_WITH_NUMBER.match(turn.text) if number_open else None
        if continued:
            parts[-1] = _ENDS_IN_NUMBER.sub(lambda match: match[0][0], parts[-1]) + turn.text[continued.end() :]
        else:
            parts.append(turn.text)
        number_open = bool(_ENDS_IN_NUMBER.search(turn.text[-20:]))
    return "\n".join(parts)
