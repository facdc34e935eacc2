"""What no site may publish: keys, links that lead out, names that cannot be asked for; and what it may."""

import os
from pathlib import Path

import pytest

from tasks.errors import Rejected
from tasks.sites.building import build_site
from tasks.sites.checking import problems_of
from tasks.sites.files import is_hashed, read_site
from tasks.sites.search import choose, search
from tasks.sites.sources import find_site
from tests.support import make_environment, make_rollout

API = "https://abc.execute-api.us-east-1.amazonaws.com"
OLD = "http://localhost:3000/api"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(f"<script>const API_BASE = '{OLD}'</script>")
    return site


def keys(folder: Path) -> list[str]:
    work = folder.parent / "work"
    site = build_site.fn(make_rollout(make_environment()), "site", API, root=folder.parent, work=work)
    return [file.key for file in site.files]


@pytest.mark.parametrize(
    "key",
    [
        "logo-version2.png", "hero-banner01.jpg", "photo-summer24.jpg", "report-2024q3final.pdf", "menu-iphone15.png",
        "catalog.winter2025.json", "data.us-east1.json", "assets/font-OpenSans.woff2", "assets/font-OpenSans.css",
        "a-decade24.js", "scan-20261127a.png", "assets/data-provider.js", "assets/menu-iPhone15.png",
        "report-2024Q3V2.js",
    ],
)  # fmt: skip
def test_a_name_that_only_looks_hashed_is_not(key: str) -> None:
    assert not is_hashed(key)


@pytest.mark.parametrize(
    "key",
    [
        "static/js/main.3f2a91bc.chunk.js", "app.d41d8cd98f00b204e9800998ecf8427e.css", "assets/index-BdQq4_oX.js",
        "assets/index-XomEIWZU.js", "main-5ZVMUNV7.js", "docs/assets/logo-Dk3x9PqZ.svg",
    ],
)  # fmt: skip
def test_a_name_with_a_hash_is(key: str) -> None:
    assert is_hashed(key)


def test_well_known_is_published_and_what_editors_leave_is_not(folder: Path) -> None:
    for name in ("smoke.yaml", "index.html~", "a.js.orig", ".a.js.swp", "b.swp", "Miyabi.toml", ".git/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    (folder / ".well-known").mkdir()
    (folder / ".well-known" / "security.txt").write_text("x")
    assert keys(folder) == [".well-known/security.txt", "index.html"]


def test_private_keys_are_refused_all_by_name(folder: Path) -> None:
    for name in ("server.key", "cert.PEM", "id_ed25519"):
        (folder / name).write_text("x")
    with pytest.raises(Rejected, match=r"3 problem\(s\)") as caught:
        keys(folder)
    for name in ("server.key", "cert.PEM", "id_ed25519"):
        assert f"{name} is a private key" in str(caught.value)


def test_links_are_followed_within_the_site_and_refused_elsewhere(folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    (folder / "b.txt").symlink_to("a.txt")
    assert keys(folder) == ["a.txt", "b.txt", "index.html"]
    (folder.parent / "secret").write_text("x")
    (folder / "out.txt").symlink_to(folder.parent / "secret")
    (folder / "up").symlink_to(folder.parent)
    (folder / "here").symlink_to(folder)
    (folder / "broken").symlink_to("nowhere")
    with pytest.raises(Rejected, match=r"4 problem\(s\)") as caught:
        keys(folder)
    for said in ("out.txt is a link that leads outside", "up is a link that leads outside", "here is a link to what"):
        assert said in str(caught.value)
    with pytest.raises(Rejected, match=r"4 problem\(s\)"):
        read_site(folder)


def test_names_that_cannot_be_asked_for_are_refused(folder: Path) -> None:
    (folder / "a\nb.txt").write_text("x")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_text("x")
    with pytest.raises(Rejected, match=r"control character(.|\n)*'caf.udce9.txt'.*not UTF-8"):
        keys(folder)


def test_a_file_to_repoint_that_is_not_utf8_is_named(folder: Path) -> None:
    (folder / "index.html").write_text("x")
    (folder / "js").mkdir()
    (folder / "js" / "a.js").write_bytes(f"/* caf\xe9 */ const API_BASE = '{OLD}'".encode("latin-1"))
    with pytest.raises(Rejected, match=r"js/a\.js(.|\n)*not UTF-8"):
        keys(folder)


def test_ends_of_lines_and_the_case_of_endings_are_kept(folder: Path) -> None:
    (folder / "index.html").write_bytes(b'<script src="my%20app.JS"></script>\r\n')
    (folder / "my app.JS").write_bytes(f"// x\r\nconst API_BASE = '{OLD}'\r\n".encode())
    site = build_site.fn(make_rollout(make_environment()), "site", API, root=folder.parent, work=folder.parent / "work")
    (script,) = [file for file in site.files if file.key == "my app.JS"]
    assert script.path.read_bytes() == f"// x\r\nconst API_BASE = '{API}/api/v1'\r\n".encode()


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("http://dev.localhost:3000", "at the visitor's own machine"),
        ("http://host.docker.internal:80/x", "into a private network"),
        ("ws://10.0.3.4/ws", "into a private network"),
        ("//172.31.0.1:8000", "into a private network"),
        ("https://192.168.1.10", "into a private network"),
    ],
)
def test_private_addresses_are_no_places_for_a_site(folder: Path, address: str, where: str) -> None:
    (folder / "A.HTML").write_text(f'<a href="{address}">{API}</a>')
    (folder / "index.html").write_text("<a href='https://172.32.0.1/'>x</a><a href='http://notlocalhost/'>x</a>")
    assert problems_of(folder, value=API) == [f"A.HTML:1: '{address}' points {where}"]


@pytest.mark.parametrize(
    "script",
    [
        f"const API_BASE = location.hostname === 'localhost' ? '{OLD}' : 'https://api.example'",
        "const API_BASE = `http://localhost:${port}/api`",
        "const API_BASE = 'http://localhost:' + '3000/api'",
    ],
)
def test_an_address_that_is_put_together_is_shown(folder: Path, script: str) -> None:
    (folder / "index.html").write_text("x")
    (folder / "app.js").write_text("\n" + script)
    site = find_site("site", root=folder.parent)
    with pytest.raises(Rejected, match=r"app\.js:2: API_BASE is put together.*(.|\n)*api_base = \{file = \"app.js\""):
        choose(site, search(site))


def test_two_definitions_show_how_to_choose_both(folder: Path) -> None:
    (folder / "app.js").write_text(f"const API_BASE = '{OLD}'")
    site = find_site("site", root=folder.parent)
    both = r'\[{file = "app\.js", name = "API_BASE"}, {file = "index\.html", name = "API_BASE"}\]'
    with pytest.raises(Rejected, match=both):
        choose(site, search(site))
