"""A file becomes text: pages of markdown with headings, tables and page numbers, whatever its format.

markitdown reads docx, pptx and html; pdf goes page by page through pdfplumber (`retrieval/pdf.py`), which keeps the page
numbers that markitdown drops; xlsx and csv become one table a block of cells; eml is read by the standard library,
images and scanned pages by OCR (`retrieval/ocr.py`).
Text that a reader would not see (hidden html, comments, zero-width characters) is left out and counted in `notes`, so
that nobody is answered from words that nobody approved by eye. Link targets go too (the stored original keeps them).
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, Final

from core.errors import BadInput, DocumentError, GovernanceError
from retrieval.front_matter import without_our_front_matter
from retrieval.governance import split_front_matter, without_front_matter

MAX_UNPACKED_BYTES: Final = 200 * 2**20
MAX_PARTS: Final = 10_000
MAX_TEXT_CHARS: Final = 5_000_000
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")

_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)\n]*\)")
_LINK = re.compile(
    r"(?<!\\)\[((?:[^\[\]\n]|\n(?!\n)){1,500})\]"
    r"\((<?)((?:[^()\s]|\([^()\s]*\)|\{%[^\n]*?%\})*)>?(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\)"
)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|__)(?=\S)([^\n]*?\S)\1(?![\w*])")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_TEMPLATE = re.compile(r"\{%-?.*?-?%\}")
_TAG = re.compile(
    r"</?(?:a|abbr|b|blockquote|center|cite|code|del|details|div|em|font|i|ins|kbd|mark|p|pre|q|s|small|span|strong|sub|summary|sup|u)\b[^<>]*>",
    re.I,
)
_BREAK = re.compile(r"<(?:br|hr)\s*/?>", re.I)
_FENCE = re.compile(r"^(?:```|~~~)", re.MULTILINE)
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)|font-size\s*:\s*0|"
    r"(?:left|top|text-indent)\s*:\s*-\d{3,}",
    re.I,
)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SETEXT = re.compile(r"^(?![-*+>#|]|\d+[.)]\s)(\S[^\n|]{0,150})\n(={3,}|-{3,})[ \t]*$", re.MULTILINE)
_RULER = re.compile(r"^[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|={3,})$\n?", re.MULTILINE)
_CAPITALS = re.compile(r"(?:(?<=\n\n)|\A)([^a-z\n#|>•*-][^a-z\n|]{2,80})(?=\n\n)")
_OPENS = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]|[-*+][ \t]|\d{1,3}[.)][ \t]|>|\||[-*_=]{3,}[ \t]*$|[^|\n]*\|[^|\n]*\||[-: ]+\|)"
)
"""A line that begins something new: heading, list item, quote, table row, ruler."""
_CLOSED = re.compile(r"  $|\\$|^[ \t]*(?:#{1,6}[ \t]|\|)|\|[ \t]*$|^[-*_=]{3,}[ \t]*$")
"""A line that the next one does not continue."""
_BULLET = re.compile(r"^[•▪◦]\s*")
_EMPTY_HEADER = re.compile(r"^(?:\|[ ]*)+\|\n(\|(?:[ ]*:?-+:?[ ]*\|)+)\n(\|.*\|)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """Markdown of one page or slide; `number` is None where the format has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Converted:
    """What a file says, no pages where it holds no text. `notes` tell what was left out, in words for
    the owner.
    """

    title: str
    pages: tuple[Page, ...]
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "\n\n".join(page.text for page in self.pages)


@dataclass(slots=True)
class _Draft:
    """Pages as they come out of a converter, before cleaning."""

    pages: list[Page]
    title: str = ""
    notes: list[str] = field(default_factory=list)
    escaped: bool = True


