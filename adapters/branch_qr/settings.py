from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from config.secret import Secret


class ChannelSettings(BaseModel):
    """`keys`: key version -> secret that signs the printed codes. Empty: they derive from the house's
    master key, with its versions.

    New codes are signed with the highest version; older ones stay good until their version stands in `revoked_keys` or
    their branch in `revoked_branches`. Printed codes live for years, so they never expire by themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: dict[Annotated[int, Field(ge=1)], Secret] = {}
    revoked_keys: frozenset[int] = frozenset()
    revoked_branches: frozenset[str] = frozenset()
