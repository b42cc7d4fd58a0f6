"""Checkpoints: runs that were stopped, or killed, continue to the same bits; those of other runs are refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from cases import normals
from finite_networks import new, same, snapshot

X, Y = normals(0, 12, 3), normals(1, 12, 2)


RUN: dict[str, Any] = {
    "learning_rate": 0.3,
    "steps": 30,
    "momentum": 0.6,
    "batch_size": 5,
    "record_every": 4,
    "probes": X[:2],
}


def same_history(first: nk.TrainingHistory, second: nk.TrainingHistory) -> bool:
    fields = ("steps", "times", "losses", "outputs", "probes")
    return all(np.array_equal(getattr(first, f), getattr(second, f)) for f in fields)


@pytest.mark.parametrize("stop", [1, 7, 8, 12, 29])
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_resumed_runs_have_the_same_bits(tmp_path: Path, stop: int, bits: Any) -> None:
    def generator() -> np.random.Generator:
        return np.random.Generator(bits(3))

    whole, part, rest = new(), new(), nk.Network(3, "tanh").init(3, 20, 2, rng=99)
    expected = whole.train(X, Y, rng=generator(), **RUN)
    path = tmp_path / "run.npz"
    part.train(X, Y, rng=generator(), checkpoint=path, callback=lambda step, _: step == stop, **RUN)
    history = rest.train(X, Y, rng=np.random.Generator(bits(4)), checkpoint=path, resume=True, **RUN)
    assert same(snapshot(whole), snapshot(rest))
    assert same_history(history, expected)
    assert same(snapshot(nk.MLP.load(path)), snapshot(whole))
    again = new()  # a finished run gives its history again
    assert same_history(again.train(X, Y, rng=generator(), checkpoint=path, resume=True, **RUN), expected)
    assert same(snapshot(again), snapshot(whole))
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_a_finished_run_can_go_on(tmp_path: Path) -> None:
    longer = RUN | {"steps": 45}
    whole, part = new(), new()
    expected = whole.train(X, Y, rng=1, **longer)
    part.train(X, Y, rng=1, checkpoint=tmp_path / "run", **RUN)
    history = part.train(X, Y, checkpoint=tmp_path / "run", resume=True, **longer)
    assert same(snapshot(whole), snapshot(part))
    assert same_history(history, expected)


SCRIPT = """
import sys, time
import numpy as np
import ntkcore as nk

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
mlp = nk.Network(3, "tanh").init(3, 20, 2, rng=0)

def slowly(step, mlp):
    if len(sys.argv) > 3:
        time.sleep(0.02)

history = mlp.train(
    X, Y, steps=120, learning_rate=0.2, momentum=0.5, batch_size=5, rng=2, record_every=7,
    checkpoint=sys.argv[1], checkpoint_every=1, resume=True, callback=slowly,
)
np.savez(sys.argv[2], *mlp.weights, *mlp.biases, history.steps, history.losses, history.outputs)
"""


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def run(command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path)

    victim = run([sys.executable, str(script), "run.npz", "never.npz", "slowly"])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run.npz").exists() or time.monotonic() < deadline - 59.5:
            assert victim.poll() is None, victim.communicate()[0].decode()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)  # in the midst of writing, or of a step
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
    assert not (tmp_path / "never.npz").exists()
    for checkpoint, result in (("run.npz", "resumed.npz"), ("other.npz", "whole.npz")):
        process = run([sys.executable, str(script), checkpoint, result])
        output = process.communicate(timeout=120)[0].decode()
        assert process.returncode == 0, output
    with np.load(tmp_path / "resumed.npz") as resumed, np.load(tmp_path / "whole.npz") as whole:
        assert resumed.files == whole.files
        assert all(np.array_equal(resumed[name], whole[name]) for name in whole.files)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"learning_rate": 0.4}, "learning_rate"),
        ({"momentum": 0.5}, "momentum"),
        ({"loss": "huber"}, "loss"),
        ({"batch_size": 6}, "batch_size"),
        ({"record_every": 3}, "record_every"),
        ({"probes": X[:3]}, "probes"),
        ({"X": X + 1}, "X"),
        ({"Y": Y + 1}, "Y"),
        ({"steps": 20}, "steps"),
        ({"rng": np.random.Generator(np.random.MT19937(0))}, "rng"),
    ],
)
def test_checkpoints_of_other_runs_are_refused(tmp_path: Path, change: dict[str, Any], name: str) -> None:
    path, mlp = tmp_path / "run.npz", new()
    new().train(X, Y, rng=1, checkpoint=path, **RUN)
    content, before = path.read_bytes(), snapshot(mlp)
    arguments: dict[str, Any] = {"X": X, "Y": Y, **RUN, **change}
    with pytest.raises(ValueError, match=f"^{name} must be"):
        mlp.train(checkpoint=path, resume=True, **arguments)
    with pytest.raises(ValueError, match=r"^checkpoint must be .* resume=True"):
        mlp.train(checkpoint=path, **arguments)
    assert path.read_bytes() == content
    assert same(snapshot(mlp), before)


def test_checkpoints_of_other_networks_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    new().train(X, Y, rng=1, checkpoint=path, **RUN)
    resume: dict[str, Any] = RUN | {"checkpoint": path, "resume": True}
    with pytest.raises(ValueError, match="checkpoint must be of a network of these widths"):
        nk.Network(3, "tanh").init(3, 21, 2).train(X, Y, **resume)
    with pytest.raises(ValueError, match="net must agree"):
        nk.Network(3, "relu").init(3, 20, 2).train(X, Y, **resume)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"something else"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^checkpoint must be a checkpoint"):
            new().train(X, Y, **resume)
