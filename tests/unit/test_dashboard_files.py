"""The dashboard's files: small, no build, nothing inline, the one line that is repointed, and a library unchanged."""

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "dashboard"
VENDORED = {
    "lit-html.js": "b878e7f95dec8a9b6e9b217faca6b6a11bad82ebc44c0caa77419ed83edd81f2",
    "directive.js": "3344c4f41c69cd0701d3937e8f9ef90bd845614bf6456d0b8314b7c51d415b9d",
    "directive-helpers.js": "f7fb1154b8f72ed2cc08b05eaeed71c99270e9ad2d48620ed24688a1af4c2b62",
    "directives/live.js": "b305f9066319d838db797abd5a4d871537277e25f35332702bfce4452c020ecf",
    "directives/repeat.js": "083140026ecd8665fedd15b17769f9d516252a9f1502f1e91e6967686ee82626",
    "LICENSE": "2b66f9390afde29edfe4314daff93f01fb182e1178053e228120178987e5db75",
}
"""Of lit-html 3.3.3 on npm."""


@pytest.mark.parametrize("name", VENDORED)
def test_the_library_is_as_it_was_published(name: str) -> None:
    assert sha256((FOLDER / "vendor/lit-html" / name).read_bytes()).hexdigest() == VENDORED[name]


def test_the_api_s_address_is_in_one_line() -> None:
    assert (FOLDER / "config.js").read_text() == 'window.API_BASE = "http://localhost:3000/api/v1";\n'
    others = [path.name for path in files() if path.name != "config.js" and "localhost" in path.read_text()]
    assert others == []


def test_the_page_is_small() -> None:
    """As it is sent: CloudFront compresses."""
    sizes = {path.relative_to(FOLDER).as_posix(): len(gzip.compress(path.read_bytes())) for path in files()}
    assert sum(sizes.values()) < 64_000, sizes


def test_every_module_is_fetched_at_once() -> None:
    """A module that is named nowhere in the page is found only after the one that imports it."""
    page = (FOLDER / "index.html").read_text()
    modules = {f"/{path.relative_to(FOLDER).as_posix()}" for path in files() if path.suffix == ".js"}
    assert set(re.findall(r'(?:src|href)="([\w./-]+\.js)"', page)) == modules


def test_nothing_is_inline() -> None:
    page = (FOLDER / "index.html").read_text()
    assert "script-src 'self'; style-src 'self'" in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)
    assert not [path.name for path in files() if path.suffix == ".js" and " style=" in path.read_text()]


def files() -> list[Path]:
    return [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix in (".js", ".css", ".html", ".svg")]
