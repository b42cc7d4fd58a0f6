"""A claim of the paper beside the number that was measured: what ``ntkcore reproduce`` reports as pass or fail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Claim", "table"]


@dataclass(frozen=True)
class Claim:
    """One statement, checked."""

    name: str
    """What is measured."""

    figure: str
    """Where the statement is made: "Figure 1", "Theorem 2", …"""

    measured: float
    """Our number."""

    expected: str
    """What the paper or the theory says, in words or digits."""

    lower: float
    """Smallest value that counts as agreement; −∞ if any small one does."""

    upper: float
    """Largest value that counts as agreement; ∞ if any large one does."""

    error: float | None = None
    """Standard error of ``measured``, where it comes from random networks."""

    @property
    def interval(self) -> tuple[float, float]:
        """(lower, upper)."""
        return self.lower, self.upper

    @property
    def passed(self) -> bool:
        """Whether ``lower <= measured <= upper``; False for NaN."""
        return bool(self.lower <= self.measured <= self.upper)

    @property
    def accepted(self) -> str:
        """The interval in words."""
        if math.isinf(self.lower):
            return f"at most {self.upper:.3g}"
        if math.isinf(self.upper):
            return f"at least {self.lower:.3g}"
        return f"{self.lower:.3g} … {self.upper:.3g}"

    @property
    def number(self) -> str:
        """The measured number, with its standard error if it has one."""
        return f"{self.measured:.4g}" + ("" if self.error is None else f" ± {self.error:.2g}")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; what is infinite or not a number becomes None."""

        def finite(x: float | None) -> float | None:
            return x if x is not None and math.isfinite(x) else None

        return {
            "name": self.name,
            "figure": self.figure,
            "measured": finite(self.measured),
            "error": finite(self.error),
            "expected": self.expected,
            "interval": [finite(self.lower), finite(self.upper)],
            "passed": self.passed,
        }


def table(claims: tuple[Claim, ...]) -> str:
    """Lay claims out as text, one a line, with columns measured, expected, accepted and the verdict."""
    rows = [("", "measured", "expected", "accepted", "")]
    for claim in claims:
        verdict = "pass" if claim.passed else "FAIL"
        rows.append((claim.name, claim.number, claim.expected, claim.accepted, verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:<{widths[3]}}  {e}".rstrip()
        for a, b, c, d, e in rows
    )
