"""One line of the bench table: us beside a peer in the same run, as a ratio with its goal."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Result:
    """`ratio` is ours to the peer's; the goal is an upper or a lower bound of it. Without one it is only shown."""

    name: str
    ours_ms: float
    peer_ms: float
    peer: str
    ratio: float
    goal: float | None
    kind: Literal["<=", ">="]

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.ratio <= self.goal if self.kind == "<=" else self.ratio >= self.goal

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        goal = "no goal" if self.goal is None else f"goal {self.kind} {self.goal:.2f}x  {verdict}"
        return (
            f"{self.name:<44} {self.ours_ms:9.1f} ms  {self.peer_ms:9.1f} ms  {self.ratio:6.2f}x"
            f"  {goal:<22}  (peer: {self.peer})"
        )
