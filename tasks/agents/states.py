"""Names of flow runs' states that both sides of a seam know. Imported where Prefect is not."""

STACK_STOPPED = "StackStopped"
"""Of type Crashed: the run died because the local stack was stopped, which is no fault of what it ran."""
