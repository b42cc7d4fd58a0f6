"""The statistics behind the claims of ``ntkcore reproduce``: each can fail; and its one report of what is there."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ntkcore import cli
from ntkcore._cli_reproduce import _Countdown
from ntkcore.paper import Claim, early_stopping, figure1, figure2, figure3, frequencies, reproduce, theorem1, theorem2
from ntkcore.paper.reproduce import SCALES
from ntkcore.paper.statistics import agreement, power_law, significance
from ntkcore.paper.workshop import Pieces, Step, Workshop

Capture = pytest.CaptureFixture[str]
TINY = SCALES["tiny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pieces")


def verdicts(result: Any, **changes: Any) -> list[bool]:
    return [claim.passed for claim in dataclasses.replace(result, **changes).claims()]


def failed(result: Any, **changes: Any) -> list[int]:
    return [i for i, passed in enumerate(verdicts(result, **changes)) if not passed]


def test_every_claim_of_figure1_can_fail(folder: Path) -> None:
    result = figure1(**TINY["figure1"], folder=folder, threads=1)
    assert failed(result) == []
    wide, before = result.initial[1], result.initial[:, : result.trained.shape[1]]
    assert 0 in failed(result, initial=np.stack([wide, wide]))  # p = 0
    steep = result.limit + (wide - result.limit) * 10 * (1 + 0.01 * np.arange(len(wide)))[:, None]
    assert 0 in failed(result, initial=np.stack([steep, wide]))  # p = −1
    assert 1 in failed(result, initial=np.stack([3 * result.initial[0], wide]))
    assert 2 in failed(result, initial=1.3 * result.initial)
    assert 3 in failed(result, trained=0.99 * before)
    assert 4 in failed(result, trained=result.trained[:1] / before[:1] * before)


def test_every_claim_of_figure2_can_fail(folder: Path) -> None:
    result = figure2(**TINY["figure2"], folder=folder, threads=1)
    assert failed(result) == []
    assert {0, 4} <= set(failed(result, functions=result.functions + 2 * result.std))
    assert {1, 2, 5, 6} <= set(failed(result, functions=result.mean + 3 * (result.functions - result.mean)))
    assert {1, 2, 5, 6} <= set(failed(result, functions=result.mean + 0.2 * (result.functions - result.mean)))
    assert {3, 7} <= set(failed(result, losses=result.losses + 1e-3))


@pytest.mark.slow
def test_every_claim_of_figure3_can_fail(folder: Path) -> None:
    result = figure3(**TINY["figure3"], folder=folder, threads=1)
    assert failed(result) == []
    assert {0, 1, 2} <= set(failed(result, batches=result.batches + result.batches.mean(axis=0)))
    assert 3 in failed(result, batches=result.batches * (1.0, 3.0, 1.0))
    assert 4 in failed(result, components=result.components[::-1])
    assert 5 in failed(result, eigenvalues_beta_one=result.eigenvalues)
    descent = result.descent
    assert descent is not None
    swapped = dataclasses.replace(
        descent, g=descent.g[::-1], h=descent.h[::-1], steps=descent.steps[::-1], trials=descent.trials[::-1]
    )
    assert [claim.passed for claim in swapped.claims()] == [False] * len(descent.claims())


def test_every_claim_of_the_theorems_can_fail(folder: Path) -> None:
    for theorem in (theorem1, theorem2):
        result = theorem(**TINY[theorem.__name__], folder=folder, threads=1)
        n = result.study.widths.astype(float)
        assert failed(result) == []
        for power in (0.8, -1.5) if theorem is theorem1 else (0.8,):
            study = dataclasses.replace(result.study, deviations=result.study.deviations * n[:, None] ** power)
            assert failed(result, study=study) == [0]


def test_every_further_claim_can_fail(folder: Path) -> None:
    modes = frequencies(**TINY["frequencies"], folder=folder, threads=1)
    assert failed(modes) == []
    assert failed(modes, eigenvalues=1.6 * modes.eigenvalues)[:5] == [0, 1, 2, 3, 4]
    assert 5 in failed(modes, eigenvalues=modes.eigenvalues[::-1])
    noisy = early_stopping(**TINY["early_stopping"], folder=folder, threads=1)
    assert failed(noisy) == []
    assert 0 in failed(noisy, best_time=float(noisy.times[1]))
    assert 1 in failed(noisy, best_time=float(noisy.times[-1]))


def test_levels() -> None:
    from scipy.stats import t

    for freedom in (3, 9, 100):
        assert 2 * t.sf(agreement(freedom), freedom) == pytest.approx(1e-4, rel=1e-6)
        assert t.sf(significance(freedom), freedom) == pytest.approx(1e-2, rel=1e-6)


@pytest.mark.parametrize("central", [False, True])
def test_power_laws(central: bool) -> None:
    rng = np.random.default_rng(0)
    n = np.array([10.0, 30.0, 100.0])
    counts = (6, 3, 4)
    spread = n**-0.5 if central else np.full(3, 0.2)
    groups = list(zip(n, counts, spread, strict=True))
    laws = [
        power_law(n, [m**-0.5 * np.exp(s * rng.standard_normal(c)) for m, c, s in groups], central=central)
        for _ in range(2000)
    ]
    exponents = np.array([law.exponent for law in laws])
    assert exponents.mean() == pytest.approx(-0.5, abs=0.005)
    assert np.sqrt(np.mean([law.error**2 for law in laws])) == pytest.approx(exponents.std(), rel=0.06)
    assert laws[0].freedom == 10
    off = np.abs(exponents + 0.5) > [t * law.error for t in [2.228] for law in laws]
    assert off.mean() == pytest.approx(0.05, abs=0.02)


def test_a_folder_has_one_report(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["ntkcore.paper.reproduce"]
    monkeypatch.setitem(module.SCALES, "quick", module.SCALES["tiny"])
    out = tmp_path / "out"

    def run(*arguments: str) -> tuple[int, list[str], dict[str, Any]]:
        code = cli.main(["reproduce", *arguments, "--out", str(out), "--threads", "1"])
        data = json.loads((out / "report.json").read_text(encoding="utf-8")) if out.exists() else {}
        return code, [section["name"] for section in data.get("sections", [])], data

    assert run("finished")[0] == 2
    assert "out must be a folder with something finished at scale quick and seed 0" in capsys.readouterr().err
    assert not out.exists()
    assert run("figure2")[1] == ["figure2"]
    code, names, data = run("figure1")
    assert (code, names) == (0, ["figure1", "figure2"])
    took = {section["name"]: section["seconds"] for section in data["sections"]}
    assert took["figure2"] > 0.1  # what it took when it was made
    monkeypatch.setattr("ntkcore.network.Network.init", None)  # nothing is trained
    code, names, again = run("finished")
    assert (code, names) == (0, ["figure1", "figure2"])
    assert again["claims"] == data["claims"]
    assert again["command"] == "ntkcore reproduce finished --scale quick --seed 0 --threads 1"
    assert run("finished", "--seed", "1")[0] == 2
    assert "nothing is trained" in capsys.readouterr().out


def test_time_is_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("ntkcore.paper.workshop.time.perf_counter", lambda: clock[0])

    def compute(step: Step) -> dict[str, Any]:
        assert step.checkpoint is not None
        begun = step.checkpoint.exists()
        step.checkpoint.write_bytes(b"state")
        (step.checkpoint.parent / f".0123abcd.{step.checkpoint.name}").write_bytes(b"half a state")
        clock[0] += 10.0
        if not begun:
            raise KeyboardInterrupt
        return {"value": np.ones(1)}

    def run() -> Pieces:
        pieces = Pieces(tmp_path)
        with Workshop(pieces) as workshop:
            assert list(workshop.piece("name", {}, compute)) == ["value"]
        return pieces

    with pytest.raises(KeyboardInterrupt):
        run()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".checkpoint", ".checkpoint", ".seconds"]
    assert (run().seconds, run().seconds) == (20.0, 20.0)
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert [name.rpartition(".")[2] for name in left] == ["npz"]


class Terminal(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def test_the_time_left() -> None:
    screen, log = Terminal(True), Terminal(False)
    count = _Countdown("figure3 (1 of 1)", screen)
    count.start = now = 1000.0
    count.tell(now, 0.0)
    count.tell(now + 0.5, 0.5)  # found finished
    for i in range(1, 201):
        count.tell(now + 0.5 + i, 0.5 + i / 36_000)
    text = screen.getvalue()
    assert text.split("\r")[-1].rstrip() == "figure3 (1 of 1):  51 %, about 4 h 57 min left"
    count.tell(now + 300, 1.0)
    assert screen.getvalue().endswith("\r")
    plain = _Countdown("figure1 (1 of 2)", log)
    plain.start = plain.shown = now
    for i in range(130):
        plain.tell(now + i, i / 260)
    lines = log.getvalue().splitlines()
    assert lines == ["figure1 (1 of 2):  23 %, about 3 min left", "figure1 (1 of 2):  46 %, about 2 min left"]


def test_an_unknown_experiment_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="figures must be one of"):
        reproduce(["figure4"], out=tmp_path / "new")
    assert Claim("a", "b", 1.0, "1", 1.0, 1.0).passed
