"""The HTTP API that runs on Lambda and under uvicorn. It imports `database` alone, so that it stays small."""

__version__ = "0.1.0"
PREFIX = "/api/v1"
