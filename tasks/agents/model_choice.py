"""Which model, on which server, with which key: what the settings say, checked. Nothing here is slow to import.

A key is read at the moment of use (keys.py), and is in no message and no repr. The key of a company goes to its own
server alone, unless the settings name it for another one.
"""

from dataclasses import dataclass, field
from urllib.parse import urlparse

from blocks.agents import AgentSettings
from tasks.agents.keys import Keys
from tasks.errors import Permanent

ANTHROPIC = ("https://api.anthropic.com", "ANTHROPIC_API_KEY")
OPENAI = ("https://api.openai.com/v1", "OPENAI_API_KEY")
"""A company's server, and the variable in which its own tools look for a key."""
PROTOCOLS = {"anthropic": ANTHROPIC, "openai": OPENAI, "openai-chat": OPENAI, "openai-responses": OPENAI}


@dataclass(frozen=True)
class Server:
    """What is asked. `key_name` is None for a server of one's own that asks for none."""

    protocol: str
    model: str
    url: str
    key_name: str | None
    key: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.model!r} at {urlparse(self.url).netloc or self.url}"

    def without_key(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


async def server(settings: AgentSettings, keys: Keys) -> Server:
    """The server that the settings name. Raises Permanent with what to set, Temporary if its key cannot be had now."""
    if not settings.model:
        raise Permanent(
            "no model is configured: set `agents.model` in the environment (or MIYABI_AGENT_MODEL where the agent"
            " worker runs) to anthropic:NAME or openai:NAME, and the key in ANTHROPIC_API_KEY or OPENAI_API_KEY"
        )
    protocol, _, model = settings.model.partition(":")
    if protocol not in PROTOCOLS:
        raise Permanent(
            f"`agents.model` is {settings.model!r}: begin it with {', '.join(f'{known}:' for known in PROTOCOLS)}"
            " (another server that speaks one of these is named in `agents.model_base_url`)"
        )
    url, usual = PROTOCOLS[protocol]
    # A key of OpenAI's or Anthropic's goes to their servers alone, unless someone names it for another one.
    name = settings.model_key_secret or (None if settings.model_base_url else usual)
    key = await keys.value(name, f"the model {settings.model!r}") if name else ""
    return Server(protocol, model, settings.model_base_url or url, name, key)
