"""A pdf becomes markdown page by page: headings by type size, tables by their lines, page numbers as printed in the file.

    python -m retrieval ingest report.pdf --json

Pages that hold pictures and no text go to `retrieval/ocr.py`. Running heads and feet are left out; a paragraph that a
page break cuts is joined again on the page where it begins.
"""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from core.errors import DocumentError

MAX_PAGES: Final = 2000
MARGIN: Final = 0.085
"""Share of the page's height, above and below, where running heads and feet stand."""
_BULLET = re.compile(r"^(?:[•▪◦‣●○■–]|\uf0b7|\(cid:\d+\))\s*")
_NUMBERED = re.compile(r"^\(?(?:\d{1,2}|[a-z])[.)]\s+")
_NUMBER = re.compile(r"(?:(?:page|seite|página)\s+)?#(?:\s*(?:/|of|von|de)\s*#)?", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Line:
    """A printed line, or a whole table as markdown (`table`). Positions in points from the page's top left."""

    text: str
    top: float
    bottom: float
    left: float
    size: float
    bold: bool
    table: bool = False
    in_margin: bool = False


def read_pdf(data: bytes) -> tuple[str, list[tuple[int, str]], list[str]]:
    """Title, `(page number, markdown)` of each page that holds text, and notes on what was left out.

    Raises:
        DocumentError: encrypted, or longer than we read. Damaged files raise whatever the parser raises.
    """
    import pdfplumber
    from pdfplumber.utils.exceptions import PdfminerException

    # Their messages may quote the file, and people's text is never logged.
    for parser in ("pdfminer", "pypdf"):
        logging.getLogger(parser).setLevel(logging.CRITICAL)
    try:
        document = pdfplumber.open(io.BytesIO(data))
    except PdfminerException as error:
        if "Password" in repr(error):
            raise DocumentError("Is password-protected: save it without a password and ingest that.") from None
        raise
    with document:
        if len(document.pages) > MAX_PAGES:
            raise DocumentError(f"Has {len(document.pages)} pages; the limit is {MAX_PAGES}: split it.")
        pages, scans = [], []
        for page in document.pages:
            pages.append(_lines(page))
            if not pages[-1] and any(page.objects.values()):
                scans.append(page.page_number)
            page.close()
        title = str((document.metadata or {}).get("Title") or "")
    if title.lower() in ("untitled", "(anonymous)") or title.lower().endswith((".docx", ".doc", ".pdf")):
        title = ""
    running = _running_lines(pages)
    sizes = Counter[float]()
    for line in (line for page in pages for line in page if not line.table):
        sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 10.0
    ranks = sorted((size for size in sizes if size > body * 1.12), reverse=True)
    texts = [
        (number, list(_blocks([line for line in page if _place(line) not in running], body, ranks)))
        for number, page in enumerate(pages, 1)
    ]
    notes = _recognise(data, scans, texts) if scans else []
    _join_across_pages(texts)
    if empty := sum(1 for page in pages if not page) - len(scans):
        notes.append(f"{empty} empty pages left out")
    return title, [(number, "\n\n".join(blocks)) for number, blocks in texts if blocks], notes


def _recognise(data: bytes, scans: list[int], texts: list[tuple[int, list[str]]]) -> list[str]:
    """Put what OCR finds on the scanned pages into `texts`; the notes on it."""
    from retrieval.ocr import read_pages

    found, notes = read_pages(data, scans)
    for number, blocks in texts:
        blocks += found.get(number, [])
    return notes


def _lines(page: Any) -> list[_Line]:
    """The page's printed lines and tables, top to bottom."""
    tables = [table for table in page.find_tables() if len(table.rows) > 1 and len(table.columns) > 1]
    found = [_table_line(table) for table in tables]
    rest = page
    for table in tables:
        left, top, right, bottom = table.bbox
        rest = rest.filter(lambda o, l=left, t=top, r=right, b=bottom: not _inside(o, l, t, r, b))  # noqa: E741
    for line in rest.extract_text_lines(return_chars=True, x_tolerance_ratio=0.2):
        chars = [char for char in line["chars"] if char["text"].strip()]
        if not chars:
            continue
        size = Counter(round(char["size"] * 2) / 2 for char in chars).most_common(1)[0][0]
        bold = sum("bold" in char["fontname"].lower() for char in chars) > 0.8 * len(chars)
        margin = line["bottom"] < MARGIN * page.height or line["top"] > (1 - MARGIN) * page.height
        found.append(_Line(line["text"].strip(), line["top"], line["bottom"], line["x0"], size, bold, in_margin=margin))
    return sorted(found, key=lambda line: (line.top, line.left))


def _inside(thing: dict[str, Any], left: float, top: float, right: float, bottom: float) -> bool:
    if thing.get("object_type") != "char":
        return False
    across, down = (thing["x0"] + thing["x1"]) / 2, (thing["top"] + thing["bottom"]) / 2
    return bool(left <= across <= right and top <= down <= bottom)


def _table_line(table: Any) -> _Line:
    from retrieval.convert import markdown_table

    rows = [[" ".join((cell or "").split()).replace("|", "/") for cell in row] for row in table.extract()]
    rows = [row for row in rows if any(row)] or [[""]]
    left, top, _right, bottom = table.bbox
    return _Line(markdown_table(rows), top, bottom, left, 0.0, bold=False, table=True)


def _place(line: _Line) -> tuple[str, int]:
    """A line's text without its numbers, and its height on the page: the same on each page for a running head."""
    return _DIGITS.sub("#", line.text), round(line.top / 4)


def _running_lines(pages: list[list[_Line]]) -> set[tuple[str, int]]:
    """Lines in the margin that stand at the same place on most pages, and bare page numbers; other numbers may differ."""
    margins = [{_place(line) for line in page if line.in_margin and not line.table} for page in pages]
    counts = Counter(place for places in margins for place in places)
    return {
        place for place, count in counts.items() if count >= max(2, 0.6 * len(pages)) or _NUMBER.fullmatch(place[0])
    }


def _blocks(lines: list[_Line], body: float, ranks: list[float]) -> Iterator[str]:
    """Headings, list items, tables and paragraphs of one page."""
    paragraph: list[str] = []
    last: _Line | None = None
    for line in _with_whole_headings(lines, ranks):
        level = _level(line, body, ranks, after=last)
        item = _BULLET.match(line.text) or _NUMBERED.match(line.text)
        gap = last is not None and line.top - last.bottom > 0.55 * max(line.size, 1)
        starts = line.table or level or item or gap or last is None or last.table or last.size != line.size
        if starts and paragraph:
            yield joined(paragraph)
            paragraph = []
        if line.table:
            yield line.text
        elif level:
            yield f"{'#' * level} {line.text}"
        else:
            paragraph.append(_BULLET.sub("- ", line.text))
        last = line
    if paragraph:
        yield joined(paragraph)


def _with_whole_headings(lines: list[_Line], ranks: list[float]) -> list[_Line]:
    """The lines, with a large heading that runs over several of them made one."""
    whole: list[_Line] = []
    for line in lines:
        last = whole[-1] if whole else None
        if last and line.size in ranks and line.size == last.size and line.top - last.bottom < 0.5 * line.size:
            whole[-1] = replace(last, text=f"{last.text} {line.text}", bottom=line.bottom)
        else:
            whole.append(line)
    return whole


def _level(line: _Line, body: float, ranks: list[float], *, after: _Line | None) -> int:
    """1 to 4 for a heading, by its size among the larger ones of the document, or by bold type standing alone."""
    if line.table or not any(c.isalpha() for c in line.text) or len(line.text) > 150:
        return 0
    if line.size in ranks:
        return min(ranks.index(line.size) + 1, 3)
    alone = after is None or after.table or line.top - after.bottom > 0.55 * line.size
    short = len(line.text) <= 90 and line.text[-1] not in ".:;,"
    return 4 if line.bold and line.size >= body and alone and short and not _BULLET.match(line.text) else 0


def joined(lines: list[str]) -> str:
    """Printed lines as one paragraph; a word that was divided at a line's end is made whole."""
    text = lines[0]
    for line in lines[1:]:
        divided = re.search(r"[a-zäöüß]-$", text) and re.match(r"[a-zäöüß]", line)
        text = text[:-1] + line if divided else f"{text} {line}"
    return text


def _join_across_pages(texts: list[tuple[int, list[str]]]) -> None:
    for (_, before), (_, after) in pairwise(texts):
        if not before or not after:
            continue
        prose = not before[-1].startswith(("#", "|")) and re.search(r"[\w,;–-]$", before[-1])
        if prose and re.match(r"[a-zäöüßáéíóúñ]", after[0]):
            before[-1] = joined([before[-1], after.pop(0)])
