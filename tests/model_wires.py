"""The three wire formats of tests/model_server.py: what a request asks, and how a model's turn or an error is written.

Anthropic's Messages API and OpenAI's Chat Completions and Responses APIs, with the fields that clients read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tests.model_forms import least

FORM_TOOL = "final_result"
"""How pydantic-ai names the tool whose arguments are the answer."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """The model wants a tool. Arguments that are text are sent as they are."""

    tool: str
    arguments: Json | str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Turn:
    """What a model says. `form`: the answer's form, filled in with these fields."""

    parts: tuple[Call | Text, ...] = ()
    form: Json | None = None
    stop: Literal["end", "length"] = "end"
    input_tokens: int = 100
    output_tokens: int = 20


@dataclass(frozen=True)
class Asked:
    """A request, whatever its format. `form`: the schema of an answer that is to be JSON text."""

    wire: str
    key: str
    body: Json
    tools: Mapping[str, Json]
    form: Json | None

    @property
    def text(self) -> str:
        """All that was sent, to look for what the model was told."""
        return json.dumps(self.body, ensure_ascii=False)

    def parts(self, turn: Turn) -> list[Call | Text]:
        """The turn's parts; the form as a call of its tool, else as JSON text."""
        if turn.form is None:
            return list(turn.parts)
        if FORM_TOOL in self.tools:
            return [*turn.parts, Call(FORM_TOOL, {**least(self.tools[FORM_TOOL]), **turn.form})]
        return [*turn.parts, Text(json.dumps({**(least(self.form) if self.form else {}), **turn.form}))]


def bearer(headers: Mapping[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def as_text(arguments: Json | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


class Wire(Protocol):
    """One format."""

    def read(self, headers: Mapping[str, str], body: Json) -> Asked: ...
    def write(self, asked: Asked, turn: Turn) -> Json: ...
    def error(self, status: int, message: str) -> Json: ...


ANTHROPIC_ERRORS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
                    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
                    529: "overloaded_error"}  # fmt: skip


class Anthropic:
    """POST /v1/messages"""

    def read(self, headers: Mapping[str, str], body: Json) -> Asked:
        tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools", [])}
        form = body.get("output_config", {}).get("format", {}).get("schema")
        return Asked("anthropic", headers.get("x-api-key") or bearer(headers), body, tools, form)

    def write(self, asked: Asked, turn: Turn) -> Json:
        content: list[Json] = []
        for number, part in enumerate(asked.parts(turn)):
            if isinstance(part, Text):
                content.append({"type": "text", "text": part.text})
            else:
                used = {"type": "tool_use", "id": f"toolu_{number}", "name": part.tool, "input": part.arguments}
                content.append(used)
        tools_used = any(block["type"] == "tool_use" for block in content)
        stop = "max_tokens" if turn.stop == "length" else "tool_use" if tools_used else "end_turn"
        usage = {"input_tokens": turn.input_tokens, "output_tokens": turn.output_tokens}
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": asked.body["model"],
                "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}  # fmt: skip

    def error(self, status: int, message: str) -> Json:
        return {"type": "error", "error": {"type": ANTHROPIC_ERRORS.get(status, "api_error"), "message": message}}


class OpenAI:
    """What both formats of OpenAI share."""

    def error(self, status: int, message: str) -> Json:
        codes = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
        too_long = "maximum context length" in message
        code = "context_length_exceeded" if too_long else codes.get(status)
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class ChatCompletions(OpenAI):
    """POST /v1/chat/completions"""

    def read(self, headers: Mapping[str, str], body: Json) -> Asked:
        tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in body.get("tools", [])}
        form = body.get("response_format", {}).get("json_schema", {}).get("schema")
        return Asked("chat", bearer(headers), body, tools, form)

    def write(self, asked: Asked, turn: Turn) -> Json:
        parts = asked.parts(turn)
        called = [
            {"id": f"call_{number}", "type": "function",
             "function": {"name": part.tool, "arguments": as_text(part.arguments)}}
            for number, part in enumerate(parts) if isinstance(part, Call)
        ]  # fmt: skip
        text = "".join(part.text for part in parts if isinstance(part, Text))
        message = {"role": "assistant", "content": text or None, **({"tool_calls": called} if called else {})}
        stop = "length" if turn.stop == "length" else "tool_calls" if called else "stop"
        usage = {"prompt_tokens": turn.input_tokens, "completion_tokens": turn.output_tokens,
                 "total_tokens": turn.input_tokens + turn.output_tokens}  # fmt: skip
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked.body["model"],
                "choices": [{"index": 0, "finish_reason": stop, "message": message}], "usage": usage}  # fmt: skip


class Responses(OpenAI):
    """POST /v1/responses"""

    def read(self, headers: Mapping[str, str], body: Json) -> Asked:
        tools = {tool["name"]: tool["parameters"] for tool in body.get("tools", []) if tool["type"] == "function"}
        form = body.get("text", {}).get("format", {}).get("schema")
        return Asked("responses", bearer(headers), body, tools, form)

    def write(self, asked: Asked, turn: Turn) -> Json:
        output = [self.item(number, part) for number, part in enumerate(asked.parts(turn))]
        usage = {"input_tokens": turn.input_tokens, "input_tokens_details": {"cached_tokens": 0},
                 "output_tokens": turn.output_tokens, "output_tokens_details": {"reasoning_tokens": 0},
                 "total_tokens": turn.input_tokens + turn.output_tokens}  # fmt: skip
        cut = turn.stop == "length"
        return {"id": "resp_1", "object": "response", "created_at": 1, "model": asked.body["model"],
                "status": "incomplete" if cut else "completed", "error": None,
                "incomplete_details": {"reason": "max_output_tokens"} if cut else None, "output": output,
                "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage}  # fmt: skip

    def item(self, number: int, part: Call | Text) -> Json:
        if isinstance(part, Text):
            content = [{"type": "output_text", "text": part.text, "annotations": []}]
            return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
                    "content": content}  # fmt: skip
        return {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": part.tool,
                "arguments": as_text(part.arguments), "status": "completed"}  # fmt: skip


WIRES: Mapping[str, Wire] = {
    "/v1/messages": Anthropic(),
    "/v1/chat/completions": ChatCompletions(),
    "/v1/responses": Responses(),
}
"""By the end of the path."""
