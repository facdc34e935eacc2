"""The ground of an environment's parts."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A part of an environment. A misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
