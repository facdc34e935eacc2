"""What a visit with a browser says: what a person does on a page, and what that person must see there."""

from typing import Literal

from pydantic import Field, model_validator

from tasks.suite_checks import Check, Condition, Part, Pattern

AriaRole = Literal[
    "alert", "article", "banner", "button", "cell", "checkbox", "combobox", "dialog", "form", "heading", "img",
    "link", "list", "listitem", "log", "main", "menuitem", "navigation", "option", "region", "row", "searchbox",
    "status", "tab", "table", "tabpanel", "textbox",
]  # fmt: skip


class Target(Part):
    """Something on a page, as a person finds it: by its role and accessible name, by its label, or by its text."""

    role: AriaRole | None = None
    name: str | None = None
    """The accessible name that goes with `role`."""
    label: str | None = None
    text: str | None = None
    exact: bool = False
    """The whole name, label or text, in its case; a part of it in any case will do otherwise."""

    @model_validator(mode="after")
    def is_one(self) -> "Target":
        if sum(value is not None for value in (self.role, self.label, self.text)) != 1:
            raise ValueError("say one of role (with name), label and text")
        if self.name is not None and self.role is None:
            raise ValueError("name goes with role")
        return self

    def __str__(self) -> str:
        if self.role:
            return self.role + (f" {self.name!r}" if self.name is not None else "")
        return f"label {self.label!r}" if self.label is not None else f"text {self.text!r}"


class Fill(Target):
    value: str


class PageStep(Part):
    """One thing that a person does, or sees."""

    goto: str | None = Field(None, pattern="^/")
    """Below the site's URL."""
    fill: Fill | None = None
    choose: Fill | None = None
    """An option of a list, by its label or value."""
    click: Target | None = None
    press: str | None = None
    see: Target | None = None
    miss: Target | None = None
    """It is not, or no longer, to be seen."""

    @model_validator(mode="after")
    def is_one(self) -> "PageStep":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"a step is one of {', '.join(type(self).model_fields)}")
        return self

    def __str__(self) -> str:
        ((verb, what),) = ((name, getattr(self, name)) for name in self.model_fields_set)
        return f"{verb} {what}"


class PageCheck(Condition):
    """A visit with a browser. It fails on a step, an error in the console, or a request of the page that failed."""

    name: str = Field(min_length=1)
    before: tuple[Check, ...] = ()
    """Asked of the API first: what they capture can be used in the steps."""
    steps: tuple[PageStep, ...]
    after: tuple[Check, ...] = ()
    """Asked of the API at the end, whatever happened, to clean up."""
    expected_errors: tuple[Pattern, ...] = ()
    """Console messages and failed requests that belong to this visit."""
    width: int = Field(1280, ge=200, le=4000)
    height: int = Field(800, ge=200, le=4000)
    budget_ms: float = Field(20_000, gt=0)

    @model_validator(mode="after")
    def does_something(self) -> "PageCheck":
        if not self.steps:
            raise ValueError("a visit without steps sees nothing")
        return self

    @property
    def label(self) -> str:
        return f"Browser · {self.name}"

    def __str__(self) -> str:
        return self.label
