"""A server and its model made into a client that pydantic-ai can ask.

All executions of a process share one HTTP client; an execution adds a few objects, no connection of its own. Imported
when a model is first needed: pydantic-ai and an SDK take about 1.3 s and 100 MB.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from weakref import WeakKeyDictionary

import httpx2
from pydantic_ai.models import Model

from tasks.agents.model_choice import OPENAI, Server

LONGEST = 16 * 1024 * 1024
"""Bytes of one answer, as they come over the wire."""

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
TIMEOUT = httpx2.Timeout(600, connect=10)
"""Seconds; how long an answer may take is up to `model_limits.answer_s`. Not the SDKs' default, with which
Anthropic's refuses to ask for long answers without a stream."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()


def connected(server: Server) -> Model:
    """The model, asked once a request: tries are counted in model_talk.py. No other variable is looked at."""
    key = server.key or "none"
    if server.protocol == "anthropic":
        return anthropic(server, key)
    return openai(server, key)


def anthropic(server: Server, key: str) -> Model:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(api_key=key, base_url=server.url, http_client=http_client(), max_retries=0)
    return AnthropicModel(server.model, provider=AnthropicProvider(anthropic_client=client))


def openai(server: Server, key: str) -> Model:
    """Responses at OpenAI's own server; Chat Completions elsewhere, which is what other servers speak."""
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    client = AsyncOpenAI(api_key=key, base_url=server.url, http_client=http_client(), max_retries=0)
    ours = server.url == OPENAI[0]
    provider = OpenAIProvider(openai_client=client) if ours else OpenAICompatibleProvider("own", openai_client=client)
    if server.protocol == "openai-responses" or (ours and server.protocol == "openai"):
        return OpenAIResponsesModel(server.model, provider=provider)
    return OpenAIChatModel(server.model, provider=provider)


def http_client() -> httpx2.AsyncClient:
    """The one client of this event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx2.AsyncClient(
            verify=certificates(), limits=LIMITS, timeout=TIMEOUT, event_hooks={"response": [bounded]}
        )
    return _clients[loop]


@lru_cache
def certificates() -> ssl.SSLContext:
    """Whom to trust; to read the list takes 20 ms."""
    return httpx2.create_ssl_context()


async def close() -> None:
    """Close this event loop's client; the next request makes a new one."""
    if client := _clients.pop(asyncio.get_running_loop(), None):
        await client.aclose()


class Bounded(httpx2.AsyncByteStream):
    """A body that ends after LONGEST bytes, in an error: a server that does not stop would fill the memory."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self.stream:
            if (size := size + len(part)) > LONGEST:
                raise httpx2.ReadError(f"the answer is longer than {LONGEST // 2**20} MiB")
            yield part

    async def aclose(self) -> None:
        await self.stream.aclose()


async def bounded(response: httpx2.Response) -> None:
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = Bounded(response.stream)
