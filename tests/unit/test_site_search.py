"""Where a site says what its API's address is: every form is found, comments are not, and in doubt it is refused."""

from pathlib import Path

import pytest

from tasks.errors import Rejected
from tasks.sites.javascript import tokens
from tasks.sites.search import choose, hits_in, replaced, search
from tasks.sites.sources import find_site

FIXTURES = Path(__file__).parents[1] / "fixtures" / "sites"
OLD = "http://localhost:3000/api"


def site_of(folder: Path, **files: str) -> Path:
    """A folder with an index.html and these files; `__` in a name is a dot, `_in_` a slash."""
    (folder / "index.html").write_text("<!doctype html><title>x</title>")
    for name, text in files.items():
        path = folder / name.replace("_in_", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("app.js", f"const API_BASE = '{OLD}';", "API_BASE"),
        ("app.js", f'window.API_BASE = "{OLD}";', "API_BASE"),
        ("app.js", f"globalThis.apiUrl=`{OLD}`", "apiUrl"),
        ("app.ts", f"export const API_BASE_URL: string = '{OLD}'", "API_BASE_URL"),
        ("app.js", f"const API_BASE = window.API_BASE || '{OLD}';", "API_BASE"),
        ("app.js", f"export default {{ env: 'dev', apiBase: '{OLD}' }}", "apiBase"),
        ("app.js", f'axios.create({{baseURL:"{OLD}",timeout:5}})', "baseURL"),
        ("config.json", f'{{"api": {{"API_URL": "{OLD}"}}}}', "API_URL"),
        ("app.min.js", f'!function(e){{var t=/["\'/]/g;e.cfg={{API_BASE:"{OLD}",v:1/2/3}}}}(window);', "API_BASE"),
        ("api.ts", f"const base = import.meta.env.VITE_API_BASE_URL ?? '{OLD}'", "VITE_API_BASE_URL"),
        ("api.ts", f"export const u = process.env.NEXT_PUBLIC_API_URL || '{OLD}'", "NEXT_PUBLIC_API_URL"),
        ("api.ts", f"const u = process.env['REACT_APP_API_URL'] || '{OLD}'", "REACT_APP_API_URL"),
        (
            ".env.production",
            f"# the API\nVITE_API_BASE_URL='{OLD}'\nVITE_WS_URL=ws://localhost:1/ws\n",
            "VITE_API_BASE_URL",
        ),
        ("index.html", f'<meta name="api-base" content="{OLD}">', "api-base"),
        ("index.html", f"<body data-api-url='{OLD}'>", "data-api-url"),
        ("index.html", f"<p>It's</p><script>\n  window.API_BASE = '{OLD}';\n</script>", "API_BASE"),
    ],
)
def test_each_form_is_found(name: str, text: str, found: str) -> None:
    (hit,) = hits_in(name, text)
    assert (hit.name, hit.value) == (found, OLD)
    if hit.end:
        assert OLD in text[hit.start : hit.end]
        assert "https://api.example/v1" in replaced(text, [hit], "https://api.example/v1")
        assert OLD not in replaced(text, [hit], "https://api.example/v1")


@pytest.mark.parametrize(
    "text",
    [
        f"// const API_BASE = '{OLD}';",
        f"/* window.API_BASE = '{OLD}'\n */",
        f"const help = \"const API_BASE = '{OLD}';\";",
        f"const help = `const API_BASE = '{OLD}';`;",
        f"const pattern = /API_BASE = '{OLD}'/;".replace("//", "\\/\\/"),
        "if (API_BASE === 'http://localhost:3000/api') warn();",
        "const API_BASE = 'http://' + location.host + '/api';",
        "const API_BASE_TIMEOUT = 'http://localhost:3000/api';",
        "import.meta.env.BASE_URL + 'x'; const baseURL = '/app/';",
        "const WS_URL = 'ws://localhost:3000/ws';",
    ],
)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert hits_in("app.js", text) == []


def test_a_hit_is_on_its_line() -> None:
    assert [str(hit) for hit in hits_in("js/app.js", f"\n/*\n*/ const API_BASE =\n '{OLD}';")] == [
        f"js/app.js:3: constant API_BASE = '{OLD}'"
    ]
    (hit,) = hits_in("index.html", f"<p>\n<script>\n\nvar API_URL='{OLD}'</script>")
    assert hit.line == 4


