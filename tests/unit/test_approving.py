"""What a person sees above the form of an approval."""

from flows.approving import description
from tasks.changes import Finding


def test_a_plan_is_a_list_whose_lines_wrap_and_say_what_they_say() -> None:
    """No character of a name or value is taken for Markdown."""
    plan = "create role miyabi_api [*]\nupdate function x  memory: `256` → 512"
    assert description("staging", plan, "") == (
        "### Plan for staging\n- create role miyabi\\_api \\[\\*\\]\n- update function x  memory: \\`256\\` → 512"
    )
    assert "**Asked again: it has changed.**" in description("staging", plan, "it has changed")
    known = description("staging", plan, "", [Finding("this code", "was taken back before")])
    assert known.endswith("\n\nTo know:\n\n- this code: was taken back before")
