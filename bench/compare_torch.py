"""Compare with PyTorch: the same networks, data, threads and process; trajectories, state dicts and the time of a step.

PyTorch is no dependency, so give it an environment of its own and install ntkcore there too::

    python3.11 -m venv torch-env
    torch-env/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu
    torch-env/bin/pip install .
    torch-env/bin/python bench/compare_torch.py

A step is forward pass, gradients and update of all parameters: in PyTorch eager autograd and ``torch.optim.SGD`` on
tensors, in ntkcore ``mlp.train``. The libraries alternate, after a pause that lets the other's threads fall asleep. A
row gives the median time of each and the median of the ratios of neighbouring runs. A wrong answer ends the run with an
error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """A network and its data: depth 4, ReLU, σ_w = 1, σ_b = 0.1."""

    width: int
    points: int
    features: int
    steps: int
    target: float


CASES = [Case(10_000, 4, 2, 16, 10.0), Case(4_000, 512, 784, 8, 1.8), Case(500, 100, 2, 50, 2.5)]


def torch_network(mlp: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """Return copies of the parameters as leaf tensors, and the forward pass in the NTK parametrization."""
    import torch

    weights = [torch.tensor(W, requires_grad=True) for W in mlp.weights]
    biases = [torch.tensor(b, requires_grad=True) for b in mlp.biases]
    functions = [getattr(torch, a.name) for a in mlp.net.activations]

    def forward(alpha: Any) -> Any:
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            scale, bias_std = mlp.net.weight_std[layer] / W.shape[1] ** 0.5, mlp.net.bias_std[layer]
            pre = scale * torch.nn.functional.linear(alpha, W) + bias_std * b
            alpha = functions[layer](pre) if layer < mlp.net.depth - 1 else pre
        return alpha

    return [*weights, *biases], forward


def torch_losses() -> dict[str, Callable[[Any, Any], Any]]:
    """Return the costs (1/N) Σ c as PyTorch has them."""
    import torch

    F = torch.nn.functional
    return {
        "mse": lambda f, y: 0.5 * ((f - y) ** 2).sum(1).mean(),
        "cross_entropy": lambda f, y: F.cross_entropy(f, y),
        "logistic": lambda f, y: F.soft_margin_loss(f, y, reduction="none").sum(1).mean(),
        "huber": lambda f, y: F.huber_loss(f, y, reduction="none").sum(1).mean(),
    }


def trajectories() -> None:
    """Check outputs over 200 steps at width 200 in float64, for all losses, with and without momentum."""
    import ntkcore as nk
    import torch

    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    targets = {"mse": Y, "cross_entropy": Y.argmax(1), "logistic": np.sign(Y), "huber": 3 * Y}
    print("\nlargest relative difference of outputs to PyTorch float64 over 200 steps, width 200, depth 4; target 1e-9")
    for activation in ("relu", "tanh"):
        for name, cost in torch_losses().items():
            for momentum in (0.0, 0.9):
                mlp = nk.Network(4, activation, 1.3, 0.1).init(3, 200, 2, rng=1, dtype=np.float64)
                parameters, forward = torch_network(mlp)
                optimizer = torch.optim.SGD(parameters, lr=0.2, momentum=momentum)
                x, y, outputs = torch.tensor(X), torch.tensor(targets[name]), []
                for _ in range(200):
                    optimizer.zero_grad()
                    f = forward(x)
                    cost(f, y).backward()
                    outputs.append(f.detach().numpy().copy())
                    optimizer.step()
                arguments: dict[str, Any] = {"learning_rate": 0.2, "momentum": momentum, "loss": name}
                history = mlp.train(X, targets[name], steps=200, record_every=1, **arguments)
                assert history.outputs is not None
                pairs = zip(history.outputs[:-1], outputs, strict=True)
                error = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
                print(f"  {activation:5} {name:14} momentum {momentum}: {error:.1e}")
                assert error < 1e-9


def state_dicts() -> None:
    """Check that models and their networks compute the same function, both ways."""
    import ntkcore as nk
    import torch

    nn = torch.nn
    model = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 40), nn.Tanh(), nn.Linear(40, 2)).double()
    mlp = nk.MLP.from_state_dict(nk.Network(3, "tanh", 1.3, 0.2), model.state_dict())
    x = torch.randn(30, 3, dtype=torch.float64)
    expected = model(x).detach().numpy()
    there = float(np.abs(mlp(x.numpy()) - expected).max())
    other = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 40), nn.Tanh(), nn.Linear(40, 2)).double()
    other.load_state_dict({k: torch.from_numpy(v) for k, v in mlp.to_state_dict().items()})
    back = float(np.abs(other(x).detach().numpy() - expected).max())
    print(f"\nstate dict to network: largest difference {there:.1e}; and back: {back:.1e}")
    assert max(there, back) < 1e-13


def step_times(case: Case, rounds: int) -> bool:
    """Time one case and print its row; return whether the target is reached."""
    import ntkcore as nk
    import torch

    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.points, case.features), np.float32)
    Y = rng.standard_normal((case.points, 1), np.float32)
    mlp = nk.Network(4, "relu").init(case.features, case.width, rng=0)
    parameters, forward = torch_network(mlp)
    optimizer = torch.optim.SGD(parameters, lr=1e-3)
    x, y = torch.tensor(X), torch.tensor(Y)

    def theirs() -> None:
        for _ in range(case.steps):
            optimizer.zero_grad()
            (0.5 * ((forward(x) - y) ** 2).sum(1).mean()).backward()
            optimizer.step()

    def ours() -> None:
        mlp.train(X, Y, learning_rate=1e-3, steps=case.steps, record_outputs=False)

    times: dict[str, list[float]] = {"theirs": [], "ours": []}
    for turn in range(rounds + 1):  # the first one warms up
        for name, call in (("theirs", theirs), ("ours", ours)):
            time.sleep(0.3)
            start = time.perf_counter()
            call()
            if turn:
                times[name].append((time.perf_counter() - start) / case.steps)
    with torch.no_grad():
        gap = np.abs(forward(x).numpy() - mlp(X)).max()
    assert gap < 1e-3, gap  # both have made the same steps
    ratio = median(a / b for a, b in zip(times["theirs"], times["ours"], strict=True))
    verdict = "yes" if ratio >= case.target else "no"
    print(
        f"| {case.width} | {case.points} | {case.features} | {1e3 * median(times['theirs']):.2f} ms | "
        f"{1e3 * median(times['ours']):.2f} ms | {ratio:.1f}× | ≥ {case.target:g}× | {verdict} |",
        flush=True,
    )
    return ratio >= case.target


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, help="time only the case of this width")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    import torch

    torch.set_num_threads(arguments.threads)
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads")
    if arguments.width is None:
        trajectories()
        state_dicts()
    print("\none step, depth 4, ReLU, float32, n_L = 1")
    print("| width | points | features | PyTorch | ntkcore | ratio | target | reached |")
    print("|---:|---:|---:|---:|---:|---:|---:|---|")
    chosen = [c for c in CASES if arguments.width in (None, c.width)]
    reached = [step_times(case, arguments.rounds) for case in chosen]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