def test_quotes_of_the_place_are_kept() -> None:
    text = "const API_BASE = 'http://it\\'s';"
    assert replaced(text, hits_in("a.js", text), "https://a'b") == "const API_BASE = 'https://a\\'b';"


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ("a = b / 'c' / d", ["'c'"]),
        ("x = y.replace(/['\"]/g, '!')", ["'!'"]),
        ("return /'/.test(`a${b + `c` + '}'}d`)", ["`a${b + `c` + '}'}d`"]),
        ("<p>Don't</p>\nconst a = 'b'", ["'b'"]),
        ("'a\\'b' + \"c\\\nd\"", ["'a\\'b'", '"c\\\nd"']),
        ("'unended\n'x'", ["'x'"]),
        ("`unended ${ 'x", ["`unended ${ 'x"]),
    ],
)
def test_strings_are_told_from_the_rest(text: str, strings: list[str]) -> None:
    assert [token.text for token in tokens(text) if token.kind in ("string", "template")] == strings


def test_the_three_kinds_of_sites() -> None:
    for name, definition in (("plain", "API_BASE"), ("vite", "VITE_API_BASE_URL"), ("next", "NEXT_PUBLIC_API_URL")):
        site = find_site(f"site:{name}", root=FIXTURES)
        assert {hit.name for hit in choose(site, search(site))} == {definition}


def test_an_ambiguous_site_is_refused_with_the_list_and_what_to_do(tmp_path: Path) -> None:
    folder = site_of(tmp_path, js_in_a__js=f"const API_BASE = '{OLD}';", js_in_b__js=f"window.API_BASE = '{OLD}';")
    site = find_site(str(folder), root=tmp_path)
    with pytest.raises(Rejected, match="ambiguous") as caught:
        choose(site, search(site))
    for said in ("js/a.js:1", "js/b.js:1", "miyabi.toml", 'api_base = {file = "js/a.js", name = "API_BASE"}'):
        assert said in str(caught.value)
    (folder / "miyabi.toml").write_text('[site]\napi_base = {file = "js/b.js", name = "API_BASE"}\n')
    chosen = find_site(str(folder), root=tmp_path)
    assert [hit.file for hit in choose(chosen, search(chosen))] == ["js/b.js"]


def test_what_reads_a_definition_is_not_a_second_one(tmp_path: Path) -> None:
    folder = site_of(
        tmp_path, config__js=f"window.API_BASE = '{OLD}';", app__js="const API_BASE = window.API_BASE || '/api';"
    )
    site = find_site(str(folder), root=tmp_path)
    assert [hit.file for hit in choose(site, search(site))] == ["config.js"]


def test_a_site_in_which_nothing_is_found_is_refused(tmp_path: Path) -> None:
    site = find_site(str(site_of(tmp_path, app__js='const e="http://localhost:3000/api";fetch(e)')), root=tmp_path)
    with pytest.raises(Rejected, match="nothing says what its API's address is"):
        choose(site, search(site))


def test_a_string_without_a_name_is_chosen_by_its_value(tmp_path: Path) -> None:
    folder = site_of(tmp_path, app__js=f'const e="{OLD}";fetch(e)')
    (folder / "miyabi.toml").write_text(f'[site]\napi_base = {{file = "*.js", value = "{OLD}"}}\n')
    site = find_site(str(folder), root=tmp_path)
    (hit,) = choose(site, search(site))
    assert replaced((folder / "app.js").read_text(), [hit], "/x") == 'const e="/x";fetch(e)'


def test_a_choice_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    folder = site_of(tmp_path, app__js=f"const API_BASE = '{OLD}';")
    (folder / "miyabi.toml").write_text('[site]\napi_base = {name = "API"}\n')
    site = find_site(str(folder), root=tmp_path)
    with pytest.raises(Rejected, match=r"fits none of these:(.|\n)*app\.js:1"):
        choose(site, search(site))


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("[site]\noutputs = 'x'", "site.outputs: Extra inputs"),
        ("[site]\napi_base = {file = 'x'}", "give the `name`"),
        ("[site]\nbuild = 'make'", "has no script 'make'"),
        ("[site", "is not TOML"),
    ],
)
def test_a_manifest_is_refused_with_its_problem(tmp_path: Path, manifest: str, problem: str) -> None:
    (site_of(tmp_path) / "miyabi.toml").write_text(manifest)
    with pytest.raises(Rejected, match=problem.replace("(", r"\(")):
        find_site(str(tmp_path), root=tmp_path)


def test_a_folder_that_is_no_site_is_refused(tmp_path: Path) -> None:
    for spec in ("site:nowhere", "."):
        with pytest.raises(Rejected, match=r"is not a folder|has no index\.html"):
            find_site(spec, root=tmp_path)
