from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ntkcore as nk
import numpy as np
import pytest
from ntkcore import _cli_gram, cli

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def X(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray[Any, Any]:
    """Work in an empty folder with x.npy, (40, 6)."""
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).standard_normal((40, 6))
    np.save("x.npy", samples)
    return samples


def fails(capsys: Capture, *arguments: str) -> str:
    """Run a command that must fail with exit code 2, one line on stderr and nothing left over; return that line."""
    before = sorted(os.listdir())
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"ntkcore {arguments[0]}: ")
    assert sorted(os.listdir()) == before
    return captured.err


def test_gram_from_npy(X: Any, capsys: Capture) -> None:
    assert cli.main(["gram", "x.npy", "-o", "k.npy"]) == 0
    K = np.load("k.npy")
    np.testing.assert_array_equal(K, nk.Network(4).ntk(X))
    assert K.flags.c_contiguous
    assert capsys.readouterr().out.startswith("k.npy: ntk, 40 × 40, float64")
    assert sorted(os.listdir()) == ["k.npy", "x.npy"]


def test_gram_from_npz(X: Any, capsys: Capture) -> None:
    np.savez("one.npz", a=X)
    np.savez("two.npz", a=X, b=X[:7] + 1)
    assert cli.main(["gram", "one.npz", "-o", "one.npy", "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("one.npy"), nk.Network(4).ntk(X))
    arguments = ["gram", "two.npz", "--key", "a", "--other", "two.npz", "--other-key", "b", "-o", "two.npy", "--quiet"]
    assert cli.main(arguments) == 0
    np.testing.assert_array_equal(np.load("two.npy"), nk.Network(4).ntk(X, X[:7] + 1))
    assert capsys.readouterr() == ("", "")
    assert "it has 2 arrays, choose one with --key: a, b" in fails(capsys, "gram", "two.npz", "-o", "k.npy")
    assert "no array 'c', only a, b" in fails(capsys, "gram", "two.npz", "--key", "c", "-o", "k.npy")


@pytest.mark.parametrize("delimiter", [",", ";", "tab"])
def test_gram_from_csv(X: Any, capsys: Capture, delimiter: str) -> None:
    np.savetxt("x.csv", X, delimiter={"tab": "\t"}.get(delimiter, delimiter), header="six columns", comments="")
    options = ["--delimiter", delimiter, "-o", "k.npy"]
    assert "--skip-rows 1 skips a line" in fails(capsys, "gram", "x.csv", *options)
    assert cli.main(["gram", "x.csv", "--skip-rows", "1", *options]) == 0
    np.testing.assert_allclose(np.load("k.npy"), nk.Network(4).ntk(X), rtol=1e-14)


def test_gram_of_one_column_and_of_one_row(X: Any) -> None:
    Path("column.csv").write_text("1\n2\n3\n")
    Path("row.csv").write_text("1,2,3\n")
    for name, shape in (("column", (3, 3)), ("row", (1, 1))):
        assert cli.main(["gram", f"{name}.csv", "-o", f"{name}.npy"]) == 0
        assert np.load(f"{name}.npy").shape == shape


def test_gram_of_no_samples(X: Any) -> None:
    np.save("empty.npy", X[:0])
    assert cli.main(["gram", "empty.npy", "-o", "k.npy"]) == 0
    assert np.load("k.npy").shape == (0, 0)
    assert cli.main(["gram", "empty.npy", "--other", "x.npy", "-o", "k.npy", "--force"]) == 0
    assert np.load("k.npy").shape == (0, 40)


def test_every_field_of_the_network(X: Any) -> None:
    arguments = [
        "--depth",
        "3",
        "--activation",
        "relu,leaky_relu:0.2",
        "--weight-std",
        "1.4,1,0.5",
        "--bias-std",
        "0,0.1,1",
    ]
    assert cli.main(["gram", "x.npy", "-o", "k.npy", *arguments, "--threads", "1"]) == 0
    net = nk.Network(3, ["relu", nk.activations.leaky_relu(0.2)], weight_std=[1.4, 1, 0.5], bias_std=[0, 0.1, 1])
    np.testing.assert_array_equal(np.load("k.npy"), net.ntk(X))
    repeated = ["--activation", "relu", "--activation", "abs", "--depth", "3", "--weight-std", "1.4", "--bias-std", "0"]
    assert cli.main(["gram", "x.npy", "-o", "k.npy", "--force", *repeated]) == 0
    np.testing.assert_array_equal(np.load("k.npy"), nk.Network(3, ["relu", "abs"], 1.4, 0.0).ntk(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", ["ntk", "nngp", "sigma-dot"])
@pytest.mark.parametrize("other", [False, True])
def test_kernels_and_dtypes(X: Any, dtype: str, kernel: str, other: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cli_gram, "_BLOCK", 1)
    big = np.random.default_rng(1).standard_normal((600, 6))  # more than one block of rows
    np.save("big.npy", big)
    options = ["--kernel", kernel, "--dtype", dtype, *(["--other", "x.npy"] if other else [])]
    assert cli.main(["gram", "big.npy", "-o", "k.npy", *options]) == 0
    kernels = nk.Network(4).kernels(big.astype(dtype), X.astype(dtype) if other else None)
    expected = {"ntk": kernels.theta, "nngp": kernels.sigma, "sigma-dot": kernels.sigma_dot}[kernel]
    K = np.load("k.npy")
    assert K.dtype == dtype
    np.testing.assert_allclose(K, expected, rtol=1e-12 if dtype == "float64" else 1e-5)
    if not other:
        np.testing.assert_array_equal(K, K.T)


def test_float32_file_stays_float32(X: Any) -> None:
    np.save("x32.npy", X.astype(np.float32))
    assert cli.main(["gram", "x32.npy", "-o", "k.npy"]) == 0
    assert np.load("k.npy").dtype == np.float32
    assert cli.main(["gram", "x32.npy", "--other", "x.npy", "-o", "k.npy", "--force"]) == 0
    assert np.load("k.npy").dtype == np.float64


def test_existing_files_are_safe(X: Any, capsys: Capture) -> None:
    Path("k.npy").write_text("precious")
    assert "k.npy exists (--force replaces it)" in fails(capsys, "gram", "x.npy", "-o", "k.npy")
    assert Path("k.npy").read_text() == "precious"
    assert "x.npy is an input file" in fails(capsys, "gram", "x.npy", "-o", "x.npy", "--force")
    np.testing.assert_array_equal(np.load("x.npy"), X)
    assert cli.main(["gram", "x.npy", "-o", "k.npy", "--force"]) == 0
    assert np.load("k.npy").shape == (40, 40)


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (MemoryError(), 2), (nk.NumericalError("no\nluck"), 2)]
)
def test_failure_leaves_nothing(
    X: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def ntk(self: object, X: object, Z: object, *, out: Any, **options: object) -> None:
        out[:3] = 1
        assert len(os.listdir()) == 3  # x.npy, k.npy and the temporary
        raise error

    Path("k.npy").write_text("before")
    monkeypatch.setattr(nk.Network, "ntk", ntk)
    assert cli.main(["gram", "x.npy", "-o", "k.npy", "--force"]) == code
    assert sorted(os.listdir()) == ["k.npy", "x.npy"]
    assert Path("k.npy").read_text() == "before"
    assert "Traceback" not in capsys.readouterr().err


def test_a_defect_of_ours_leaves_nothing_either(X: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nk.Network, "ntk", lambda *a, **k: a[99])
    with pytest.raises(IndexError):
        cli.main(["gram", "x.npy", "-o", "k.npy"])
    assert os.listdir() == ["x.npy"]


def test_full_disk(X: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    message = fails(capsys, "gram", "x.npy", "-o", "k.npy")
    assert "k.npy needs 16.9 kB, and there are only 1 kB free" in message


def test_disk_that_fills_up_meanwhile(X: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    assert "No space left on device" in fails(capsys, "gram", "x.npy", "-o", "k.npy")


def test_bad_input_files(X: Any, capsys: Capture) -> None:
    np.save("vector.npy", X[0])
    np.save("scalar.npy", np.array(3.0))
    np.save("nan.npy", np.full((2, 2), np.nan))
    np.save("objects.npy", np.array([{}]))
    np.save("complex.npy", X * 1j)
    np.save("narrow.npy", X[:, :3])
    for name in ("text.npy", "text.npz"):
        Path(name).write_text("hello")
    Path("empty.csv").touch()
    Path("x.json").touch()
    Path("folder.npy").mkdir()
    for name, message in {
        "missing.npy": "missing.npy: No such file",
        "missing.csv": "missing.csv: No such file",
        "vector.npy": "vector.npy must be two-dimensional (N, n0), rows are samples, got shape (6,)",
        "scalar.npy": "scalar.npy must be two-dimensional",
        "nan.npy": "nan.npy must be finite",
        "objects.npy": "cannot read objects.npy",
        "complex.npy": "complex.npy must hold real numbers",
        "text.npy": "cannot read text.npy: it is no NumPy file",
        "text.npz": "cannot read text.npz: it is no NumPy file",
        "empty.csv": "empty.csv is empty",
        "x.json": "not from .json",
        "folder.npy": "folder.npy: Is a directory",
    }.items():
        assert message in fails(capsys, "gram", name, "-o", "k.npy")
    message = fails(capsys, "gram", "x.npy", "--other", "narrow.npy", "-o", "k.npy")
    assert "Z must have as many features as X (6), got shape (40, 3)" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "k.txt"], "OUT must end in it"),
        (["-o", "no/k.npy"], "no is not a folder"),
        (["-o", "k.npy", "--depth", "0"], "depth must be"),
        (["-o", "k.npy", "--activation", "reul"], "did you mean 'relu'"),
        (["-o", "k.npy", "--activation", "relu,relu"], "activation must be"),
        (["-o", "k.npy", "--activation", "leaky_relu:a"], "leaky_relu:a: could not convert"),
        (["-o", "k.npy", "--activation", "relu:1"], "relu does not take 1 parameter"),
        (["-o", "k.npy", "--weight-std", "-1"], "weight_std must be"),
        (["-o", "k.npy", "--bias-std", "1,2"], "bias_std must be"),
        (["-o", "k.npy", "--threads", "0"], "threads must be"),
    ],
)
def test_bad_options(X: Any, capsys: Capture, options: list[str], message: str) -> None:
    assert message in fails(capsys, "gram", "x.npy", *options)


def test_bad_output_folder(X: Any, capsys: Capture) -> None:
    Path("k.npy").mkdir()
    assert "k.npy is a folder" in fails(capsys, "gram", "x.npy", "-o", "k.npy")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["gram"], ["gram", "x.npy"], ["reproduce", "figure9"]])
