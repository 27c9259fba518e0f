"""Renders the demo organisation's Word, PDF, PowerPoint and Excel documents from their text sources.

    python demo/render.py                     # everything under demo/sources
    python demo/render.py demo/sources/hr     # one folder, or single source files

`demo/sources/<department>/<name>.<format>.md` becomes `demo/documents/<department>/<name>.<format>` for docx, pdf and
pptx (slides are separated by a line `---`), and `<name>.xlsx.yaml` becomes a workbook. The same source always gives
the same bytes with the same library versions, so a second run leaves the working tree clean.
"""

import argparse
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import pptx
import yaml
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from pptx.util import Emu, Inches
from pptx.util import Pt as SlidePt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import ListFlowable, ListItem, PageBreak, SimpleDocTemplate, Spacer
from reportlab.platypus import Paragraph as PdfParagraph
from reportlab.platypus import Table as PdfTable

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "sources"
DOCUMENTS = ROOT / "documents"
COMPANY = "Kestrel Bay Instruments"
STAMP = datetime(2026, 1, 1, 9, 0, 0)  # noqa: DTZ001 - the office formats store a naive time
STAMP_XML = b"2026-01-01T09:00:00Z"

HEADING = re.compile(r"(#{1,3})\s+(.*)")
BULLET = re.compile(r"\s*[-*]\s+(.*)")
NUMBERED = re.compile(r"\s*\d+[.)]\s+(.*)")
BOLD = re.compile(r"\*\*(.+?)\*\*")
RULE_ROW = re.compile(r"\|[\s:|-]+\|?")
PAGE = "<!-- page -->"


