"""Throttling of a route: a token bucket, as API Gateway has it."""

from dataclasses import dataclass


@dataclass
class Bucket:
    """`rate` tokens a second flow in, up to `burst`; a request takes one. A rate or burst of 0 lets nothing through."""

    rate: float
    burst: float
    tokens: float = -1.0
    filled_at: float = 0.0

    def take(self, now: float) -> bool:
        """Whether a request may pass now (in seconds, any clock that only goes forward)."""
        if self.rate <= 0 or self.burst <= 0:
            return False
        if self.tokens < 0:
            self.tokens = self.burst
        else:
            self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
