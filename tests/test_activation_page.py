"""docs/activations.md is what the command writes, and what it says of every activation is so."""

from __future__ import annotations

from pathlib import Path

import ntkcore as nk
import pytest
from ntkcore import _activation_page, cli

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_the_documentation_is_what_the_command_writes() -> None:
    committed = (DOCS / "activations.md").read_text(encoding="utf-8")
    assert committed == _activation_page.page(), "ntkcore activations --out docs"
    assert (DOCS / "figures" / "activations.png").stat().st_size > 50_000


def test_every_activation_has_a_line() -> None:
    lines = [line for line in _activation_page.page().splitlines() if line.startswith("| `")]
    for name, info in nk.activations.available().items():
        line = next(line for line in lines if f"`{name}(" in line or f"`{name}`" in line)
        assert line.count(" | ") == 5
        if info.exact:
            assert line.split(" | ")[2], f"no dual of {name}"
    # relu: E[max(z, 0)²] = ½ and E[max(z, 0)]² = 1/2π; tanh is odd; sign has no derivative
    assert lines[0].endswith("| 0.5 | 0.15915 | 0.5 |")
    assert any(line.startswith("| `sign()`") and line.endswith("| 1 | 0 | – |") for line in lines)
    # P(|z| < 1)
    assert any(line.startswith("| `hard_tanh()`") and line.endswith("| 0 | 0.68269 |") for line in lines)


def test_the_command_writes_the_page_and_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    some = _activation_page._shown()[3:6]  # the layout of all takes seconds
    monkeypatch.setattr(_activation_page, "_shown", lambda: some)
    out = tmp_path / "new" / "folder"
    assert cli.main(["activations", "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(out / "activations.md"), str(out / "figures/activations.png")]
    assert (out / "activations.md").read_bytes() == _activation_page.page().encode()
    assert (out / "figures" / "activations.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in out.rglob("*")) == ["activations.md", "activations.png", "figures"]


@pytest.mark.slow
def test_no_text_overlaps_in_the_picture() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _activation_page.figure()
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call, unused-ignore]
    boxes = [axes.get_tightbbox() for sub in figure.subfigs[1].subfigs for axes in sub.axes]
    titles = [sub.get_tightbbox().frozen() for sub in figure.subfigs[1].subfigs if sub.axes]
    assert len(boxes) == 2 * len(titles) == 2 * len(_activation_page._shown())
    for i, a in enumerate(boxes):
        assert a is not None
        assert not any(b is not None and a.overlaps(b) for b in boxes[i + 1 :])


def test_nothing_is_written_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert cli.main(["activations", "--out", str(tmp_path)]) == 2
    assert "figures need matplotlib" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
