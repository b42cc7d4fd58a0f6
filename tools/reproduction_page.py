"""Write docs/reproduction.md and its figures from folders that ``ntkcore reproduce`` has filled.

    ntkcore reproduce --out quick
    for figure in figure1 figure2 figure3; do ntkcore reproduce $figure --scale paper --out paper; done
    ntkcore reproduce finished --scale paper --out paper    # at any time: what there is so far, nothing is trained
    python tools/reproduction_page.py quick paper

Without the second folder only the part of the first is written anew; the rest of the page stays.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# The paper, reproduced

Written by `tools/reproduction_page.py` from what `ntkcore reproduce` has found. `report.html`, which the same command
writes, also says what the paper leaves open and what was chosen.
"""
SLIPS = """
## Known slips of the paper

- Δ_f in §5 decomposes f₀ − f*, not f* − f₀.
- The axis of Figure 2 says f(sin γ, cos γ), its text (cos γ, sin γ), as here.
- Appendix A.4 drops squares on Hermite coefficients.
"""


def accepted(claim: dict[str, Any]) -> str:
    """Return the interval of a claim."""
    low, high = claim["interval"]
    if low is None:
        return f"at most {high:.3g}"
    return f"at least {low:.3g}" if high is None else f"{low:.3g} … {high:.3g}"


def row(claim: dict[str, Any]) -> str:
    """Return a line of the table of claims."""
    value, error = claim["measured"], claim["error"]
    measured = ("nan" if value is None else f"{value:.4g}") + ("" if error is None else f" ± {error:.2g}")
    cells = [claim["figure"], claim["name"], measured, claim["expected"], accepted(claim)]
    return (
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + f" | {'pass' if claim['passed'] else 'FAIL'} |"
    )


def part(folder: Path, prefix: str) -> list[str]:
    """Return the sections and claims of one run; copy its figures."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    scale = f"ntkcore reproduce --scale {report['scale']} --seed {report['seed']}"
    lines = [
        f"\n## Scale {report['scale']}\n",
        f"`{scale}`, ntkcore {report['ntkcore']}; {report['machine']}.\n",
    ]
    for section in report["sections"]:
        lines += [f"\n### {section['title']}\n", section["text"]]
        for name, caption in zip(section["figures"], section["captions"], strict=True):
            shutil.copyfile(folder / name, DOCS / "figures" / (prefix + name))
            lines += [f"\n![{section['title']}](figures/{prefix}{name})\n", caption]
        if section["numbers"]:
            head, *rows = section["numbers"]
            lines += ["\n| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
            lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    lines += [
        "\n### Claims\n",
        report["levels"] + "\n",
        "| | claim | measured | expected | accepted | |\n|---|---|---:|---|---|---|",
    ]
    return [*lines, *map(row, report["claims"])]


def kept(page: Path) -> list[str]:
    """Return the lines of the page from its second part on, up to the slips."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line == "## Scale paper"), None)
    return [] if start is None else ["", *lines[start : lines.index("## Known slips of the paper") - 1]]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("quick", type=Path)
    parser.add_argument("paper", type=Path, nargs="?")
    options = parser.parse_args()
    page = DOCS / "reproduction.md"
    (DOCS / "figures").mkdir(parents=True, exist_ok=True)
    further = kept(page) if options.paper is None else part(options.paper, "paper_")
    page.write_text("\n".join([HEAD, *part(options.quick, ""), *further, SLIPS]), encoding="utf-8")


if __name__ == "__main__":
    main()
