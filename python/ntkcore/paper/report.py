"""The report of a reproduction: one HTML file that needs nothing else, and the same numbers as JSON."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import platform
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, plotting
from .._info import build_info
from .claims import Claim

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LEVELS", "Picture", "Section", "write"]

LEVELS = (
    "Numbers with ± are of random networks, with their standard error. A number that should be some value, or at most "
    "that, is accepted within 99.99 %: a true claim fails in one run of 10,000. An effect that should have a sign is "
    "accepted beyond 99 %: chance alone passes in one run of 100. Other limits are tolerances, and said to be."
)


@dataclass(frozen=True)
class Picture:
    """One figure of the report."""

    stem: str
    """File name without its ending, for example "figure3b"."""

    caption: str
    """What it shows, in a sentence or two."""

    draw: Callable[[], Figure]
    """Makes it; called once for light pages and once for dark ones."""


@dataclass(frozen=True)
class Section:
    """One experiment of the report."""

    name: str
    """For example "figure1"."""

    title: str
    text: str
    """What the experiment shows, in a paragraph."""

    pictures: tuple[Picture, ...]
    conditions: tuple[tuple[str, str, str], ...]
    """Rows (quantity, value, whether the paper states it)."""

    claims: tuple[Claim, ...]
    seconds: float | None
    """How long it took, with the earlier runs that left finished pieces; None if some of these do not say."""

    numbers: tuple[tuple[str, ...], ...] = ()
    """A further table; its first row is the head."""


def write(
    sections: Sequence[Section], folder: Path, *, command: str, scale: str, seed: int, threads: int | None = None
) -> list[Path]:
    """Write figures (PNG and SVG), report.html and report.json; return their paths.

    Every file is written under a temporary name and renamed.
    """
    written = []
    blocks = []
    for section in sections:
        images = []
        for picture in section.pictures:
            figure = picture.draw()
            written += [plotting.save(figure, folder / f"{picture.stem}.{ending}") for ending in ("png", "svg")]
            dark = picture.draw()
            plotting.darken(dark)
            images.append(_image(picture, _png(figure), _png(dark)))
        blocks.append(_section(section, images))
    claims = [claim for section in sections for claim in section.claims]
    facts = _facts(sections, command=command, scale=scale, seed=seed, threads=threads)
    template = resources.files(__package__).joinpath("report.template.html").read_text(encoding="utf-8")
    page = (
        template.replace("{{verdict}}", _verdict(claims))
        .replace("{{levels}}", html.escape(LEVELS))
        .replace("{{claims}}", _claims_table(claims, figures=True))
        .replace("{{contents}}", " · ".join(f'<a href="#{s.name}">{html.escape(s.title)}</a>' for s in sections))
        .replace("{{sections}}", "\n".join(blocks))
        .replace("{{times}}", _rows(_times(sections), head=True))
        .replace("{{facts}}", _rows(tuple((name, str(value)) for name, value in facts.items())))
    )
    data = {
        **facts,
        "passed": all(claim.passed for claim in claims),
        "levels": LEVELS,
        "claims": [claim.as_dict() for claim in claims],
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "text": section.text,
                "seconds": None if section.seconds is None else round(section.seconds, 2),
                "figures": [f"{picture.stem}.png" for picture in section.pictures],
                "captions": [picture.caption for picture in section.pictures],
                "conditions": [
                    dict(zip(("quantity", "value", "source"), row, strict=True)) for row in section.conditions
                ],
                "numbers": [list(row) for row in section.numbers],
            }
            for section in sections
        ],
    }
    for name, text in (("report.html", page), ("report.json", json.dumps(data, indent=2, ensure_ascii=False) + "\n")):
        written.append(_write_text(folder / name, text))
    return written


def _facts(sections: Sequence[Section], *, command: str, scale: str, seed: int, threads: int | None) -> dict[str, Any]:
    build = build_info()
    return {
        "command": command,
        "scale": scale,
        "seed": seed,
        "ntkcore": __version__,
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
        "matplotlib": metadata.version("matplotlib"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {build['simd']}, {threads or build['threads']} threads",
        "seconds": round(sum(section.seconds or 0.0 for section in sections), 1),
    }


def _times(sections: Sequence[Section]) -> list[tuple[str, str]]:
    rows = [
        (s.title, "not recorded" if s.seconds is None else f"{s.seconds:.1f} s, earlier runs included")
        for s in sections
    ]
    return [("experiment", "took"), *rows]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _image(picture: Picture, light: bytes, dark: bytes) -> str:
    alt = html.escape(picture.caption, quote=True)
    return (
        f'<figure id="picture-{picture.stem}"><picture>'
        f'<source media="(prefers-color-scheme: dark)" srcset="{_data(dark)}">'
        f'<img src="{_data(light)}" alt="{alt}"></picture>'
        f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    )


def _section(section: Section, images: Sequence[str]) -> str:
    parts = [
        f'<section id="{section.name}"><h2>{html.escape(section.title)}</h2>',
        f"<p>{html.escape(section.text)}</p>",
        *images,
    ]
    if section.numbers:
        parts.append(_rows(section.numbers, head=True))
    if section.claims:
        parts.append(_claims_table(section.claims))
    if section.conditions:
        parts.append("<details open><summary>Conditions, and what the paper leaves open</summary>")
        parts.append(_rows((("", "here", "in the paper"), *section.conditions), head=True) + "</details>")
    parts.append("</section>")
    return "\n".join(parts)


def _rows(rows: Sequence[Sequence[str]], *, head: bool = False) -> str:
    lines = []
    for i, row in enumerate(rows):
        cell = "th" if head and i == 0 else "td"
        lines.append("<tr>" + "".join(f"<{cell}>{html.escape(value)}</{cell}>" for value in row) + "</tr>")
    return '<div class="table"><table>' + "\n".join(lines) + "</table></div>"


def _claims_table(claims: Sequence[Claim], *, figures: bool = False) -> str:
    lines = [
        "<tr>"
        + ("<th></th>" if figures else "")
        + "<th>claim</th><th>measured</th><th>expected</th><th>accepted</th><th></th></tr>"
    ]
    for claim in claims:
        verdict = "pass" if claim.passed else "fail"
        cells = [claim.name, claim.number, claim.expected, claim.accepted]
        if figures:
            cells.insert(0, claim.figure)
        opening = ['<td class="name">' if cell is claim.name else "<td>" for cell in cells]
        body = "".join(f"{tag}{html.escape(cell)}</td>" for tag, cell in zip(opening, cells, strict=True))
        lines.append(f'<tr class="{verdict}">{body}<td class="verdict">{verdict}</td></tr>')
    return '<div class="table"><table class="claims">' + "\n".join(lines) + "</table></div>"


def _verdict(claims: Sequence[Claim]) -> str:
    failed = sum(not claim.passed for claim in claims)
    if failed:
        return f"{failed} of {len(claims)} claims not met."
    return f"All {len(claims)} claims hold."


def _write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
