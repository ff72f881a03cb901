"""The pictures of docs: every character at its cell, whatever stands there; and the script that makes them."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style

from docs import pictures
from promptlab.render.wrap import width

DOCS = Path(__file__).parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
CELL, LINE, EDGE = pictures.CELL, pictures.LINE, pictures.EDGE


def letters(svg: str) -> dict[int, list[tuple[float, str]]]:
    """The characters of each row with the middle of each, from left to right."""
    found: dict[int, list[tuple[float, str]]] = {}
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        places, said = [float(x) for x in text.attrib["x"].split()], text.text or ""
        row = found.setdefault((int(text.attrib["y"]) - EDGE) // LINE, [])
        row += zip(places, said if len(places) > 1 else [said], strict=True)
    return {row: sorted(several) for row, several in found.items()}


def drawn(*rows: str | list[Segment], cells: int = 40) -> str:
    return pictures.drawn([[Segment(row)] if isinstance(row, str) else row for row in rows], cells)


def column(middle: float, char: str) -> float:
    """The cell at which a character begins."""
    return round((middle - EDGE) / CELL - max(1, width(char)) / 2, 1)


@pytest.mark.parametrize("text", ["独钓寒江雪", "a雪b，c", "“雪” x", "가나다 ｱｲｳ", "完成 · ≈13 tok/s", "🌨雪🐻a", "é雪"])
def test_each_character_stands_at_its_cell(text: str) -> None:
    expected, at = [], 0
    for char in text:
        if not char.isspace():
            expected.append((float(at), char))
        at += width(char)
    assert [(column(x, char), char) for x, char in letters(drawn(text))[0]] == expected


def test_segments_stand_one_behind_the_other_by_their_cells() -> None:
    row = [Segment("雪雪", Style(color="red")), Segment("|", Style(bold=True)), Segment("冰x")]
    assert [(column(x, char), char) for x, char in letters(drawn(row))[0]] == [
        (0.0, "雪"), (2.0, "雪"), (4.0, "|"), (5.0, "冰"), (7.0, "x")]  # fmt: skip


def test_what_is_set_upon_a_character_stays_with_it() -> None:
    (first, second) = letters(drawn("e\u0301雪"))[0]
    assert (first[1], column(*second)) == ("e\u0301", 1.0)


HOSTILE = ["</text><script>alert(1)</script>", "&lt; & \"quoted\" 'so'", "]]>", "a\x1b[31m\x00\x07b",
           "\ud800x\ufffe\uffff", "\x9b1m\x7f", "<!-- -->", '" onload="x']  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_said_is_text(text: str) -> None:
    root = ElementTree.fromstring(drawn(text))
    assert {element.tag for element in root.iter()} <= {f"{SVG}svg", f"{SVG}rect", f"{SVG}text", f"{SVG}path"}
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
    written = "".join(element.text or "" for element in root.iter(f"{SVG}text"))
    assert len(written) == len("".join(text.split()))
    assert [char for char in text if " " < char < "\x7f"] == [char for char in written if char < "\x7f"]


def test_braille_is_a_dot_for_each_bit() -> None:
    svg = drawn("⣿⠁⢀")
    assert svg.count("h0") == 8 + 1 + 1 and "⣿" not in svg
    (x, y), (a, b) = re.findall(r"M([\d.]+) ([\d.]+)h0", svg)[-2:]
    assert float(a) > float(x) and float(b) > float(y)  # the first dot of one cell, the last one of the next


def test_lines_meet_and_blocks_fill_their_cells() -> None:
    svg = drawn("─╮", " │", "█▌▁")
    path = "".join(re.findall(r'd="([^"]+)"', svg))
    ends = {(float(x), float(y)) for x, y in re.findall(r"(?:[ML]|Q[\d.]+ [\d.]+ )([\d.]+) ([\d.]+)", path)}
    middle = EDGE + 1.5 * CELL
    assert (EDGE + CELL, EDGE + LINE / 2) in ends  # ─ reaches the edge at which ╮ begins
    assert any(abs(x - middle) < 0.1 and y == EDGE + LINE for x, y in ends)  # and ╮ the one at which │ does
    high = EDGE + 2 * LINE
    assert f"M{EDGE:.2f} {high:.2f}h8.40v17.00h-8.40z" in path  # whole, half, an eighth
    assert "h4.20v17.00" in path and "h8.40v2.12" in path
    assert not letters(svg)


def test_styles_are_drawn() -> None:
    row = [Segment("a", Style(color="#112233", bgcolor="#445566", bold=True)),
           Segment("b", Style(dim=True, italic=True)),
           Segment("c", Style(color="#112233", bgcolor="#445566", reverse=True)), Segment("d ", Style(underline=True)),
           Segment("░", Style(color="#112233"))]  # fmt: skip
    root = ElementTree.fromstring(drawn(row))
    of = {text.text: text.attrib for text in root.iter(f"{SVG}text")}
    assert (of["a"]["fill"], of["a"]["font-weight"]) == ("#112233", "bold")
    assert of["b"]["font-style"] == "italic" and of["b"]["fill"] not in (pictures.INK, pictures.PAPER)
    assert of["c"]["fill"] == "#445566"
    backs = [(rect.attrib["fill"], rect.attrib.get("opacity")) for rect in root.iter(f"{SVG}rect")][1:]
    assert backs == [("#445566", None), ("#112233", None), ("#112233", "0.25")]
    assert [path.attrib["d"] for path in root.iter(f"{SVG}path")] == [f"M{EDGE + 3 * CELL:.1f} {EDGE + LINE - 2}h16.8"]


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_shipped_picture_is_whole(name: str) -> None:
    svg = (DOCS / f"{name}.svg").read_text("utf-8")
    right = float(ElementTree.fromstring(svg).attrib["viewBox"].split()[2]) - EDGE
    rows = letters(svg)
    assert rows
    for row in rows.values():
        ends = [(column(x, char), column(x, char) + max(1, width(char))) for x, char in row]
        assert all(end <= start + 0.1 for (_, end), (start, _) in itertools.pairwise(ends)), "one over another"
        assert ends[-1][1] * CELL <= right
    said = "\n".join("".join(char for _, char in row) for row in rows.values())
    assert not re.search(r"/(home|tmp|root|Users)/", said) and str(DOCS.parent) not in said


def test_the_chinese_picture_is_chinese() -> None:
    said = "".join(char for row in letters((DOCS / "tui-zh.svg").read_text("utf-8")).values() for _, char in row)
    for words in ("2/2完成", "思考", "千山鸟飞绝", "发送", "独钓寒江雪"):
        assert words in said


def test_every_picture_is_shown_somewhere() -> None:
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
    shown = Counter(Path(found).stem for page in pages
                    for found in re.findall(r"!\[[^\]]+\]\(([^)]+\.svg)\)", page.read_text("utf-8")))  # fmt: skip
    assert set(shown) == set(pictures.PICTURES) == {path.stem for path in DOCS.glob("*.svg")}


def test_the_script_drives_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    rows = letters(pictures.form())
    said = ["".join(char for _, char in row) for row in rows.values()]
    assert any(line.startswith("temperature0.2,1.3") for line in said), said
    assert not (tmp_path / "promptlab.db").exists()


def test_a_picture_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert pictures.main(["no-such"]) == 2
    assert "tui-grid" in capsys.readouterr().err
