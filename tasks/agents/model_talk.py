"""A talk with a model until it has filled in the form: requests, the tools it calls, and answers that are sent back.

Each request is a recorded step, so an attempt that follows gets the answers that were paid for; the tools in between,
which read or write files, are run again. An answer that ends the talk badly is no finished step: whoever asks again
gets a new one. pydantic-ai's `PrefectDurability` (`PrefectAgent` of old) would keep the answers in Prefect's result
storage, under keys that change with every word sent, and end with the flow run; ours end with the execution.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_ai import Agent, AgentRetries, UsageLimits
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_ai.usage import RunUsage

from blocks.agents import ModelLimits
from tasks.agents.context import AgentContext
from tasks.agents.model_choice import Server
from tasks.agents.model_failures import Failure, Misfit, of_request, of_talk
from tasks.agents.model_provider import connected

Form = TypeVar("Form", bound=BaseModel)
STEP = "Ask the model"
Step = Callable[..., Awaitable[Any]]
"""How a request is done: `AgentContext.step`, or `at_once`."""


@dataclass(frozen=True)
class Patience:
    """Time and chance, which tests replace."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


@dataclass(frozen=True)
class Terms:
    """Of one talk: who is asked for what, and how."""

    server: Server
    form: type[BaseModel]
    step: Step
    patience: Patience


@dataclass(frozen=True)
class Said(Generic[Form]):
    """The form, filled in, and what it took."""

    form: Form
    metrics: Mapping[str, Any]


