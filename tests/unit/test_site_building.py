"""From a site's folder to what may be published: the address, the build, the last look, types and caching."""

import shutil
import time
from pathlib import Path

import pytest

from tasks.errors import Rejected
from tasks.sites.building import address_for, build_site, output_of, run_logged
from tasks.sites.checking import problems_of
from tasks.sites.files import IMMUTABLE, NO_CACHE, UNTIL_INVALIDATED, cache_control, content_type, read_site
from tasks.sites.search import choose, search
from tasks.sites.sources import Site, SiteTable, find_site
from tests.support import make_environment, make_rollout

FIXTURES = Path(__file__).parents[1] / "fixtures" / "sites"
API = "https://abc.execute-api.us-east-1.amazonaws.com"
node = pytest.mark.skipif(
    not shutil.which("npm"), reason="Node.js is not installed here: a site's own build cannot run"
)


def built(name: str, work: Path, root: Path = FIXTURES) -> Path:
    """The output of a site, as it would be published."""
    site = find_site(name, root=root)
    used = choose(site, search(site))
    address = address_for(API, used[0].value, site, "/api/v1/health")
    return output_of(site, used, address, work=work)


@pytest.mark.parametrize(
    ("old", "suffix", "address"),
    [
        ("http://localhost:3000/api", None, f"{API}/api/v1"),
        ("http://localhost:8080/api/v1", None, f"{API}/api/v1"),
        ("http://localhost:8080/api/v1/", None, f"{API}/api/v1/"),
        ("http://localhost:3000", None, API),
        ("http://localhost:3000/", None, f"{API}/"),
        ("/api", None, f"{API}/api/v1"),
        (None, None, f"{API}/api/v1"),
        ("", None, f"{API}/api/v1"),
        ("http://localhost:3000/api", "", API),
        ("http://localhost:3000", "/v2", f"{API}/v2"),
    ],
)
def test_the_path_is_the_apis_own(old: str | None, suffix: str | None, address: str) -> None:
    site = Site(Path(), SiteTable(api_suffix=suffix))
    assert address_for(API + "/", old, site, "/api/v1/health") == address


def test_a_plain_page_is_repointed_and_its_comments_stay(tmp_path: Path) -> None:
    before = (FIXTURES / "plain" / "js" / "app.js").read_text()
    output = built("plain", tmp_path)
    assert problems_of(output, value=f"{API}/api/v1") == []
    after = (output / "js" / "app.js").read_text()
    assert after == before.replace("const API_BASE = 'http://localhost:3000/api'", f"const API_BASE = '{API}/api/v1'")
    assert (FIXTURES / "plain" / "js" / "app.js").read_text() == before


@node
@pytest.mark.parametrize(
    ("name", "page"), [("vite", "assets/index-*.js"), ("next", "_next/static/chunks/app/page-*.js")]
)
def test_a_site_is_built_by_its_own_build(name: str, page: str, tmp_path: Path) -> None:
    before = sorted((FIXTURES / name).rglob("*"))
    output = built(name, tmp_path)
    assert problems_of(output, value=f"{API}/api/v1", bundled=True) == []
    (script,) = output.glob(page)
    assert f'"{API}/api/v1"' in script.read_text()
    (file,) = [file for file in read_site(output) if file.key.endswith(script.name)]
    assert file.cache_control == IMMUTABLE
    assert sorted((FIXTURES / name).rglob("*")) == before
    made = script.stat().st_ctime_ns
    assert built(name, tmp_path) == output
    assert script.stat().st_ctime_ns == made


def site_with(folder: Path, script: str, **files: str) -> Path:
    site = folder / "site"
    site.mkdir()
    (site / "index.html").write_text('<script src="/app.js"></script>')
    (site / "app.js").write_text(f"const API_BASE = 'http://localhost:3000/api';\n{script}")
    for name, text in files.items():
        (site / name.replace("__", ".")).write_text(text)
    return site


@pytest.mark.parametrize(
    "script",
    [
        "fetch('http://localhost:3000/api/tasks')",
        'connect("ws://127.0.0.1:3000/ws")',
        "const HOSTS = [`http://0.0.0.0:8080/${x}`]",
        "const HOST = 'localhost:3000'",
        "const x = `${a || 'http://localhost:1/x'}`",
        "const other = '\\x68ttp://localhost:3000'",
    ],
)
def test_a_site_that_still_asks_the_visitors_machine_is_refused(tmp_path: Path, script: str) -> None:
    site_with(tmp_path, script)
    rollout = make_rollout(make_environment())
    with pytest.raises(Rejected, match=r"app\.js:2: '.*' points at the visitor's own machine") as caught:
        build_site.fn(rollout, "site", API, root=tmp_path, work=tmp_path / "work")
    assert "allow = [" in str(caught.value)