def convert(data: bytes, name: str) -> Converted:
    """The text of a file, chosen by the suffix of its name.

    Raises:
        DocumentError: unsupported, of no bytes, damaged, password-protected or a zip bomb; says what to do.
    """
    suffix = suffix_of(name)
    reader = _READERS.get(suffix)
    if reader is None:
        raise unsupported(name)
    if not data:
        raise DocumentError("The file is empty.")
    if suffix in (".docx", ".pptx", ".xlsx"):
        _check_package(data, suffix)
    try:
        draft = reader(data, name)
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary to parsers of untrusted files, which raise anything
        raise DocumentError(
            f"Is damaged or not a {suffix} file ({type(error).__name__}): open it, save it again and ingest that."
        ) from None
    counts = {"invisible characters": 0, "hidden comments": 0}
    pages = [Page(page.number, _clean(page.text, counts, escaped=draft.escaped)) for page in draft.pages]
    pages = [page for page in pages if page.text]
    if sum(len(page.text) for page in pages) > MAX_TEXT_CHARS:
        raise DocumentError(f"Holds more than {MAX_TEXT_CHARS:,} characters of text: split it into several documents.")
    if not any(any(c.isalnum() for c in page.text) for page in pages):
        pages = []
    notes = [*draft.notes, *(f"{count} {what} left out" for what, count in counts.items() if count)]
    title = draft.title.strip() or _first_heading(pages)
    return Converted(_plain_line(title)[:500], tuple(pages), tuple(notes))


def unsupported(name: str) -> DocumentError:
    return DocumentError(
        f"The format {suffix_of(name) or 'without a suffix'} cannot be read; use {', '.join(SUFFIXES)}."
    )


