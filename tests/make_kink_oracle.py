"""Write kink_oracle.json: Σ and Σ̇ of functions with a kink at 0, to 18 digits (minutes).

With one of a + bx + ce^{λx} on each side of 0 the inner of the two Gaussian integrals is in closed form, and the outer
one has its breakpoints at 0. ``python tests/make_kink_oracle.py`` computes the file, test_kink_at_zero.py a part.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from reference import mp

PATH = Path(__file__).with_name("kink_oracle.json")
DIGITS = 20


class Side(NamedTuple):
    """a + bx + ce^{λx}, for x > 0 or for x < 0."""

    a: Any
    b: Any
    c: Any
    rate: Any

    def at(self, x: Any) -> Any:
        return self.a + self.b * x + self.c * mp.exp(self.rate * x)

    def slope(self) -> Side:
        return Side(self.b, mp.mpf(0), self.c * self.rate, self.rate)

    def mirrored(self) -> Side:
        return Side(self.a, -self.b, self.c, -self.rate)

    def mean(self, m: Any, s: Any) -> Any:
        """E[(…) 1_{x>0}] for x ~ N(m, s²)."""
        t = self.rate * m + (self.rate * s) ** 2 / 2
        above = mp.ncdf(m / s)
        return (
            (self.a + self.b * m) * above
            + self.b * s * mp.npdf(m / s)
            + self.c * mp.exp(t) * mp.ncdf(m / s + self.rate * s)
        )


class Kinked(NamedTuple):
    """One expression on each side of 0."""

    left: Side
    right: Side

    def at(self, x: Any) -> Any:
        return (self.left if x < 0 else self.right).at(x)

    def slope(self) -> Kinked:
        return Kinked(self.left.slope(), self.right.slope())

    def mean(self, m: Any, s: Any) -> Any:
        """E[σ(x)] for x ~ N(m, s²)."""
        return self.right.mean(m, s) + self.left.mirrored().mean(-m, s)

    def dual(self, q1: Any, q2: Any, angle: Any) -> Any:
        """E[σ(u)σ(v)] = E[σ(u) E[σ(v) | u]], for u and v of correlation cos(angle)."""
        r1, r2, c, s = mp.sqrt(q1), mp.sqrt(q2), mp.cos(angle), mp.sin(angle)
        cuts = {0.0, 2.5, 5.5, 10.0} | {float(k * s) for k in (1, 4, 12) if k * s < 2} | {float(2 / r1)}
        ends = sorted(c for c in cuts if c <= 10)
        if s == 0:
            inner: Callable[[Any], Any] = lambda z: self.at(r2 * c * z)  # noqa: E731
        else:
            inner = lambda z: self.mean(r2 * c * z, r2 * s)  # noqa: E731
        total = mp.quad(lambda z: mp.npdf(z) * self.right.at(r1 * z) * inner(z), ends, method="gauss-legendre")
        return total + mp.quad(lambda z: mp.npdf(z) * self.left.at(-r1 * z) * inner(-z), ends, method="gauss-legendre")


def side(*numbers: Any) -> Side:
    return Side(*map(mp.mpf, numbers))


def elu_like(scale: Any, alpha: Any, width: Any) -> Kinked:
    height = mp.mpf(scale) * mp.mpf(alpha)
    return Kinked(Side(-height, mp.mpf(0), height, 1 / mp.mpf(width)), side(0, scale, 0, 0))


SELU = ("1.0507009873554804934193349852946", "1.6732632423543772848170429916717")
FUNCTIONS: dict[str, Kinked] = {
    "elu": elu_like(1, 1, 1),
    "elu(-0.5)": elu_like(1, -0.5, 1),
    "celu(2)": elu_like(1, 2, 2),
    "selu": elu_like(*SELU, 1),
    "odd": Kinked(side(-1, 0, 1, 1), side(1, 0, -1, -1)),
    "even": Kinked(side(0, 0, 1, 1), side(0, 0, 1, -1)),
    "both": Kinked(side(1, 0, -1, 1), side(-0.5, 0.25, 0.5, -2)),
}
VARIANCES = (1.0, 0.3, 1e-6, 25.0)
ANGLES = (0.0, 1e-7, 1e-3, 0.05, 0.4, 1.5, 2.9, 3.1414)
ROWS = list(itertools.product(VARIANCES, ANGLES))  # the samples of the pairs: q and the angle of the row
PAIRS = [(0, j) for j in range(1, 8)]
PAIRS += [(0, 8 + 3), (0, 8 + 6), (0, 16 + 4), (16, 16 + 3), (0, 24 + 5), (24, 24 + 2), (24, 24 + 7)]
# Pairs of the variances |x|²/2 and angles of their rows, for networks of depth 4 with σ_w = 1, σ_b = 0.1.
DEEP = [(1.0, 1.0, 0.7), (1.0, 1.0, 1e-3), (1.0, 1.7, 2.5)]


def exact(of: Kinked, i: int, j: int) -> tuple[Any, Any]:
    """Σ_ij and Σ̇_ij of one layer without bias, relative to √(K_ii K_jj)."""
    (q1, a1), (q2, a2) = ROWS[i], ROWS[j]
    turn, none = mp.mpf(a2) - mp.mpf(a1), mp.mpf(0)
    value, slope = (
        f.dual(q1, q2, turn) / mp.sqrt(f.dual(q1, q1, none) * f.dual(q2, q2, none)) for f in (of, of.slope())
    )
    return value, slope


def deep(of: Kinked, q1: float, q2: float, angle: float, depth: int = 4) -> tuple[Any, Any]:
    """Σ and Θ of one pair, relative to √(K_ii K_jj), by the recursion."""
    bias = mp.mpf(0.1) ** 2
    c = [mp.mpf(q1) + bias, mp.mpf(q2) + bias, mp.sqrt(mp.mpf(q1) * q2) * mp.cos(mp.mpf(angle)) + bias]
    theta = list(c)
    for _ in range(depth - 1):
        turn = mp.acos(c[2] / mp.sqrt(c[0] * c[1]))
        pairs = [(c[0], c[0], mp.mpf(0)), (c[1], c[1], mp.mpf(0)), (c[0], c[1], turn)]
        dots = [of.slope().dual(*pair) for pair in pairs]
        c = [of.dual(*pair) + bias for pair in pairs]
        theta = [t * d + s for t, d, s in zip(theta, dots, c, strict=True)]
    return c[2] / mp.sqrt(c[0] * c[1]), theta[2] / mp.sqrt(theta[0] * theta[1])


def main() -> None:
    """Compute the file."""
    table: dict[str, dict[str, list[Any]]] = {"one": {}, "deep": {}}
    with mp.workdps(DIGITS):
        for name, of in FUNCTIONS.items():
            table["one"][name] = [[i, j, *(mp.nstr(x, 18) for x in exact(of, i, j))] for i, j in PAIRS]
            if name in ("elu", "selu", "celu(2)", "both"):
                table["deep"][name] = [[*pair, *(mp.nstr(x, 18) for x in deep(of, *pair))] for pair in DEEP]
            PATH.write_text(json.dumps(table, indent=0) + "\n")


if __name__ == "__main__":
    main()