def test_what_is_meant_can_be_allowed(tmp_path: Path) -> None:
    allowed = '[site]\nallow = ["http://localhost:9/x"]'
    site_with(tmp_path, "const DEV = 'http://localhost:9/x'", miyabi__toml=allowed)
    site = build_site.fn(make_rollout(make_environment()), "site", API, root=tmp_path, work=tmp_path / "work")
    assert [file.key for file in site.files] == ["app.js", "index.html"]


@pytest.mark.parametrize(
    ("script", "bundled"),
    [
        ("// fetch('http://localhost:3000/')", False),
        ("if (location.hostname === 'localhost') debug()", False),
        ("/* 127.0.0.1:80 */ const v = '0.0.0.0'", False),
        ('let r="http://localhost";', True),
    ],
)
def test_what_asks_nobody_is_fine(tmp_path: Path, script: str, bundled: bool) -> None:
    site = site_with(tmp_path, script, app__js__map='{"file": "http://localhost:3000/app.js"}')
    (site / "app.js").write_text((site / "app.js").read_text().replace("http://localhost:3000/api", API))
    assert problems_of(site, value=API, bundled=bundled) == []


def test_attributes_and_styles_are_looked_at_too(tmp_path: Path) -> None:
    page = f'<!-- http://localhost:1/ --><a href="http://localhost:2/x">{API}</a><p>see http://localhost:3/</p>'
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "a.css").write_text("/* http://localhost:4/ */\nbody { background: url(http://localhost:5/x.png) }")
    assert problems_of(tmp_path, value=API) == [
        "a.css:2: 'http://localhost:5/x.png)' points at the visitor's own machine",
        "index.html:1: 'http://localhost:2/x' points at the visitor's own machine",
    ]


def test_a_build_that_does_not_use_the_address_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script type="module" src="/a.js?v=1"></script><link rel="icon" href="/i">')
    assert problems_of(tmp_path, value=API) == [
        "index.html asks for /a.js, which is not there",
        f"the API's address {API} is nowhere in it: the build did not use it",
    ]


def test_a_local_api_is_no_trouble(tmp_path: Path) -> None:
    local = "http://127.0.0.1:4580/_api/abc"
    site = site_with(tmp_path, "").rename(tmp_path / "other")
    (site / "app.js").write_text(f"const API_BASE = '{local}/api/v1'; const X = 'http://127.0.0.1:4580/other'")
    assert problems_of(site, value=f"{local}/api/v1") == [
        "app.js:1: 'http://127.0.0.1:4580/other' points at the visitor's own machine"
    ]


def test_a_build_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Rejected, match="took longer than 0 s"):
        run_logged(("sh", "-c", "sleep 60 & echo started; sleep 60"), cwd=tmp_path, env={}, timeout=0.3)
    assert time.monotonic() - began < 30


def test_a_build_that_fails_says_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"failed with 3: 1 problem(.|\n)*no such module"):
        run_logged(("sh", "-c", "echo no such module >&2; exit 3"), cwd=tmp_path, env={}, timeout=30)


@pytest.mark.parametrize(
    ("key", "kind", "cached"),
    [
        ("index.html", "text/html; charset=utf-8", NO_CACHE),
        ("config.js", "text/javascript; charset=utf-8", UNTIL_INVALIDATED),
        ("assets/index-BdQq4_oX.js", "text/javascript; charset=utf-8", IMMUTABLE),
        ("assets/index-XomEIWZU.css", "text/css; charset=utf-8", IMMUTABLE),
        ("static/js/main.3f2a91bc.chunk.js", "text/javascript; charset=utf-8", IMMUTABLE),
        ("_next/static/x/_buildManifest.js", "text/javascript; charset=utf-8", IMMUTABLE),
        ("assets/data-provider.js", "text/javascript; charset=utf-8", UNTIL_INVALIDATED),
        ("directive-helpers.js", "text/javascript; charset=utf-8", UNTIL_INVALIDATED),
        ("photo-20261127.jpg", "image/jpeg", UNTIL_INVALIDATED),
        ("app.webmanifest", "application/manifest+json; charset=utf-8", UNTIL_INVALIDATED),
        ("font.woff2", "font/woff2", UNTIL_INVALIDATED),
        ("module.wasm", "application/wasm", UNTIL_INVALIDATED),
        ("data.unknown", "binary/octet-stream", UNTIL_INVALIDATED),
    ],
)
def test_types_and_caching(key: str, kind: str, cached: str) -> None:
    assert (content_type(key), cache_control(key)) == (kind, cached)


def test_hidden_files_are_not_published(tmp_path: Path) -> None:
    for name in ("index.html", ".env", ".git/config", ".well-known/security.txt", "miyabi.toml", "node_modules/x/a.js"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert [file.key for file in read_site(tmp_path)] == [".well-known/security.txt", "index.html"]
