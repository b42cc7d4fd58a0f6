"""A claim of the paper beside the number that was measured: what ``ntkcore reproduce`` prints as pass or fail."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Claim", "table"]


class Claim(NamedTuple):
    """One statement of the paper, checked."""

    name: str
    """What is measured."""

    measured: float
    """Our number."""

    paper: str
    """What the paper says, in its words or digits."""

    lower: float
    """Smallest value that counts as agreement."""

    upper: float
    """Largest value that counts as agreement."""

    @property
    def passed(self) -> bool:
        """Whether ``lower <= measured <= upper``; False for NaN."""
        return self.lower <= self.measured <= self.upper


def table(claims: tuple[Claim, ...]) -> str:
    """Lay claims out as text, one a line, with columns measured, paper, accepted and the verdict."""
    rows = [("", "measured", "paper", "accepted", "")]
    for claim in claims:
        accepted = f"{claim.lower:.3g} … {claim.upper:.3g}"
        rows.append((claim.name, f"{claim.measured:.4g}", claim.paper, accepted, "pass" if claim.passed else "FAIL"))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:<{widths[3]}}  {e}".rstrip()
        for a, b, c, d, e in rows
    )
