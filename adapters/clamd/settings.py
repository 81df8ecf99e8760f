"""Settings of the scanner, as they stand under `[scan]`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ScanSettings(BaseModel):
    """`address`: where clamd listens, `unix:///path` or `tcp://host:port` (an IPv6 address in brackets).
    `timeout_s`: for one file, connecting included. `limit_bytes`: clamd's StreamMaxLength; above it, it hangs up, often
    before its reason can be read, so such a file is not sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, Field(pattern=r"^(?:unix:///.+|tcp://(?:\[[0-9a-fA-F:.]+\]|[^/:\s]+):[0-9]{1,5})$")] = (
        "unix:///run/clamav/clamd.ctl"
    )
    limit_bytes: Annotated[int, Field(ge=1_024)] = 26_214_400
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60
