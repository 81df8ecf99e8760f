"""The one type for secrets: it cannot be printed, logged or dumped by accident."""

from pydantic import SecretStr

Secret = SecretStr
"""Read it with `.get_secret_value()`, at the last moment. Settings fill it from `key = "..."`, from the environment or
from `key_file = "path"` (surrounding white space is dropped)."""
