"""Environment variables that Rust code requires: `env::var("X")` whose absence ends in `?`, `expect` or `unwrap`.

Read from the text, not compiled: strings and comments are blanked first, `#[cfg(test)]` modules dropped, then the
chain of calls after each `env::var("X")` decides. A function that passes its argument to `env::var` counts at its
calls. `env!` is read by the compiler, not at run time. Configuration crates (envy, config, clap) are not understood:
declare their variables in the manifest.
"""

import re
from collections.abc import Iterator

TOKENS = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | r(?P<hashes>\#*)".*?"(?P=hashes) | b?"(?:\\.|[^"\\])*" | '(?:\\.[^']*|[^'\\])'""",
    re.DOTALL | re.VERBOSE,
)
READ = re.compile(r"\benv::var(?:_os)?\s*\(\s*(?P<argument>[\"&]?\s*\w*)")
FUNCTION = re.compile(r"\bfn\s+(?P<name>\w+)\s*(?:<[^>]*>)?\s*\(\s*(?P<argument>\w+)\s*:\s*&(?:'\w+\s+)?str\b")
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{")
STEP = re.compile(r"\s*(?:(?P<question>\?)|\.\s*(?P<method>\w+)\s*(?:::<[^>]*>)?\s*(?P<opens>\()?)")
OPTIONAL = frozenset(
    {"ok", "unwrap_or", "unwrap_or_default", "is_ok", "is_err", "map_or", "map_or_else", "or", "or_else"}
)
REQUIRED = frozenset({"unwrap", "expect"})
FATAL = re.compile(r"\bpanic!|process::exit|unreachable!")


def required_in_rust(text: str) -> Iterator[tuple[str, int]]:
    """(name, line) of every required read."""
    blanked = blank(text)
    for match in READ.finditer(blanked):
        name = literal_at(text, match.start("argument"))
        if name and is_required(blanked, match.start()):
            yield name, line_of(text, match.start())
    for helper, strict in helpers(blanked):
        for call in re.finditer(rf"(?<!fn )\b{helper}\s*\(\s*(?=\")", blanked):
            name = literal_at(text, call.end())
            if name and (strict or is_required(blanked, call.start())):
                yield name, line_of(text, call.start())


def blank(text: str) -> str:
    """The text with the insides of strings, and comments, as spaces: same length, same lines, quotes kept."""
    blanked = TOKENS.sub(blank_token, text)
    while match := TEST_MODULE.search(blanked):
        end = closing(blanked, match.end() - 1)
        blanked = blanked[: match.start()] + re.sub(r"[^\n]", " ", blanked[match.start() : end]) + blanked[end:]
    return blanked


def blank_token(match: re.Match[str]) -> str:
    token = match.group()
    hidden = re.sub(r"[^\n]", " ", token)
    if token.endswith('"'):
        start = token.index('"')
        return f'{hidden[:start]}"{hidden[start + 1 : -1]}"'
    return hidden


def literal_at(text: str, position: int) -> str | None:
    """The string literal that starts here."""
    match = re.compile(r'"(\w+)"').match(text, position)
    return match.group(1) if match else None


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def closing(text: str, start: int) -> int:
    """The position after the bracket that closes the one at `start`; the end of the text if none does."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] in "([{") - (text[position] in ")]}")
        if depth == 0:
            return position + 1
    return len(text)


def is_required(text: str, start: int) -> bool:
    """Follow the calls after `name(…)` at `start`: does an absent variable end the program or the function?"""
    position = closing(text, text.index("(", start))
    while step := STEP.match(text, position):
        if step["question"] or step["method"] in REQUIRED:
            return True
        end = closing(text, step.end() - 1) if step["opens"] else step.end()
        if step["method"] == "unwrap_or_else":
            return bool(FATAL.search(text, step.end(), end))
        if step["method"] in OPTIONAL:
            return False
        position = end
    return False


def helpers(text: str) -> Iterator[tuple[str, bool]]:
    """(name, strict) of functions that read the variable named by their first argument; strict ones end the program."""
    for function in FUNCTION.finditer(text):
        opening = text.find("{", function.end())
        body = (opening, closing(text, opening)) if opening >= 0 else (0, 0)
        for read in READ.finditer(text, *body):
            if read["argument"].strip("& ") == function["argument"]:
                strict = is_required(text, read.start()) and "->" in text[function.end() : opening]
                yield function["name"], strict and not returns_result(text[function.end() : opening])


def returns_result(signature: str) -> bool:
    """Then the caller decides what an absence means."""
    return re.search(r"->\s*(?:\w+::)*(?:Result|Option)\b", signature) is not None