def suffix_of(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def decode(data: bytes) -> str:
    """The text in a plain file: UTF-8 (or UTF-16 with its mark), else the most likely single encoding.

    Raises:
        DocumentError: binary content.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if b"\x00" in data[:100_000]:
        raise DocumentError("Is binary, not text: check that the suffix is right.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data[:200_000]).best()
        if best is None:
            raise DocumentError("The character encoding cannot be told: save it as UTF-8.") from None
        return data.decode(best.encoding, errors="replace")


def may_open_front_matter(data: bytes) -> bool:
    """Whether a plain file may begin with front matter: told by its first sign, so that others need not be decoded."""
    first = data.lstrip(b"\xef\xbb\xbf\xe2\x80\x8b \t\r\n\f\v")[:1]
    return bool(first) and not first.isalnum() and first not in b"<#*(["


def _read_markdown(data: bytes, name: str) -> _Draft:
    text = decode(data)
    try:
        front, text = split_front_matter(text, name)
    except GovernanceError:  # where it matters, `retrieval/sources.py` has refused the file already
        front, text = None, without_front_matter(text)
    hidden, text = _without_hidden_tags(text)
    notes = [f"{hidden} hidden passages left out"] if hidden else []
    title = front["title"].value if front and "title" in front else ""
    return _Draft([Page(None, text)], str(title) if isinstance(title, (str, int)) else "", notes)


def _read_text(data: bytes, name: str) -> _Draft:
    text = without_our_front_matter(decode(data), name)
    return _Draft([Page(None, _capital_headings(text))], escaped=False)


def _capital_headings(text: str) -> str:
    """In plain text a line of capitals that stands alone is a heading."""
    text = text.replace("\r\n", "\n")
    return _CAPITALS.sub(lambda match: f"## {match[1]}" if sum(map(str.isalpha, match[1])) > 3 else match[1], text)


def _read_html(data: bytes, name: str) -> _Draft:
    markup: bytes | str = data
    if may_open_front_matter(data) or not re.search(rb"charset\s*=", data[:2048], re.I):
        markup = without_our_front_matter(decode(data), name)
    return _html(markup)


def _html(markup: bytes | str) -> _Draft:
    from bs4 import BeautifulSoup
    from bs4.element import Comment
    from markitdown.converters import HtmlConverter

    soup = BeautifulSoup(markup, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    hidden = _drop_hidden(soup)
    for comment in soup.find_all(string=lambda node: isinstance(node, Comment)):
        hidden += bool(str(comment).strip())
        comment.extract()
    for tag in soup(["script", "style", "template", "noscript", "nav", "head", "svg", "iframe"]):
        tag.decompose()
    text = str(HtmlConverter().convert_string(str(soup)).markdown)
    notes = [f"{hidden} hidden passages left out"] if hidden else []
    return _Draft([Page(None, _promote_headers(text))], title, notes)


def _drop_hidden(soup: Any) -> int:
    """Remove what a browser would not show; returns how many pieces held text. What we miss stays, for the guards."""
    selectors = []
    for style in soup.find_all("style"):
        for selector, body in _RULE.findall(_strip_css_comments(style.get_text())):
            if _HIDING.search(body):
                selectors += [part.strip() for part in selector.split(",") if re.fullmatch(r"\s*[.#\w-]+\s*", part)]
    marked = [tag for selector in selectors if ":" not in selector for tag in soup.select(selector)]
    marked += soup.find_all(lambda tag: tag.has_attr("hidden") or _HIDING.search(str(tag.get("style", ""))))
    marked += soup.find_all("input", type="hidden")
    count = 0
    for tag in marked:
        if tag.name in ("html", "body") or tag.decomposed:
            continue
        count += bool(tag.get_text(strip=True))
        tag.decompose()
    return count


def _strip_css_comments(css: str) -> str:
    return re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)


def _without_hidden_tags(text: str) -> tuple[int, str]:
    """Markdown may hold html: its hidden elements go, as in an html file."""
    pattern = re.compile(r"<(\w+)\b(?=[^<>]*(?:\shidden[\s>=]|style\s*=))[^<>]*>.*?</\1\s*>", re.DOTALL | re.I)
    count = 0

    def decide(match: re.Match[str]) -> str:
        nonlocal count
        opening = match[0].split(">", 1)[0]
        if not (_HIDING.search(opening) or re.search(r"\shidden(?:[\s=]|$)", opening, re.I)):
            return match[0]
        count += 1
        return ""

    shown = pattern.sub(decide, text)
    return count, shown


def _read_docx(data: bytes, _name: str) -> _Draft:
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    styles = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
    result = DocxConverter().convert(io.BytesIO(data), StreamInfo(extension=".docx"), style_map=styles)  # type: ignore[no-untyped-call]
    return _Draft([Page(None, _promote_headers(str(result.markdown)))])


def _read_pptx(data: bytes, _name: str) -> _Draft:
    from markitdown import StreamInfo
    from markitdown.converters import PptxConverter

    result = PptxConverter().convert(io.BytesIO(data), StreamInfo(extension=".pptx"))  # type: ignore[no-untyped-call]
    parts = re.split(r"<!-- Slide number: (\d+) -->", str(result.markdown))
    slides = [Page(int(number), _slide(text)) for number, text in zip(parts[1::2], parts[2::2], strict=True)]
    return _Draft(slides, escaped=False)


def _slide(text: str) -> str:
    """The slide with its title first (markitdown orders shapes by place) and each text line a paragraph of its own."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    titles = [line for line in lines if line.startswith("# ")][:1]
    rest = [_BULLET.sub("- ", line) for line in lines if line not in titles]
    spaced = [line if line.startswith("|") else f"\n{line}\n" for line in rest]
    return "\n".join([*titles, "", *spaced])


def _read_xlsx(data: bytes, _name: str) -> _Draft:
    import openpyxl

    # It warns of every Excel feature that it does not read: nothing that a user could act on.
    warnings.filterwarnings("ignore", module="openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    notes = [f"{count} hidden sheets left out"] if (count := len(book.worksheets) - len(shown)) else []
    parts = []
    for sheet in shown:
        rows = [[_cell(cell) for cell in row] for row in sheet.iter_rows()]
        if any(any(row) for row in rows):
            parts.append(f"## {sheet.title}\n\n{_tables(rows)}")
    return _Draft([Page(None, "\n\n".join(parts))], str(book.properties.title or ""), notes, escaped=False)


def _cell(cell: Any) -> str:
    """The cell as Excel shows it, for the common formats: dates, percent, currency sign, thousands."""
    value, shown = cell.value, str(cell.number_format or "")
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        text = str(value.isoformat())
        return text.removesuffix("T00:00:00").replace("T", " ")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return " ".join(str(value).split()).replace("|", "/")
    if "%" in shown:
        return f"{round(value * 100, 4):g}%"
    decimals = re.search(r"0\.(0+)", shown)
    text = (
        f"{value:{',' if ',' in shown else ''}.{len(decimals[1]) if decimals else 0}f}"
        if "0" in shown
        else f"{value:.10g}"
    )
    sign = re.match(r'(?:\[\$)?"?([£$€])', shown)
    return f"{sign[1]}{text}" if sign else text


def _read_csv(data: bytes, _name: str) -> _Draft:
    import csv

    text = decode(data)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [
            [" ".join(cell.split()).replace("|", "/") for cell in row] for row in csv.reader(io.StringIO(text), dialect)
        ]
    except csv.Error as error:
        raise DocumentError(f"Is not a healthy csv file ({error}).") from None
    return _Draft([Page(None, _tables(rows))], escaped=False)


def _tables(rows: Sequence[Sequence[str]]) -> str:
    """Blocks of rows between empty rows: one cell wide is a paragraph, wider is a table with its first full row as header."""
    blocks: list[list[Sequence[str]]] = [[]]
    for row in rows:
        if any(row):
            blocks[-1].append(row)
        elif blocks[-1]:
            blocks.append([])
    return "\n\n".join(_table(block) for block in blocks if block)


def _table(block: list[Sequence[str]]) -> str:
    columns = [i for i in range(max(map(len, block))) if any(i < len(row) and row[i] for row in block)]
    cut = [[row[i] if i < len(row) else "" for i in columns] for row in block]
    before = []
    while cut and sum(map(bool, cut[0])) == 1 and len(columns) > 1:
        before.append(next(filter(None, cut.pop(0))))
    if len(columns) == 1:
        return "\n\n".join(row[0] for row in cut)
    return "\n\n".join([*before, markdown_table(cut)] if cut else before)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A pipe table whose header is the first row."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def _read_eml(data: bytes, _name: str) -> _Draft:
    message = BytesParser(policy=policy.default).parsebytes(data)
    if not isinstance(message, EmailMessage) or not (message["from"] or message["subject"]):
        raise DocumentError("Is not an e-mail message: it has neither a sender nor a subject.")
    subject = " ".join(str(message["subject"] or "No subject").split())
    head = "\n\n".join(
        f"{key}: {' '.join(str(message[key]).split())}" for key in ("From", "To", "Date") if message[key]
    )
    body = message.get_body(preferencelist=("plain", "html"))
    draft = _Draft([Page(None, "")])
    if body is not None:
        try:
            content = str(body.get_content())
        except (LookupError, UnicodeError):
            raise DocumentError("The body's character encoding is unknown: save the message again as UTF-8.") from None
        draft = _html(content) if body.get_content_subtype() == "html" else _read_text(content.encode(), "")
    attached = sum(1 for _ in message.iter_attachments())
    notes = [*draft.notes, *([f"{attached} attachments not read: ingest them as files"] if attached else [])]
    text = f"# {subject}\n\n{head}\n\n{draft.pages[0].text}"
    return _Draft([Page(None, text)], subject, notes, escaped=draft.escaped)


def _read_pdf(data: bytes, _name: str) -> _Draft:
    from retrieval.pdf import read_pdf

    title, pages, notes = read_pdf(data)
    return _Draft([Page(number, text) for number, text in pages], title, notes, escaped=False)


def _read_image(data: bytes, _name: str) -> _Draft:
    from retrieval.ocr import read_image

    pages, notes = read_image(data)
    return _Draft([Page(number, text) for number, text in pages], "", notes, escaped=False)


def _check_package(data: bytes, suffix: str) -> None:
    """Refuse what is no Office file, is locked by a password, or would unpack to more than we hold."""
    if data.startswith(_OLE):
        raise DocumentError(
            f"Is password-protected, or an old Office file named {suffix}: save it without a password as {suffix}."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise DocumentError(f"Is damaged, or not a {suffix} file: open it in its program and save it again.") from None
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES or len(parts) > MAX_PARTS:
        raise DocumentError(
            f"Would unpack to {unpacked / 2**20:,.0f} MB in {len(parts):,} parts (a zip bomb?): refused unread; "
            f"the limit is {MAX_UNPACKED_BYTES // 2**20} MB."
        )


def _promote_headers(text: str) -> str:
    """Tables without marked headers come with an empty header row: their first row is the header."""
    return _EMPTY_HEADER.sub(lambda match: f"{match[2]}\n{match[1]}", text)


def _clean(text: str, counts: dict[str, int], *, escaped: bool) -> str:
    """Text to cut, search and show: no invisible characters, no markup but headings, lists, tables and code fences."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    counts["invisible characters"] += len(_INVISIBLE.findall(text))
    text = _CONTROL.sub(" ", _INVISIBLE.sub("", text)).replace("\u00a0", " ").replace("\u2028", "\n")
    if escaped:
        counts["hidden comments"] += len(_COMMENT.findall(text))
        text = "".join(
            _without_markup(part, fenced=i % 2 == 1) for i, part in enumerate(_fences(_COMMENT.sub("", text)))
        )
    text = _RULER.sub("\n", _SETEXT.sub(lambda match: f"{'#' if match[2][0] == '=' else '##'} {match[1]}", text))
    lines = [line.rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _fences(text: str) -> list[str]:
    """The text cut at code fences: even parts are prose, odd ones code (with their fence lines)."""
    parts, start, inside = [], 0, False
    for match in _FENCE.finditer(text):
        cut = match.start() if not inside else text.find("\n", match.start()) % (len(text) + 1)
        parts.append(text[start:cut])
        start, inside = cut, not inside
    return [*parts, text[start:]]


def _without_markup(text: str, *, fenced: bool) -> str:
    if fenced:
        return text
    text = _IMAGE.sub(lambda match: match[1], text)
    text = _LINK.sub(_link, text)
    text = _BREAK.sub(" ", _TAG.sub("", _TEMPLATE.sub("", text)))
    text = _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", text))
    return _ESCAPE.sub(r"\1", _unwrap(text))


def _unwrap(text: str) -> str:
    """Paragraphs and list items on one line each; two spaces or a backslash at a line's end keep its break."""
    lines: list[str] = []
    for line in text.split("\n"):
        last = lines[-1] if lines else ""
        if not line.strip() or not last.strip() or _OPENS.match(line) or _CLOSED.search(last):
            lines.append(line)
        else:
            lines[-1] = f"{last.rstrip()} {line.strip()}"
    return "\n".join(line.removesuffix("\\") for line in lines)


def _link(match: re.Match[str]) -> str:
    shown, target = match[1], match[3]
    address = target.removeprefix("mailto:").partition("?")[0]
    if target.startswith("mailto:") and address and address.lower() not in shown.lower():
        return f"{shown} ({address})"
    return shown


def _first_heading(pages: Iterable[Page]) -> str:
    for page in pages:
        if match := re.search(r"^#{1,6}\s+(.+?)\s*#*$", page.text, re.MULTILINE):
            return match[1]
    return ""


def _plain_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", _INVISIBLE.sub("", text)).split())


_READERS: Final[Mapping[str, Callable[[bytes, str], _Draft]]] = {
    ".md": _read_markdown,
    ".markdown": _read_markdown,
    ".txt": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".docx": _read_docx,
    ".pptx": _read_pptx,
    ".xlsx": _read_xlsx,
    ".csv": _read_csv,
    ".eml": _read_eml,
    ".pdf": _read_pdf,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff"), _read_image),
}
SUFFIXES: Final = tuple(_READERS)
