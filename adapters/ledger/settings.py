"""Settings of the embedded ledger."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class SystemSettings(BaseModel):
    """`file`: where the book lies. None: `ledger.db` in the data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = None
