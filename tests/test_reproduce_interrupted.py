"""Runs of the experiments that end with SIGKILL or Ctrl-C, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ntkcore import cli
from ntkcore.paper import Descent, figure3

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

SETTINGS: dict[str, Any] = {"n_samples": 40, "widths": (30, 60), "trials": 1, "steps": 4000, "learning_rate": 1.0}
SETTINGS |= {"batches": 2, "threads": 1}


def trained(folder: Path) -> Descent:
    result = figure3(**SETTINGS, folder=folder).descent
    assert result is not None
    return result


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_killed_run_goes_on_from_its_checkpoint_and_ends_with_the_same_numbers(tmp_path: Path) -> None:
    code = (
        "from ntkcore.paper import figure3, training\n"
        "training._SECONDS_BETWEEN_CHECKPOINTS = 0.0\n"  # after every step
        f"figure3(**{SETTINGS!r}, folder={str(tmp_path / 'killed')!r})\n"
    )
    folder = tmp_path / "killed"
    for count in (1, 2):  # killed twice: in the first network, and wherever the second run has come to
        with started(code) as process:
            wait_for(lambda: folder.exists() and any(folder.glob("*.checkpoint")), process)
            time.sleep(0.05 * count)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL
    assert any(folder.glob("*.checkpoint"))
    end, whole = trained(folder), trained(tmp_path / "whole")
    np.testing.assert_array_equal(end.g, whole.g)
    np.testing.assert_array_equal(end.h, whole.h)
    assert {path.suffix for path in folder.iterdir()} == {".npz"}


def test_ctrl_c_leaves_a_message_and_what_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"import sys; from ntkcore import cli; sys.exit(cli.main(['reproduce', 'figure2', '--out', {str(out)!r}]))"
    with started(code) as process:
        wait_for(lambda: len(list((out / "pieces").glob("*.npz"))) >= 2, process)
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate()
    assert process.returncode == 130
    assert printed.startswith("figure2 at scale quick")
    assert "Traceback" not in told
    goes_on = (
        f"what is finished is kept: `ntkcore reproduce figure2 --scale quick --seed 0 --out {out}` goes on from there"
    )
    assert told.splitlines()[-3:] == [goes_on, "", "ntkcore reproduce: interrupted"]
    assert all(path.suffix == ".npz" for path in (out / "pieces").iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["reproduce", "figure2", "--out", str(tmp_path / "file" / "out")]) == 2
    told = capsys.readouterr().err
    assert told == f"ntkcore reproduce: {tmp_path / 'file' / 'out'}: Not a directory\n"
    assert cli.main(["reproduce", "figure2", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"ntkcore reproduce: {tmp_path / 'file'}: File exists\n"
