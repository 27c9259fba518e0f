"""Office files made on the spot, small and real."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence


def docx(*, headings: Sequence[tuple[str, str]], table: Sequence[Sequence[str]] = ()) -> bytes:
    """A Word file: heading and paragraph pairs, then a table."""
    from docx import Document

    document = Document()
    for heading, text in headings:
        document.add_heading(heading, 1)
        document.add_paragraph(text)
    if table:
        made = document.add_table(rows=len(table), cols=len(table[0]))
        for r, row in enumerate(table):
            for c, cell in enumerate(row):
                made.cell(r, c).text = cell
    return _saved(document)


def pptx(*slides: tuple[str, str, str]) -> bytes:
    """A presentation: title, text and speaker notes of each slide."""
    from pptx import Presentation

    deck = Presentation()
    for title, text, notes in slides:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    return _saved(deck)


def xlsx(
    sheets: dict[str, Sequence[Sequence[object]]], *, hidden: str = "", formats: dict[str, str] | None = None
) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        for cell, shown in (formats or {}).items():
            sheet[cell].number_format = shown
        if name == hidden:
            sheet.sheet_state = "hidden"
    return _saved(book)


def pdf(pages: Sequence[Sequence[object]], *, title: str = "", password: str = "") -> bytes:
    """A pdf of pages of `# headings`, paragraphs and tables (lists of rows), with a running foot."""
    from reportlab.lib import colors, pdfencrypt
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table

    styles, story = getSampleStyleSheet(), []
    for number, page in enumerate(pages):
        story += [PageBreak()] if number else []
        for piece in page:
            if isinstance(piece, list):
                story.append(Table(piece, style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
            elif str(piece).startswith("# "):
                story.append(Paragraph(str(piece)[2:], styles["Heading1"]))
            else:
                story.append(Paragraph(str(piece), styles["BodyText"]))

    def foot(canvas: object, template: object) -> None:
        canvas.drawString(72, 40, f"Kestrel Bay, page {template.page}")  # type: ignore[attr-defined]

    out = io.BytesIO()
    lock = pdfencrypt.StandardEncryption(password, "owner") if password else None
    SimpleDocTemplate(out, title=title, encrypt=lock).build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def zip_bomb(megabytes: int) -> bytes:
    """A docx whose one part unpacks to that many megabytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package, package.open("word/document.xml", "w") as part:
        for _ in range(megabytes):
            part.write(b"\0" * 2**20)
    return out.getvalue()


def password_protected() -> bytes:
    """The first bytes of an encrypted Office file: an OLE container, not a zip."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 2000


def _saved(thing: object) -> bytes:
    out = io.BytesIO()
    thing.save(out)  # type: ignore[attr-defined]
    return out.getvalue()
