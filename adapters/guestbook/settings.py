from pydantic import BaseModel, ConfigDict

from config.secret import Secret


class ChannelSettings(BaseModel):
    """`keys`: the current key of the JSON entry first, then those being rotated out. Empty: the JSON entry is shut.

    `page`: whether `/guestbook` is shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[Secret, ...] = ()
    page: bool = True
