"""A page that shows the API's description, whole in itself: it works where there is no other site to load from."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api import PREFIX
from api.permissions import Public

router = APIRouter(prefix=PREFIX, include_in_schema=False, dependencies=[Public])


@router.get("/docs")
def get_docs() -> HTMLResponse:
    html, policy = page()
    return HTMLResponse(html, headers={"Content-Security-Policy": policy, "Cache-Control": "max-age=300"})


@cache
def page() -> tuple[str, str]:
    """The page, and the policy that lets its own style and script run, and nothing else."""
    html = (Path(__file__).parent / "docs.html").read_text(encoding="utf-8")
    style, script = (hashed(html, name) for name in ("style", "script"))
    return html, (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )


def hashed(html: str, element: str) -> str:
    (text,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
