"""The environment contract: what code requires, what it can do without, and what a deployment lacks."""

from pathlib import Path

import pytest

from tasks.bundling.contract import Variable, missing_variables, required_variables
from tasks.bundling.python_variables import required_in_python
from tasks.bundling.rust_variables import required_in_rust
from tasks.bundling.sources import Source, load_manifest


@pytest.mark.parametrize(
    "code",
    [
        'let x = env::var("NAME")?;',
        'let x = std::env::var("NAME").expect("set it");',
        'let x = env::var( "NAME" )\n    .unwrap();',
        'github: std::env::var("NAME")\n  .map_err(|_| Error::Configuration("NAME must be (set)".to_string()))?,',
        'let x: u16 = env::var("NAME").context("no NAME")?.parse()?;',
        'let x = env::var_os("NAME").unwrap();',
        'let x = env::var("NAME").unwrap_or_else(|_| panic!("NAME"));',
        'let x = env::var("NAME").unwrap_or_else(|_| { eprintln!("NAME"); std::process::exit(1) });',
        'fn must(key: &str) -> String { env::var(key).expect("set") }\nfn main() { must("NAME"); }',
        'fn get(key: &str) -> Result<String, E> { env::var(key).map_err(E::from) }\nfn main() { get("NAME")?; }',
    ],
)
def test_rust_code_that_cannot_do_without(code: str) -> None:
    assert [name for name, _ in required_in_rust(code)] == ["NAME"]


@pytest.mark.parametrize(
    "code",
    [
        'let x = env::var("NAME").ok();',
        'let x = env::var("NAME").unwrap_or_else(|_| "3000".to_string());',
        'let x = env::var("NAME").unwrap_or("a".into()).parse::<u16>().expect("a number");',
        'let x = env::var("NAME").map(|v| v == "1").unwrap_or_default();',
        'if let Ok(x) = env::var("NAME") { }',
        'match env::var("NAME") { Ok(v) => v, Err(_) => "x".into() }',
        'if env::var("NAME").is_ok() { }',
        'let x = env!("NAME"); let y = option_env!("NAME");',
        '// let x = env::var("NAME")?;',
        '/* env::var("NAME")? */',
        'let doc = "env::var(\\"NAME\\")?";',
        'let raw = r#"env::var("NAME")?"#;',
        '#[cfg(test)]\nmod tests {\n  fn f() { env::var("NAME").unwrap(); }\n}',
        'env::set_var("NAME", "x");',
        'fn get(key: &str) -> Option<String> { env::var(key).ok() }\nfn main() { get("NAME"); }',
    ],
)
def test_rust_code_that_can_do_without(code: str) -> None:
    assert list(required_in_rust(code)) == []


def test_rust_lines_are_counted_through_comments_and_strings() -> None:
    code = '/* a\n b */\nlet s = "x\ny";\nlet c = \'"\';\nlet v = env::var("NAME")?;\n'
    assert list(required_in_rust(code)) == [("NAME", 6)]


@pytest.mark.parametrize(
    "code",
    [
        'import os\nx = os.environ["NAME"]',
        'from os import environ\nx = environ["NAME"].strip()',
        'import os\ndef f():\n    return int(os.environ["NAME"])',
        'import os\nclass C:\n    x = os.environ["NAME"]',
        'import os\nx = os.environ["NAME"] or "default"',
        'import os\ntry:\n    x = os.environ["NAME"]\nexcept ValueError:\n    pass',
    ],
)
def test_python_code_that_cannot_do_without(code: str) -> None:
    assert [name for name, _ in required_in_python(code)] == ["NAME"]


@pytest.mark.parametrize(
    "code",
    [
        'import os\nx = os.environ.get("NAME")',
        'import os\nx = os.getenv("NAME", "y")',
        'import os\nos.environ["NAME"] = "x"\ndel os.environ["NAME"]',
        'import os\nif "NAME" in os.environ:\n    x = os.environ["NAME"]',
        'import os\nif a:\n    pass\nelse:\n    x = os.environ["NAME"]',
        'import os\nx = os.environ["NAME"] if a else None',
        'import os\nx = a or os.environ["NAME"]',
        'import os\ntry:\n    x = os.environ["NAME"]\nexcept KeyError:\n    x = 1',
        "import os\nx = os.environ[name]",
        '# os.environ["NAME"]\nx = "os.environ[\'NAME\']"',
        "this is not python",
    ],
)
def test_python_code_that_can_do_without(code: str) -> None:
    assert list(required_in_python(code)) == []


def make_rust(tmp_path: Path, manifest: str = "") -> Source:
    files = {
        "Cargo.toml": "",
        "miyabi.toml": manifest,
        "src/config.rs": 'fn f() { env::var("GITHUB_CLIENT_ID").map_err(|_| e())?; env::var("AWS_REGION")?; }',
        "src/bin/lambda-api.rs": 'fn main() { std::env::var("JWT_SECRET").unwrap(); }',
        "src/bin/worker.rs": 'fn main() { std::env::var("QUEUE").unwrap(); }',
        "tests/it.rs": 'fn main() { std::env::var("TEST_ONLY").unwrap(); }',
        "build.rs": 'fn main() { std::env::var("OUT_DIR").unwrap(); }',
    }
    for name, text in files.items():
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Source("rust", tmp_path / "web")


def test_the_missions_backend_is_caught_before_it_is_deployed(tmp_path: Path) -> None:
    source = make_rust(tmp_path, '[build]\nbinary = "lambda-api"\n')
    required = required_variables(source, load_manifest(source))
    assert required == (
        Variable("GITHUB_CLIENT_ID", "web/src/config.rs:1"),
        Variable("JWT_SECRET", "web/src/bin/lambda-api.rs:1"),
    )
    (problem,) = missing_variables(required, {"JWT_SECRET", "DATABASE_URL"})
    assert problem.startswith("the code requires the variable 'GITHUB_CLIENT_ID' (web/src/config.rs:1)")


def test_the_manifest_adds_and_excuses(tmp_path: Path) -> None:
    source = make_rust(
        tmp_path,
        '[build]\nbinary = "lambda-api"\n[environment]\nrequired = ["DATABASE_URL"]\noptional = ["GITHUB_CLIENT_ID"]\n',
    )
    required = required_variables(source, load_manifest(source))
    assert [(v.name, v.evidence) for v in required] == [
        ("DATABASE_URL", "web/miyabi.toml"),
        ("JWT_SECRET", "web/src/bin/lambda-api.rs:1"),
    ]


def test_a_python_source_is_read_with_its_packages(tmp_path: Path) -> None:
    for name, text in {
        "api/handler.py": 'import os\nX = os.environ["FROM_API"]',
        "api/tests/test_x.py": 'import os\nX = os.environ["FROM_TESTS"]',
        "store/__init__.py": 'import os\nX = os.environ["FROM_STORE"]',
        "api/miyabi.toml": '[function]\nhandler = "api.handler.handler"\npackages = ["../api", "../store"]\n',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    source = Source("python", tmp_path / "api")
    required = required_variables(source, load_manifest(source))
    assert [v.evidence for v in required] == ["api/handler.py:2", "store/__init__.py:2"]
