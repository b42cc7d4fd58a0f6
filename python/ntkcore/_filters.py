r"""Spectral filters of least-squares training: what a run does to the component of eigenvalue λ.

With μ = λ + ρ (ρ the ridge over N), a run from 0 towards the target 1 has reached, in the dual coefficient, φ, and has
left of its own exponential the fraction e, φ = (1 − e)/μ: e = e^{−tμ} for the flow, (1 − ημ)^k for k steps. All
functions take μ of shape (N,) and a list of T times or step counts, and return (φ, e), each (T, N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Filter = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


def flow(times: NDArray[np.float64], mu: NDArray[np.float64], cutoff: float) -> Filter:
    r"""Gradient flow: φ_t(μ) = (1 − e^{−tμ})/μ, e = e^{−tμ}; φ_∞(μ) = 1/μ.

    φ_t(0) = t e^{−t·cutoff}: it is t as long as rounding allows to tell, and vanishes for t → ∞, where a component of
    eigenvalue 0 is not seen at any point (κ_x·u = 0) and only the rounding of κ_x·u would be left to grow.
    """
    t = times[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x = t * mu
        left = np.exp(-x)
        slow = t * np.where(x > 0, -np.expm1(-x) / x, 1.0)  # no loss where tμ underflows
        phi = np.where(x < 1, slow, -np.expm1(-x) / mu)
    null = mu == 0
    if null.any():
        left[:, null] = 1.0
        finite = np.where(np.isinf(times), 0.0, times)
        phi[:, null] = np.where(np.isinf(times), 0.0, finite * np.exp(-finite * cutoff))[:, None]
    return phi, left


def decay(times: NDArray[np.float64], mu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return e^{−tμ} alone, (T, N); 1 for μ = 0, at t = ∞ too."""
    with np.errstate(over="ignore", invalid="ignore"):
        left = np.multiply.outer(times, -mu)
        np.exp(left, out=left)
    left[:, mu == 0] = 1.0
    return left


def descent(steps: NDArray[np.float64], mu: NDArray[np.float64], rate: float, momentum: float) -> Filter:
    r"""Gradient descent, ``steps`` times: f_{k+1} = f_k − η ∇ + m (f_k − f_{k−1}) with f_{−1} = f_0.

    The residual obeys e_{k+1} = (1 + m − ημ) e_k − m e_{k−1}, e_{−1} = e_0 = 1, so it is a combination of the k-th
    powers of the eigenvalues z± of the companion matrix, z² − (1 + m − ημ) z + m = 0.
    """
    k, x = steps[:, None], rate * mu
    left, done = _momentum(k, x, momentum) if momentum else _plain(k, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = done / mu
    tiny = x < 1e-290  # of which 1 − e is not a normal number any more, and the null space
    if tiny.any():
        phi[:, tiny] = rate * _steps_with_momentum(steps, momentum)[:, None]
    return phi, left


def _steps_with_momentum(k: NDArray[np.float64], m: float) -> NDArray[np.float64]:
    """Σ_{j<k} (1 + m + … + m^j): how far k steps of constant gradient go."""
    if m == 0:
        return k
    return np.asarray((k - m * -np.expm1(k * np.log(m)) / (1 - m)) / (1 - m))


def _plain(k: NDArray[np.float64], x: NDArray[np.float64]) -> Filter:
    """Return (1 − x)^k and 1 minus that, to full relative precision."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log = np.where(x < 1, np.log1p(-np.minimum(x, 1)), np.log(np.abs(x - 1)))
        exponent = np.where(k == 0, 0.0, k * log)
        size = np.exp(exponent)
        left = np.where(x > 1, _parity(k) * size, size)
        done = np.where(x > 1, 1 - left, -np.expm1(exponent))
    return left, done


def _momentum(k: NDArray[np.float64], x: NDArray[np.float64], m: float) -> Filter:
    """Return e_k and 1 − e_k of heavy-ball momentum from the closed form of the companion's powers.

    S_k = (z₊^{k+1} − z₋^{k+1})/(z₊ − z₋) and e_k = S_k − m S_{k−1}, each case without cancellation.
    """
    root = np.sqrt(m)
    trace = 1 + m - x
    # trace² − 4m, of which each factor is right to rounding near its zero
    discriminant = ((1 - root) ** 2 - x) * ((1 + root) ** 2 - x)
    width = np.sqrt(np.abs(discriminant))
    left, done = (np.empty(np.broadcast_shapes(k.shape, x.shape)) for _ in range(2))
    slow = (discriminant >= 0) & (trace > 0)
    ringing = discriminant < 0
    flipping = (discriminant >= 0) & (trace <= 0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        if slow.any():
            w = 2 * x[slow] / (1 - m + x[slow] + width[slow])  # 1 − z₊
            z = 1 - w
            sums = _geometric(k + 1, width[slow] / z)
            power = np.exp(k * np.log1p(-w))
            left[:, slow] = power * (z + w * sums)
            done[:, slow] = -np.expm1((k + 1) * np.log1p(-w)) - w * power * sums
        if ringing.any():
            angle = np.arctan2(width[ringing], np.abs(trace[ringing]))  # of z₊, folded to the right half plane
            sign = np.where(trace[ringing] < 0, _parity(k), 1.0)
            turn = np.where(trace[ringing] < 0, -1.0, 1.0)
            wave = (np.sin((k + 1) * angle) - turn * root * np.sin(k * angle)) / np.sin(angle)
            left[:, ringing] = sign * np.exp(k * np.log(root)) * wave
            done[:, ringing] = 1 - left[:, ringing]
        if flipping.any():
            y = (width[flipping] - trace[flipping]) / 2  # −z₋, the larger one
            gap = width[flipping] / y
            power = np.exp(k * np.log(y))
            sums = _geometric(k + 1, gap) + np.where(k > 0, m / y * _geometric(k, gap), 0.0)
            left[:, flipping] = _parity(k) * power * sums
            done[:, flipping] = 1 - left[:, flipping]
    left[k[:, 0] == 0], done[k[:, 0] == 0] = 1.0, 0.0  # exactly
    return left, done


def _geometric(n: NDArray[np.float64], gap: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 − qⁿ)/(1 − q) = 1 + q + … + q^{n−1} for q = 1 − gap."""
    return np.where(gap > 0, -np.expm1(n * np.log1p(-gap)) / gap, n)


def _parity(k: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(k % 2 == 1, -1.0, 1.0)
