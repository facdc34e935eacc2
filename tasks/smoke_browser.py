"""Visiting a page with headless Chromium through Playwright, as the suite says what a person does and sees.

A visit fails on its first step that does not work, on an error in the console, and on a request of the page that
failed. Its last view is kept as a screenshot and shown in Prefect, also when it failed. Playwright is the extra
`browser`; a missing package or browser is said with what to install.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.reports import publish_screenshot
from tasks.smoke_answers import CheckFailed, Result
from tasks.smoke_asking import PAUSE_S, Caller, Conversation
from tasks.steps import step
from tasks.suite_checks import filled
from tasks.suite_pages import Fill, PageCheck, PageStep, Target

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

logger = logging.getLogger(__name__)

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
QUALITIES = (70, 50, 30, 15)
SHOT_LIMIT = 70_000
"""Bytes of a screenshot: in base64 it has to fit into an artifact."""


class NoBrowser(Exception):
    """The message says what to install."""


@step("Smoke visit", retries=1, pause=PAUSE_S, run_name="{page}")
def visit(caller: Caller, page: PageCheck, url: str) -> Result:
    """One visit. What the page needs is made through the API before, and taken away after it, whatever happened."""
    conversation = Conversation(caller)
    asked = [conversation.go_on(check) for check in page.before]
    problems = [f"{result.check}: {result.detail}" for result in asked if not result.ok]
    began = time.monotonic()
    try:
        if not problems:
            problems = drive(caller, filled(page, conversation.values), url.rstrip("/"))
    except NoBrowser as missing:
        raise CheckFailed(Result(page.label, None, 0.0, False, str(missing), page.budget_ms)) from None
    finally:
        ms = 1000 * (time.monotonic() - began)
        asked = [conversation.go_on(check) for check in page.after]
    problems += [f"{result.check}: {result.detail}" for result in asked if result.failed]
    detail = caller.hide("; ".join(problems))
    result = Result(page.label, None, ms, not problems, detail, page.budget_ms)
    return caller.required(result, passing="net::ERR_" in detail)


def drive(caller: Caller, check: PageCheck, url: str) -> list[str]:
    """Everything that went wrong on the page. Raises NoBrowser."""
    errors = list[str]()
    with opened_page(check) as page:
        deadline = time.monotonic() + check.budget_ms / 1000
        listen(page, errors)
        problem = next(filter(None, (take(page, step, url, deadline) for step in check.steps)), "")
        show(caller, check, page)
    unexpected = [error for error in errors if not any(re.search(each, error) for each in check.expected_errors)]
    return [problem] * bool(problem) + list(dict.fromkeys(unexpected))


@contextmanager
def opened_page(check: PageCheck) -> Iterator["Page"]:
    """An empty page of a browser of its own."""
    program = found_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET])
        try:
            yield browser.new_page(viewport={"width": check.width, "height": check.height})
        finally:
            browser.close()


def found_browser() -> str | None:
    """The program to start; None is Playwright's own. Raises NoBrowser."""
    if find_spec("playwright") is None:
        raise NoBrowser("Playwright is not installed: pip install 'miyabi-pipelines[browser]'")
    named = os.environ.get("CHROMIUM")
    if program := named or next(filter(None, map(shutil.which, PROGRAMS)), None):
        if shutil.which(program):
            return program
        raise NoBrowser(f"CHROMIUM is {named!r}, and there is no such program")
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    if not any(folder.glob("chromium*")):
        raise NoBrowser(
            f"there is no Chromium: install one ({', '.join(PROGRAMS)}), name it in CHROMIUM, or run"
            " `playwright install chromium-headless-shell`"
        )
    return None


def browser_problem() -> str:
    """Why no page can be visited from here; '' if one can."""
    try:
        found_browser()
    except NoBrowser as missing:
        return str(missing)
    return ""


def listen(page: "Page", errors: list[str]) -> None:
    """Write down what goes wrong unseen. Requests that the page itself gave up are not errors."""

    def on_console(message: Any) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            errors.append(f"console: {message.text}")

    def on_failure(request: Any) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):
            errors.append(f"request: {request.method} {request.url}: {request.failure}")

    def on_response(response: Any) -> None:
        if response.status >= 400:
            errors.append(f"request: {response.request.method} {response.url}: answered {response.status}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(f"console: {error}"))
    page.on("requestfailed", on_failure)
    page.on("response", on_response)


def take(page: "Page", step: PageStep, url: str, deadline: float) -> str:
    """Take one step; in words why it did not work, or ''."""
    from playwright.sync_api import Error

    try:
        do(page, step, url, max(1000 * (deadline - time.monotonic()), 1.0))
    except Error as error:
        return f"{step}: {error.message.splitlines()[0]}"
    return ""


def do(page: "Page", step: PageStep, url: str, timeout: float) -> None:
    """`timeout` is in ms, of all that is left of the visit."""
    if step.goto is not None:
        page.goto(url + step.goto, timeout=timeout)
    elif step.fill is not None:
        find(page, step.fill).fill(step.fill.value, timeout=timeout)
    elif step.choose is not None:
        find(page, step.choose).select_option(step.choose.value, timeout=timeout)
    elif step.click is not None:
        find(page, step.click).click(timeout=timeout)
    elif step.press is not None:
        page.keyboard.press(step.press)
    elif step.see is not None:
        find(page, step.see).filter(visible=True).first.wait_for(state="visible", timeout=timeout)
    elif step.miss is not None:
        find(page, step.miss).filter(visible=True).first.wait_for(state="detached", timeout=timeout)


def find(page: "Page", target: Target | Fill) -> "Locator":
    """As a person finds it."""
    if target.role is not None:
        return page.get_by_role(target.role, name=target.name, exact=target.exact)
    if target.label is not None:
        return page.get_by_label(target.label, exact=target.exact)
    return page.get_by_text(str(target.text), exact=target.exact)


def show(caller: Caller, check: PageCheck, page: "Page") -> None:
    """Keep the view and publish it, as good as fits. A browser that cannot take one says nothing of the page."""
    from playwright.sync_api import Error

    shots = (page.screenshot(type="jpeg", quality=quality) for quality in QUALITIES)
    try:
        shot = next((shot for shot in shots if len(shot) <= SHOT_LIMIT), b"")
    except Error as error:
        logger.warning("there is no screenshot of %s: %s", check.name, error.message.splitlines()[0])
        return
    if not shot:
        return
    environment = caller.rollout.environment.name
    name = re.sub(r"[^a-z0-9]+", "-", check.name.lower()).strip("-")
    if caller.shots:
        path = caller.shots / environment / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shot)
    publish_screenshot(environment, name, shot, check.name)