async def at_once(_name: str, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Do it without a record: all of the talk is one step."""
    return await function(*arguments)


async def talk(
    context: AgentContext,
    server: Server,
    form: type[Form],
    *,
    instructions: str,
    prompt: str,
    toolsets: Sequence[AbstractToolset[Any]] = (),
    deps: Any = None,
    step: Step | None = None,
    patience: Patience = Patience(),
) -> Said[Form]:
    """Have the model fill in the form. Raises Temporary or Permanent, with what to do."""
    limits = context.settings.model_limits
    model = RecordedModel(connected(server), context, Terms(server, form, step or context.step, patience))
    try:
        run = await agent(form, instructions).run(
            prompt,
            model=model,
            deps=deps,
            toolsets=toolsets,
            # the client's own timeout, ten minutes, must not come before ours
            model_settings=ModelSettings(max_tokens=limits.answer_tokens, timeout=limits.answer_s + 5),
            usage_limits=usage_limits(limits),
            # counted in RecordedModel, so that a bad end is no finished step; the limits above bound all of it
            retries=AgentRetries(output=limits.corrections + 1, tools=limits.requests),
        )
    except AgentRunError as error:
        raise of_talk(error, server) from error
    return Said(run.output, metrics(server, model.seconds, run.usage))


def metrics(server: Server, seconds: float, usage: RunUsage) -> dict[str, Any]:
    """What a talk took, as it is kept with the result; the cost where a list price is known."""
    return {
        "model": f"{server.protocol}:{server.model}",
        "model_requests": usage.requests,
        "model_ms": round(1000 * seconds),
        "tool_calls": usage.tool_calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        **({} if usage.cost is None else {"cost_usd": float(usage.cost)}),
    }


def toolsets(functions: Sequence[Callable[..., Any]]) -> list[AbstractToolset[Any]]:
    """Plain functions as tools."""
    return [FunctionToolset[Any](functions)] if functions else []


@lru_cache(maxsize=64)
def agent(form: type[Form], instructions: str) -> Agent[Any, Form]:
    """Made once for each kind of agent: its schema takes some milliseconds."""
    return Agent(output_type=form, instructions=instructions, deps_type=object, name=form.__name__)


def usage_limits(limits: ModelLimits) -> UsageLimits:
    return UsageLimits(
        request_limit=limits.requests, tool_calls_limit=limits.tool_calls, total_tokens_limit=limits.tokens
    )


class RecordedModel(WrapperModel):
    """A model whose answers are steps of an execution. `seconds`: what all of them took, in whatever attempt."""

    def __init__(self, wrapped: Model, context: AgentContext, terms: Terms) -> None:
        super().__init__(wrapped)
        self.context, self.limits = context, context.settings.model_limits
        self.server, self.form, self.step, self.patience = terms.server, terms.form, terms.step, terms.patience
        self.seconds, self.sent_back = 0.0, 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        recorded = await self.step(STEP, self._answer, messages, model_settings, model_request_parameters)
        [response] = ModelMessagesTypeAdapter.validate_python([recorded["response"]])
        assert isinstance(response, ModelResponse)
        self.seconds += recorded["seconds"]
        if problem(response, self.form):
            self.sent_back += 1
        self._tell(response)
        return response

    async def _answer(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        """An answer that the talk can go on with, as JSON. Tries again while that may help."""
        began = self.patience.clock()
        for tried in range(1, self.limits.tries + 1):
            outcome = await self._ask(messages, settings, parameters)
            if isinstance(outcome, ModelResponse):
                self._refuse_bad_end(outcome)
                [response] = ModelMessagesTypeAdapter.dump_python([outcome], mode="json")
                return {"response": response, "seconds": round(self.patience.clock() - began, 3)}
            if (pause := self._pause(outcome, tried)) is None:
                raise outcome.error
            self.context.log("WARN", f"{outcome.error}; asking again in {pause:.1f} s")
            await self.patience.sleep(pause)
        raise AssertionError("the last try has no pause")

    async def _ask(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse | Failure:
        waited_s = min(self.limits.answer_s, self.context.left)
        try:
            async with asyncio.timeout(waited_s):
                return await self.wrapped.request(messages, settings, parameters)
        except Exception as error:  # the SDKs let out whatever they stumble over
            failure = of_request(error, self.server, waited_s=waited_s)
        if failure.key_refused and self.server.key_name:
            self.context.keys.forget(self.server.key_name)
        return failure

    def _pause(self, failure: Failure, tried: int) -> float | None:
        """Seconds until the next try; None where there is to be none."""
        wanted = failure.retry_after if failure.retry_after is not None else 2.0 ** (tried - 1)
        pause = wanted * (1 + 0.25 * self.patience.chance())
        in_time = pause <= min(self.limits.patience_s, self.context.left)
        return pause if failure.again and tried < self.limits.tries and in_time else None

    def _refuse_bad_end(self, response: ModelResponse) -> None:
        """Raises what would end the talk, inside the step: it is asked again by whoever tries again."""
        if response.finish_reason == "length":
            raise Misfit(
                f"the answer of {self.server} was cut off at {self.limits.answer_tokens} tokens: ask for less, or raise"
                " `answer_tokens` in `agents.model_limits` (or MIYABI_AGENT_MODEL_LIMITS)"
            )
        if (reason := problem(response, self.form)) and self.sent_back >= self.limits.corrections:
            raise Misfit(
                f"the model {self.server} did not answer as asked, {self.sent_back + 1} times; the last time: {reason}"
            )

    def _tell(self, response: ModelResponse) -> None:
        usage, called = response.usage, [part.tool_name for part in response.tool_calls]
        self.context.log(
            "INFO",
            f"the model answered: {', '.join(called) or 'words'}",
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )


def problem(response: ModelResponse, form: type[BaseModel]) -> str:
    """Why this answer does not end the talk well, or ''. Calls of other tools go on with it."""
    forms = [part for part in response.tool_calls if part.tool_name.startswith("final_result")]
    if not forms:
        words = " ".join(part.content for part in response.parts if isinstance(part, TextPart))
        return "" if response.tool_calls else f"words instead of the form: {words[:200]!r}"
    return misfit(forms[0], form)


def misfit(call: ToolCallPart, form: type[BaseModel]) -> str:
    """What of the form is not as it should be; the first five problems."""
    try:
        if isinstance(call.args, str):
            form.model_validate_json(call.args)
        else:
            form.model_validate(call.args or {})
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc'])) or 'form'}: {e['msg']}" for e in error.errors()]
        return "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    return ""