def test_usage_errors(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == 2
    assert "usage: ntkcore" in capsys.readouterr().err


def test_bad_numbers_are_usage_errors(X: Any, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["gram", "x.npy", "-o", "k.npy", "--weight-std", "1,b"])
    assert "expected a number, or numbers separated by commas, got '1,b'" in capsys.readouterr().err


def test_info(capsys: Capture) -> None:
    assert cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(nk.build_info())
    assert lines[0].split() == ["version", nk.__version__] or any(nk.__version__ in line for line in lines)


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"ntkcore {nk.__version__}\n"


def test_as_a_process(X: Any) -> None:
    command = [sys.executable, "-m", "ntkcore"]
    done = subprocess.run([*command, "gram", "x.npy", "-o", "k.npy"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refused = subprocess.run([*command, "gram", "x.npy", "-o", "k.npy"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr == "ntkcore gram: k.npy exists (--force replaces it)\n"
    # A terminal without Greek letters gets question marks, not a traceback.
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    helped = subprocess.run([*command, "gram", "--help"], capture_output=True, text=True, env=ascii_only, check=False)
    assert (helped.returncode, helped.stderr) == (0, "")


def test_help_is_quick_to_load() -> None:
    code = (
        "import sys; from ntkcore import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'matplotlib', 'tqdm', 'scipy.sparse', 'ntkcore.paper'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_matrix_imports_no_special_functions() -> None:
    code = (
        "import sys; import ntkcore as nk\n"
        "nk.Network(4, ['relu', 'erf', 'gelu']).ntk([[0.0, 1.0], [2.0, 1.0]])\n"
        "sys.exit('loaded' if 'scipy.special' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_signals_stop_it_and_leave_nothing(X: Any, number: signal.Signals, code: int) -> None:
    np.save("big.npy", np.random.default_rng(0).standard_normal((4000, 5)))
    # What a shell starts in the background ignores SIGINT, and so would its children.
    start = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{start}; from ntkcore.cli import main; sys.exit(main())"
    arguments = ["gram", "big.npy", "-o", "k.npy", "--depth", "3000", "--threads", "1"]
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        limit = time.monotonic() + 60
        while len(os.listdir()) == 2 and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)  # until the temporary is there
        time.sleep(1.0)  # and the work begun: SIGINT in a late import has another exit code
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert sorted(os.listdir()) == ["big.npy", "x.npy"]
