"""``ntkcore reproduce``: every experiment at a tiny scale, its report, and what survives an interruption."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ntkcore import cli, plotting
from ntkcore.paper import Claim, Descent, figure1, figure3, reproduce
from ntkcore.paper.reproduce import EXPERIMENTS, disk_needed
from ntkcore.paper.statistics import jackknife, standard_error
from ntkcore.paper.workshop import Pieces, Step, Unfinished, Workshop, seed_sequence

Capture = pytest.CaptureFixture[str]

FIGURES = ["figure1", "figure2", "figure3a", "figure3b", "figure3c", "theorem1", "theorem2"]
FIGURES += ["frequencies", "early_stopping"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Claim, ...]]:
    """Everything, once."""
    out = tmp_path_factory.mktemp("reproduction")
    return out, reproduce(scale="tiny", out=out, threads=1, command="the command <of> the test")


class Page(HTMLParser):
    """What a report holds: images, links, cells of tables; every tag closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attributes}
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)
        self.sources += [values[key] for key in ("src", "srcset") if key in values]
        self.links += [values[key] for key in ("href",) if key in values]
        if "id" in values:
            assert values["id"] not in self.ids
            self.ids.add(values["id"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_complete(tiny: tuple[Path, tuple[Claim, ...]]) -> None:
    from PIL import Image

    out, claims = tiny
    text = (out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "{{" not in text
    assert {f"picture-{name}" for name in FIGURES} <= page.ids
    assert len(page.links) == len(EXPERIMENTS)
    assert set(EXPERIMENTS) <= page.ids
    assert len(page.sources) == 2 * len(FIGURES)  # light and dark
    for source in page.sources:  # all inside the file
        assert source.startswith("data:image/png;base64,")
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
            assert image.width > 600
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50  # not blank
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    for claim in claims:
        assert claim.name in page.text
        assert claim.number in page.text
    assert "prefers-color-scheme: dark" in text
    assert "the command <of> the test" in page.text
    assert "not stated" in page.text
    for name in FIGURES:
        assert (out / f"{name}.png").stat().st_size > 5000
        assert (out / f"{name}.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")


def test_the_dark_pictures_are_dark(tiny: tuple[Path, tuple[Claim, ...]]) -> None:
    from PIL import Image

    page = Page((tiny[0] / "report.html").read_text(encoding="utf-8"))
    means = []
    for source in page.sources:
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
            means.append(np.asarray(image.convert("L")).mean())
    dark, light = means[::2], means[1::2]
    assert max(dark) < 90
    assert min(light) > 180


def test_the_numbers_are_there_for_machines(tiny: tuple[Path, tuple[Claim, ...]]) -> None:
    out, claims = tiny
    data = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [claim["name"] for claim in data["claims"]] == [claim.name for claim in claims]
    for claim in data["claims"]:
        assert {"name", "figure", "measured", "expected", "interval", "passed"} <= set(claim)
        low, high = claim["interval"]
        inside = (low is None or low <= claim["measured"]) and (high is None or claim["measured"] <= high)
        assert claim["passed"] is inside
    assert [section["name"] for section in data["sections"]] == list(EXPERIMENTS)
    assert data["passed"] is all(claim.passed for claim in claims)
    assert data["scale"] == "tiny"


def test_claims_that_hold_at_any_scale(tiny: tuple[Path, tuple[Claim, ...]]) -> None:
    claims = tiny[1]
    assert len(claims) > 25
    assert [f"{claim.figure}: {claim.name} {claim.number}" for claim in claims if not claim.passed] == []


def test_the_page_of_the_documentation(
    tiny: tuple[Path, tuple[Claim, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, claims = tiny
    path = Path(__file__).parents[1] / "tools" / "reproduction_page.py"
    spec = importlib.util.spec_from_file_location("reproduction_page", path)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "DOCS", tmp_path)
    pages = []
    for folders in ([out, out], [out]):
        monkeypatch.setattr(sys, "argv", ["reproduction_page.py", *map(str, folders)])
        tool.main()
        pages.append((tmp_path / "reproduction.md").read_text(encoding="utf-8"))
    for page, count in zip(pages, (2, 1), strict=True):
        pictures = re.findall(r"\]\((figures/[a-z0-9_]+\.png)\)", page)
        assert len(pictures) == count * len(FIGURES) == len(set(pictures))
        assert all((tmp_path / picture).stat().st_size > 5000 for picture in pictures)
        for claim in claims:
            name = claim.name.replace("|", "\\|")
            assert page.count(f"| {name} | {claim.number} | {claim.expected} | {claim.accepted} | pass |") == count
        assert "## Known slips of the paper" in page
    first, _, second = pages[0].rpartition("## Scale tiny")
    (tmp_path / "reproduction.md").write_text(f"{first}## Scale paper{second}", encoding="utf-8")
    tool.main()
    assert (tmp_path / "reproduction.md").read_text(encoding="utf-8") == f"{first}## Scale paper{second}"


def test_finished_pieces_are_used_again(tiny: tuple[Path, tuple[Claim, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    out, claims = tiny
    before = {path.name: path.stat().st_mtime_ns for path in (out / "pieces").iterdir()}
    assert not [name for name in before if not name.endswith(".npz")]  # no checkpoint is left
    monkeypatch.setattr("ntkcore.network.Network.init", None)  # nothing is trained
    monkeypatch.setattr("ntkcore.paper.report.write", lambda *_, **__: None)
    assert reproduce(scale="tiny", out=out, threads=2) == claims
    assert {path.name: path.stat().st_mtime_ns for path in (out / "pieces").iterdir()} == before


def small(folder: Path, **changes: Any) -> Any:
    settings: dict[str, Any] = {"widths": (8, 16), "initializations": 2, "kernels": 2, "steps": 3, "n_samples": 5}
    settings["n_angles"] = 5
    return figure1(**{**settings, **changes}, folder=folder, threads=1)


def test_a_changed_setting_is_another_piece(tmp_path: Path) -> None:
    first = small(tmp_path)
    count = len(list(tmp_path.iterdir()))
    assert count == 4
    for change in ({"steps": 4}, {"n_samples": 6}, {"rng": 1}, {"n_angles": 7}):
        small(tmp_path, **change)
        assert len(list(tmp_path.iterdir())) == (count := count + 4)
    small(tmp_path, widths=(8, 32))  # two old ones, two new ones
    assert len(list(tmp_path.iterdir())) == count + 2
    more = small(tmp_path, kernels=13)  # the old ones, and blocks of further kernels
    assert len(list(tmp_path.iterdir())) == count + 2 + 4
    np.testing.assert_array_equal(more.initial[:, :2], first.initial)
    assert more.initial.shape == (2, 13, 5)
    again = small(tmp_path)
    np.testing.assert_array_equal(again.trained, first.trained)
    np.testing.assert_array_equal(small(tmp_path / "elsewhere").trained, first.trained)


def test_a_damaged_piece_is_made_anew(tmp_path: Path) -> None:
    first = small(tmp_path)
    for damage in (b"", b"nonsense"):
        victim = sorted(tmp_path.iterdir())[0]
        victim.write_bytes(damage + victim.read_bytes()[len(damage) : 40])
        np.testing.assert_array_equal(small(tmp_path).trained, first.trained)


def interrupted(after: int) -> Callable[..., Any]:
    from ntkcore.paper import training

    whole, calls = training.train, []

    def train(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    return train


def test_an_interrupted_run_goes_on_and_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["ntkcore.paper.figure1"], "train", interrupted(3))
        with pytest.raises(KeyboardInterrupt):
            small(tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".npz"]) == 3
    np.testing.assert_array_equal(small(tmp_path).trained, small(tmp_path / "whole").trained)


def test_a_time_limit_reports_what_was_reached_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntkcore.paper.training._SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def run(folder: Path | Pieces, limit: float | None) -> Descent:
        settings: dict[str, Any] = {"n_samples": 12, "widths": (6, 12), "trials": 1, "steps": 40}
        settings |= {"learning_rate": 5.0, "batches": 2}
        result = figure3(**settings, folder=folder, threads=1, time_limit=limit).descent
        assert result is not None
        return result

    part = run(tmp_path, 0.0)
    assert part.steps.tolist() == [[1], [1]]
    assert part.claims() == ()
    assert "Trained in part: n = 6: 1 of 40 steps; n = 12: 1 of 40 steps." in part.captions()[0]
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".checkpoint"]) == 2
    further = run(tmp_path, 0.0)
    assert further.steps.tolist() == [[2], [2]]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    gathered = run(Pieces(tmp_path, closed=True), None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    np.testing.assert_array_equal(gathered.g, further.g)
    np.testing.assert_array_equal(gathered.h, further.h)
    assert gathered.captions() == further.captions()
    with pytest.raises(Unfinished):
        run(Pieces(tmp_path / "nothing", closed=True), None)
    assert not (tmp_path / "nothing").exists()
    end, whole = run(tmp_path, None), run(tmp_path / "whole", None)
    assert np.all(end.steps == 40)
    np.testing.assert_array_equal(end.h, whole.h)
    np.testing.assert_array_equal(end.g, whole.g)
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".checkpoint"]) == 0


def test_progress_covers_all_pieces() -> None:
    seen: list[tuple[int, int]] = []
    with Workshop(progress=lambda done, total: seen.append((done, total)), total=4.0) as workshop:
        for i in range(4):

            def compute(step: Step, i: int = i) -> dict[str, Any]:
                step.report(1, 2)
                return {"value": np.array(float(i))}

            assert workshop.piece("piece", {"i": i}, compute)["value"] == i
    shares = [done / total for done, total in seen]
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]


def test_seeds() -> None:
    assert seed_sequence(3).entropy == 3
    root = np.random.SeedSequence(5)
    assert seed_sequence(root) is root
    one, two = (seed_sequence(np.random.default_rng(1)) for _ in range(2))
    assert one.entropy == two.entropy
    assert seed_sequence(None).entropy != seed_sequence(None).entropy


def test_standard_errors() -> None:
    x = np.random.default_rng(0).standard_normal((500, 40))
    mean, error = jackknife(lambda a: float(a.mean()), x[0])
    assert mean == pytest.approx(x[0].mean())
    assert error == pytest.approx(float(standard_error(x[:1])[0]))
    # of a ratio of means, against its spread over 500 repetitions
    y = 5 + x
    ratios = y[:, :20].mean(axis=1) / y[:, 20:].mean(axis=1)
    errors = [jackknife(lambda a, b: float(a.mean() / b.mean()), row[:20], row[20:])[1] for row in y]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(ratios.std(), rel=0.12)


def test_the_disk_is_asked_first(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk_needed(("figure1",), "paper") == pytest.approx(2 * 8e8, rel=0.05)
    assert disk_needed(("figure3",), "paper") == pytest.approx(2 * 1.23e9, rel=0.05)
    monkeypatch.setattr(sys.modules["ntkcore.paper.reproduce"], "disk_needed", lambda *_: 10**18)
    assert cli.main(["reproduce", "figure2", "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(f"figure2 at scale quick in {tmp_path / 'out'}/: up to 1000000.0 TB of disk, ")
    assert "--out must be on a disk with 1000000.0 TB free" in captured.err


def run_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["ntkcore.paper.reproduce"]
    monkeypatch.setitem(module.SCALES, "quick", module.SCALES["tiny"])


def test_the_command_and_its_exit_code(
    tiny: tuple[Path, tuple[Claim, ...]], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(monkeypatch)
    out = tmp_path / "out"
    (out / "pieces").mkdir(parents=True)
    for piece in (tiny[0] / "pieces").glob("figure3-*.npz"):
        shutil.copy(piece, out / "pieces")
    assert cli.main(["reproduce", "figure3", "--out", str(out), "--threads", "1"]) == 0
    text = capsys.readouterr().out
    for words in ("0.0457", "0.00108", "0.00078", "λ₁/λ₂", "β = 1", "about 10", "pass", "report.html"):
        assert words in text
    assert "FAIL" not in text
    assert re.search(r"all \d+ claims hold; \d+ s; ", text)
    names = sorted(path.name for path in out.iterdir())
    pictures = [f"figure3{letter}.{ending}" for letter in "abc" for ending in ("png", "svg")]
    assert names == sorted(["pieces", "report.html", "report.json", *pictures])

    # the same pieces, held against another paper
    monkeypatch.setattr(sys.modules["ntkcore.paper.figure3"], "PAPER_EIGENVALUES", (0.05, 0.00108, 0.00078))
    assert cli.main(["reproduce", "figure3", "--out", str(out), "--threads", "1"]) == 1
    assert "FAIL" in (text := capsys.readouterr().out)
    assert re.search(r"\n1 of \d+ claims not met; ", text)
    data = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert data["passed"] is False
    assert "1 of" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "--seed must be an integer at least 0, got -1"),
        (["--threads", "0"], "--threads must be an integer between 1 and 4096, got 0"),
        (["--hours", "-2"], "--hours must be a finite number of at least 0, got -2.0"),
    ],
)
def test_the_command_refuses(options: list[str], message: str, tmp_path: Path, capsys: Capture) -> None:
    assert cli.main(["reproduce", *options, "--out", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == f"ntkcore reproduce: {message}\n"
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'ntkcore\[plot\]'"):
        plotting.require_matplotlib()
    assert cli.main(["reproduce", "--out", str(tmp_path / "new")]) == 2  # before anything is computed
    need = "figures need matplotlib, which is not installed: pip install 'ntkcore[plot]'"
    assert capsys.readouterr().err == f"ntkcore reproduce: {need}\n"
    assert list(tmp_path.iterdir()) == []
