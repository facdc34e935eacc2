"""The API's description, OpenAPI 3.1, as FastAPI derives it from the handlers, and what that cannot say of itself:
every answer that is not a success is a problem (RFC 9457), and has that media type."""

from typing import Any

from fastapi import FastAPI

PROBLEM = "application/problem+json"


class Described(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            description = super().openapi()
            for item in description["paths"].values():
                for operation in item.values():
                    problem = operation["responses"]["default"]
                    problem.update(description="A problem", content={PROBLEM: problem["content"]["application/json"]})
        return super().openapi()
