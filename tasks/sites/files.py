"""What a published file is: its key, its MD5, and how browsers and edges are to treat it.

A name that carries a hash of the content never changes its content, so it is kept for a year; HTML is asked for again
every time; everything else is kept at the edges until a release invalidates it, and asked for again by browsers.
Imports no Prefect: `tests/bench/site_once.py` runs it as a program.
"""

import hashlib
import mimetypes
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tasks.errors import Rejected
from tasks.sites.names import name_problems

IMMUTABLE = "public,max-age=31536000,immutable"
NO_CACHE = "no-cache"
UNTIL_INVALIDATED = "public,max-age=0,s-maxage=86400,must-revalidate"
HASHED_PLACES = ("_next/static/*", "_astro/*", "_nuxt/*", "_app/immutable/*")
"""Where build tools put what carries a hash or a build id in its path: Next.js, Astro, Nuxt, SvelteKit."""
HASHED_NAME = re.compile(
    r"[-.](?P<hash>[0-9a-f]{8,64}|[A-Za-z0-9_-]{8}|[A-Za-z0-9]{20}|[A-Za-z0-9]{32})(\.(chunk|bundle|min|module))*\.\w+$"
)
BUILT_PLACES = frozenset({"assets", "static"})
"""Folders in which build tools put names with hashes of mixed case: Vite, Rollup."""
HEX = re.compile(r"[0-9a-f]{8,}")
BASE32 = re.compile(r"[A-Z2-7]{8}")
"""As esbuild, and so Angular, writes a hash."""
SWITCH = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
"""Between a letter and a digit. `summer24` and `20261127a` have one, a hash has more."""
WORDS = re.compile(r"[A-Z]?[a-z]+([A-Z][a-z]+)*")
MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z]).*[A-Za-z_-]\d+[A-Za-z_-]")
TYPES: Mapping[str, str] = {
    ".avif": "image/avif", ".css": "text/css", ".html": "text/html", ".ico": "image/x-icon", ".js": "text/javascript",
    ".json": "application/json", ".map": "application/json", ".md": "text/markdown", ".mjs": "text/javascript",
    ".otf": "font/otf", ".svg": "image/svg+xml", ".ttf": "font/ttf", ".txt": "text/plain", ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json", ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
    ".xml": "application/xml", ".yaml": "application/yaml", ".yml": "application/yaml",
}  # fmt: skip
"""Types that machines disagree about, or that Python does not know on all of them."""
TEXTUAL = frozenset({"application/json", "application/manifest+json", "application/xml", "image/svg+xml"})
NOT_PUBLISHED = (
    "miyabi.toml", "smoke.yaml", "smoke.yml", "node_modules", "package.json", "package-lock.json", "yarn.lock",
    "pnpm-lock.yaml", "Thumbs.db", "desktop.ini", "__pycache__", "*~", "*.orig", "*.rej", "*.bak", "*.swp", "*.swo",
)  # fmt: skip
"""Patterns of what lies beside a site and is no part of it: settings, dependencies, what editors leave."""
SECRET = (
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.ppk",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
)
"""Patterns of private keys."""


@dataclass(frozen=True)
class SiteFile:
    """One file of a site. `path` is where its content is; '' for one that is known from a manifest only."""

    key: str
    md5: str
    size: int
    content_type: str
    cache_control: str
    path: Path = Path()

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type, "Cache-Control": self.cache_control}

    @property
    def order(self) -> int:
        """When it is uploaded: what others refer to comes first, the page that refers to it all last."""
        if self.cache_control == IMMUTABLE:
            return 0
        return 1 if self.cache_control != NO_CACHE else 3 if self.key == "index.html" else 2


def read_site(folder: Path, *, immutable: Sequence[str] = ()) -> tuple[SiteFile, ...]:
    """Every file of a folder that is to be published, by key. Hidden ones are not, but for `.well-known`.

    Raises Rejected with every name that must not be public.
    """
    paths = [path for path in sorted(folder.rglob("*")) if is_published(path.relative_to(folder))]
    paths = [path for path in paths if path.is_symlink() or path.is_file()]
    if problems := [*name_problems(folder, paths), *secrets_in(folder, paths)]:
        raise Rejected("what the site would publish", problems)
    with ThreadPoolExecutor(4) as pool:
        return tuple(pool.map(lambda path: described(path, path.relative_to(folder).as_posix(), immutable), paths))


def is_published(path: Path) -> bool:
    return not any((part.startswith(".") and part != ".well-known") or fits(part, NOT_PUBLISHED) for part in path.parts)


def fits(name: str, patterns: Iterable[str]) -> bool:
    """True if the name is one of these, in whatever case."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def secrets_in(folder: Path, paths: Iterable[Path]) -> list[str]:
    names = [path.relative_to(folder).as_posix() for path in paths if fits(path.name, SECRET)]
    return [f"{name} is a private key by its name and would be public: move it out of the site" for name in names]


def described(path: Path, key: str, immutable: Sequence[str]) -> SiteFile:
    content = path.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return SiteFile(key, md5, len(content), content_type(key), cache_control(key, immutable), path)


def content_type(key: str) -> str:
    """The type, with a charset for text. Unknown ones are S3's own `binary/octet-stream`."""
    suffix = Path(key).suffix.lower()
    kind = TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}", strict=False)[0] or "binary/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in TEXTUAL else kind


def cache_control(key: str, immutable: Iterable[str] = ()) -> str:
    if key.lower().endswith((".html", ".htm")):
        return NO_CACHE
    if any(fnmatchcase(key, pattern) for pattern in (*HASHED_PLACES, *immutable)) or is_hashed(key):
        return IMMUTABLE
    return UNTIL_INVALIDATED


def is_hashed(key: str) -> bool:
    """True if the name carries a hash: `app.3f2a91bc.js`, `index-BdQq4o_X.css`. In doubt it does not."""
    found = HASHED_NAME.search(Path(key).name)
    if not found:
        return False
    text = found["hash"]
    if HEX.fullmatch(text) or (BASE32.fullmatch(text) and key.endswith((".js", ".css"))):
        return len(SWITCH.findall(text)) > 1
    if BUILT_PLACES.isdisjoint(Path(key).parts[:-1]):
        return False
    return MIXED.match(text) is not None or (is_mixed_letters(text) and key.endswith((".js", ".css")))


def is_mixed_letters(text: str) -> bool:
    """True of `XomEIWZU`; not of `OpenSans`, which is words, nor of `provider`."""
    return len(text) == 8 and text.isalpha() and text != text.upper() and not WORDS.fullmatch(text)


def manifest_of(files: Iterable[SiteFile]) -> dict[str, Any]:
    """The files as a manifest records them, by key."""
    return {
        file.key: {"md5": file.md5, "size": file.size, "type": file.content_type, "cache": file.cache_control}
        for file in files
    }


def files_of(manifest: Mapping[str, Mapping[str, Any]]) -> tuple[SiteFile, ...]:
    """The files that a manifest records."""
    return tuple(
        SiteFile(key, entry["md5"], entry["size"], entry["type"], entry["cache"]) for key, entry in manifest.items()
    )