@dataclass(frozen=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Listing:
    numbered: bool
    items: list[str]


@dataclass(frozen=True)
class Grid:
    rows: list[list[str]]


@dataclass(frozen=True)
class Page:
    pass


Block = Heading | Text | Listing | Grid | Page


# ---------------------------------------------------------------- the markdown that the sources use


def parse(source: str) -> list[Block]:
    """Headings, paragraphs, flat lists, pipe tables and page breaks; anything else is a paragraph."""
    blocks: list[Block] = []
    for chunk in re.split(r"\n\s*\n", source.strip()):
        blocks.extend(_parse_chunk(chunk.splitlines()))
    return blocks


def _parse_chunk(lines: list[str]) -> Iterator[Block]:
    """The blocks of lines without an empty line between them."""
    kinds = [_kind(line) for line in lines]
    start = 0
    while start < len(lines):
        end = start + 1
        while end < len(lines) and kinds[end] == kinds[start] and kinds[start] not in {"heading", "page"}:
            end += 1
        yield _block(kinds[start], lines[start:end])
        start = end


def _kind(line: str) -> str:
    if line.strip() == PAGE:
        return "page"
    if HEADING.fullmatch(line):
        return "heading"
    if line.startswith("|"):
        return "table"
    if BULLET.fullmatch(line):
        return "bullet"
    return "number" if NUMBERED.fullmatch(line) else "text"


def _block(kind: str, lines: list[str]) -> Block:
    if kind == "page":
        return Page()
    if kind == "heading":
        level, text = HEADING.fullmatch(lines[0]).groups()  # type: ignore[union-attr]
        return Heading(len(level), text.strip())
    if kind == "table":
        return Grid([_cells(line) for line in lines if not RULE_ROW.fullmatch(line.strip())])
    if kind in {"bullet", "number"}:
        pattern = BULLET if kind == "bullet" else NUMBERED
        return Listing(kind == "number", [pattern.fullmatch(line).group(1) for line in lines])  # type: ignore[union-attr]
    return Text(" ".join(line.strip() for line in lines))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def plain(text: str) -> str:
    return BOLD.sub(r"\1", text)


def spans(text: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a text with whether each is bold."""
    for index, piece in enumerate(BOLD.split(text)):
        if piece:
            yield piece, index % 2 == 1


def title_of(blocks: list[Block], fallback: str) -> str:
    return next((plain(block.text) for block in blocks if isinstance(block, Heading)), fallback)


# ---------------------------------------------------------------- Word


def render_docx(source: Path) -> bytes:
    blocks = parse(source.read_text("utf-8"))
    document = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    document.styles["Normal"].font.size = Pt(10.5)  # type: ignore[attr-defined]
    _core_properties(document.core_properties, title_of(blocks, source.stem))
    section.footer.paragraphs[0].text = COMPANY
    for block in blocks:
        _docx_block(document, block)
    return _saved(document.save)


def _docx_block(document: Any, block: Block) -> None:
    match block:
        case Heading():
            document.add_heading(plain(block.text), level=block.level)
        case Text():
            _docx_runs(document.add_paragraph(), block.text)
        case Listing():
            number = _new_numbering(document) if block.numbered else None
            for item in block.items:
                paragraph = document.add_paragraph(style="List Number" if block.numbered else "List Bullet")
                _docx_runs(paragraph, item)
                if number is not None:
                    paragraph._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = number
        case Grid():
            _docx_table(document, block.rows)
        case Page():
            document.add_page_break()


def _docx_runs(paragraph: Any, text: str) -> None:
    for piece, bold in spans(text):
        paragraph.add_run(piece).bold = bold or None


def _new_numbering(document: Any) -> int:
    """A numbering that starts at 1 again; Word otherwise continues the numbers of the previous list."""
    numbering = document.part.numbering_part.numbering_definitions._numbering
    style_number = document.styles["List Number"]._element.pPr.numPr.numId.val
    abstract = numbering.num_having_numId(style_number).abstractNumId.val
    number = numbering.add_num(abstract)
    number.add_lvlOverride(ilvl=0).add_startOverride(1)
    return int(number.numId)


def _docx_table(document: Any, rows: list[list[str]]) -> None:
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    for index, row in enumerate(rows):
        for cell, text in zip(table.rows[index].cells, row, strict=True):
            _docx_runs(cell.paragraphs[0], f"**{plain(text)}**" if index == 0 else text)
    header = OxmlElement("w:tblHeader")
    header.set(qn("w:val"), "true")
    table.rows[0]._tr.get_or_add_trPr().append(header)
    document.add_paragraph()


# ---------------------------------------------------------------- PDF


def render_pdf(source: Path) -> bytes:
    blocks = parse(source.read_text("utf-8"))
    title = title_of(blocks, source.stem)
    target = BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=A4, title=title, author=COMPANY, invariant=1,
        leftMargin=22 * mm, rightMargin=22 * mm, topMargin=20 * mm, bottomMargin=20 * mm,
    )  # fmt: skip
    styles = _pdf_styles()
    story = [flowable for block in blocks for flowable in _pdf_block(block, styles, document.width)]

    def footer(canvas: Any, _document: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(22 * mm, 12 * mm, f"{COMPANY} | {title}")
        canvas.drawRightString(A4[0] - 22 * mm, 12 * mm, f"Page {canvas.getPageNumber()}")

    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return target.getvalue()


def _pdf_styles() -> dict[str, ParagraphStyle]:
    sheet = getSampleStyleSheet()
    body = ParagraphStyle("body", parent=sheet["BodyText"], fontSize=10, leading=14, spaceAfter=6)
    return {
        "h1": sheet["Heading1"],
        "h2": sheet["Heading2"],
        "h3": sheet["Heading3"],
        "body": body,
        "cell": ParagraphStyle("cell", parent=body, fontSize=8.5, leading=11, spaceBefore=0, spaceAfter=0),
    }


def _pdf_block(block: Block, styles: dict[str, ParagraphStyle], width: float) -> list[Any]:
    match block:
        case Heading():
            return [PdfParagraph(_pdf_markup(block.text), styles[f"h{block.level}"])]
        case Text():
            return [PdfParagraph(_pdf_markup(block.text), styles["body"])]
        case Listing():
            items = [ListItem(PdfParagraph(_pdf_markup(item), styles["body"])) for item in block.items]
            return [
                ListFlowable(items, bulletType="1" if block.numbered else "bullet", start=1 if block.numbered else "•")
            ]
        case Grid():
            return [_pdf_table(block.rows, styles["cell"], width), Spacer(1, 4 * mm)]
        case Page():
            return [PageBreak()]


def _pdf_markup(text: str) -> str:
    text.encode("cp1252")  # the built-in fonts have no other characters: fail here, not as black boxes on the page
    return BOLD.sub(r"<b>\1</b>", escape(text, quote=False))


def _pdf_table(rows: list[list[str]], style: ParagraphStyle, width: float) -> PdfTable:
    marked = [[f"**{plain(cell)}**" for cell in rows[0]], *rows[1:]]
    cells = [[PdfParagraph(_pdf_markup(cell), style) for cell in row] for row in marked]
    table = PdfTable(cells, colWidths=_pdf_widths(rows, width), repeatRows=1)
    table.setStyle([
        ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ])  # fmt: skip
    return table


def _pdf_widths(rows: list[list[str]], total: float) -> list[float]:
    """Each column is at least as wide as its longest word, so that no word is broken; the rest goes by text length."""
    columns = [[plain(cell).split() for cell in column] for column in zip(*rows, strict=True)]
    floors = [
        max((stringWidth(word, "Helvetica-Bold", 8.5) for words in column for word in words), default=0) + 5 * mm
        for column in columns
    ]
    spare = max(total - sum(floors), 0)
    widths = [floor + extra for floor, extra in zip(floors, _widths(rows, spare), strict=True)]
    return [width * total / sum(widths) for width in widths]


def _widths(rows: list[list[str]], total: float) -> list[float]:
    """Column widths by the longest text of each column, within bounds that keep short columns readable."""
    longest = [min(max(len(row[column]) for row in rows), 45) for column in range(len(rows[0]))]
    weights = [max(length, 9) for length in longest]
    return [total * weight / sum(weights) for weight in weights]


# ---------------------------------------------------------------- PowerPoint


def render_pptx(source: Path) -> bytes:
    slides = [parse(part) for part in re.split(r"^---\s*$", source.read_text("utf-8"), flags=re.MULTILINE)]
    deck = pptx.Presentation()
    deck.slide_width, deck.slide_height = Inches(13.333), Inches(7.5)
    _core_properties(deck.core_properties, title_of(slides[0], source.stem))
    for index, blocks in enumerate(slides):
        slide = deck.slides.add_slide(deck.slide_layouts[5])  # "Title Only"
        title = slide.shapes.title
        title.left, title.top, title.width, title.height = Inches(0.6), Inches(0.35), Inches(12.1), Inches(1.0)
        title.text_frame.text = title_of(blocks, f"Slide {index + 1}")
        title.text_frame.paragraphs[0].font.size = SlidePt(32)
        _slide_body(slide, [block for block in blocks if not isinstance(block, Heading)])
    return _saved(deck.save)


def _slide_body(slide: Any, blocks: list[Block]) -> None:
    top = Inches(1.5)
    for block in blocks:
        top = _slide_table(slide, block.rows, top) if isinstance(block, Grid) else _slide_text(slide, block, top)


def _slide_text(slide: Any, block: Block, top: int) -> int:
    lines = _slide_lines(block)
    rows = sum(1 + len(line) // 100 for line in lines)
    height = Inches(0.4 * rows + 0.15)
    frame = slide.shapes.add_textbox(Inches(0.6), top, Inches(12.1), height).text_frame
    frame.word_wrap = True
    for index, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if index == 0 else frame.add_paragraph()
        for piece, bold in spans(line):
            run = paragraph.add_run()
            run.text, run.font.bold, run.font.size = piece, bold or None, SlidePt(18)
    return top + height


def _slide_lines(block: Block) -> list[str]:
    if isinstance(block, Listing):
        return [f"{f'{index}.' if block.numbered else '•'} {item}" for index, item in enumerate(block.items, 1)]
    return [block.text] if isinstance(block, Text) else []


def _slide_table(slide: Any, rows: list[list[str]], top: int) -> int:
    height = Inches(0.42 * len(rows))
    shape = slide.shapes.add_table(len(rows), len(rows[0]), Inches(0.6), top, Inches(12.1), height)
    for column, width in zip(shape.table.columns, _widths(rows, Inches(12.1)), strict=True):
        column.width = Emu(int(width))
    for table_row, row in zip(shape.table.rows, rows, strict=True):
        for cell, text in zip(table_row.cells, row, strict=True):
            cell.text = plain(text)
            for paragraph in cell.text_frame.paragraphs:
                paragraph.font.size = SlidePt(14)
    return top + height + Inches(0.2)


# ---------------------------------------------------------------- Excel


def render_xlsx(source: Path) -> bytes:
    content = yaml.safe_load(source.read_text("utf-8"))
    book = Workbook()
    book.remove(book.active)
    book.properties.creator = COMPANY
    book.properties.created = STAMP
    for sheet in content["sheets"]:
        _sheet(book.create_sheet(sheet["name"]), sheet["rows"])
    return _saved(book.save)


def _sheet(sheet: Any, rows: list[list[Any]]) -> None:
    for row in rows:
        sheet.append(row)
    for cell in sheet[1]:
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DDE6ED")
    for number, column in enumerate(sheet.columns, 1):
        longest = max(len(str(cell.value or "")) for cell in column)
        sheet.column_dimensions[get_column_letter(number)].width = min(max(longest + 2, 10), 60)
        for cell in column:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if isinstance(cell.value, date):
                cell.number_format = "yyyy-mm-dd"
    sheet.freeze_panes = "A2"


# ---------------------------------------------------------------- the same bytes every time


def _core_properties(properties: Any, title: str) -> None:
    properties.title, properties.author, properties.last_modified_by = title, COMPANY, COMPANY
    properties.created = properties.modified = STAMP


def _saved(save: Callable[[Any], None]) -> bytes:
    """The office file with a fixed time in its properties and on each member of its zip archive."""
    raw, target = BytesIO(), BytesIO()
    save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + STAMP_XML, data)
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, data)
    return target.getvalue()


RENDERERS: dict[str, Callable[[Path], bytes]] = {
    ".docx.md": render_docx,
    ".pdf.md": render_pdf,
    ".pptx.md": render_pptx,
    ".xlsx.yaml": render_xlsx,
}


def render(source: Path) -> Path:
    """Writes one document, only if its bytes have changed."""
    suffix = "".join(source.suffixes[-2:])
    target = DOCUMENTS / source.relative_to(SOURCES).with_name(source.name.rpartition(".")[0])
    content = RENDERERS[suffix](source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != content:
        target.write_bytes(content)
    return target


def sources(paths: list[Path]) -> list[Path]:
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [file.resolve() for file in files if "".join(file.suffixes[-2:]) in RENDERERS]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[SOURCES], help="sources or folders of sources")
    failed = False
    for source in sources(parser.parse_args().paths):
        try:
            print(render(source).relative_to(ROOT.parent))
        except (ValueError, KeyError, yaml.YAMLError) as error:
            failed = True
            print(f"{source.relative_to(ROOT.parent)}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
