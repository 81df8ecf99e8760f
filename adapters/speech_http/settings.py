"""Settings of the speech service, as they stand under `[speech]`."""

from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

from config.secret import Secret


class SpeechSettings(BaseModel):
    """`url` takes the recording's bytes as a POST. `key` goes along as a bearer token. `field`: where the words stand in
    the JSON answer, its parts divided by dots (`result.text`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: AnyHttpUrl
    key: Secret | None = None
    field: Annotated[str, Field(min_length=1)] = "text"
    timeout_s: Annotated[float, Field(gt=0, le=25)] = 20
