"""Signatures that were used already, for pushes whose words the signature does not cover.

The signature of an unencrypted push covers token, time and nonce only: whoever saw one address could put words of his
own under it until the time is over. WeChat makes a new nonce for every push, and its retries bring the same words; so a
signature that comes again with other words is a forgery. Encrypted pushes need no such memory: their signature covers the
words, and a copy of them is answered like a retry.

One process remembers what it saw itself. On several nodes each has a memory of its own.
"""

LIMIT = 100_000
"""Signatures remembered; at 160 pushes a second that is more than ten minutes. The oldest go first."""


class ReplayGuard:
    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._seen: dict[str, bytes] = {}

    def admit(self, signature: str, content: bytes) -> bool:
        """Whether this signature is new, or stands under the same content as before."""
        known = self._seen.setdefault(signature, content)
        if len(self._seen) > self._limit:
            del self._seen[next(iter(self._seen))]
        return known == content
