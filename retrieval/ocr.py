"""Scanned pages and pictures become text: Tesseract reads an image of the page, where the extra `ocr` is installed.

    pip install '.[ocr]' && apt-get install tesseract-ocr
    python -m retrieval ingest scan.pdf photo.jpg --json

What was read this way is counted in the document's notes, because Tesseract can misread: nobody takes it for typed text.
An image is refused by its size before it is decoded; a page and a document each have a time after which they are left.
"""

from __future__ import annotations

import importlib.util
import io
import math
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from core.errors import DocumentError
from retrieval.pdf import joined

LANGUAGES: Final = ("eng", "deu", "spa")
DPI: Final = 300
MAX_PIXELS: Final = 50_000_000
"""Of a page: an A4 page at 300 dpi has 9 million, a large photo 50. A pdf page is drawn smaller, an image is refused."""
MAX_PAGES: Final = 300
PAGE_SECONDS: Final = 60.0
DOCUMENT_SECONDS: Final = 900.0
INSTALL: Final = "pip install '.[ocr]' and apt-get install tesseract-ocr"

_PDFIUM = threading.Lock()
"""pdfium may not be called from two threads at once."""


def missing() -> str:
    """Why text recognition cannot run here and the line to type, empty where it can."""
    packages = ("pytesseract", "PIL", "pypdfium2")
    if not shutil.which("tesseract") or not all(map(importlib.util.find_spec, packages)):
        return f"text recognition (OCR) is not installed: {INSTALL}"
    if not _languages():
        return f"tesseract knows none of the languages {', '.join(LANGUAGES)}: {INSTALL}"
    return ""


def read_pages(data: bytes, numbers: Iterable[int]) -> tuple[dict[int, list[str]], list[str]]:
    """Paragraphs of those pages of a pdf (numbered from 1) on which text was found, and notes on all of them."""
    import pypdfium2

    numbers = list(numbers)
    if why := missing():
        return {}, [f"{len(numbers)} pages without text (scans or pictures) left out: {why}"]
    with _PDFIUM:
        document = pypdfium2.PdfDocument(data)
    try:
        return _read((number, lambda n=number: _drawn(document, n)) for number in numbers)  # type: ignore[misc]
    finally:
        with _PDFIUM:
            document.close()


def read_image(data: bytes) -> tuple[list[tuple[int | None, str]], list[str]]:
    """`(page number, text)` of an image's pages on which text was found, and notes; None where it is one page.

    Raises:
        DocumentError: text recognition is not installed, or every page is larger than we decode. Damaged files raise
            whatever Pillow raises.
    """
    if why := missing():
        raise DocumentError(f"Is an image, and {why}")
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    with image:
        count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        found, notes = _read((number, lambda n=number: _frame(image, n)) for number in range(1, count + 1))  # type: ignore[misc]
    return [(number if count > 1 else None, "\n\n".join(paragraphs)) for number, paragraphs in found.items()], notes


def recognise(picture: Any, *, dpi: int = 0, seconds: float = PAGE_SECONDS) -> list[str]:
    """The paragraphs on a PIL image; `dpi` 0 lets Tesseract guess.

    Raises:
        DocumentError: it took longer than `seconds`, or Tesseract failed.
    """
    import pytesseract

    config = f"--dpi {dpi}" if dpi else ""
    try:
        text = pytesseract.image_to_string(picture, lang="+".join(_languages()), config=config, timeout=seconds)
    except pytesseract.TesseractError as error:
        raise DocumentError(f"tesseract failed with code {error.status}") from None
    except RuntimeError:  # what pytesseract raises when the time is over
        raise DocumentError(f"OCR took longer than {seconds:g} seconds") from None
    paragraphs = ([line.strip() for line in part.split("\n") if line.strip()] for part in _paragraphs(text))
    return [joined(lines) for lines in paragraphs if lines]


def _paragraphs(text: str) -> list[str]:
    parts = [""]
    for line in text.replace("\f", "\n").split("\n"):
        if line.strip():
            parts[-1] += f"{line}\n"
        else:
            parts.append("")
    return parts


def _read(pages: Iterable[tuple[int, Callable[[], tuple[Any, int]]]]) -> tuple[dict[int, list[str]], list[str]]:
    """Each page's paragraphs where there are any, and in words what was read and what was not."""
    found: dict[int, list[str]] = {}
    left = Counter[str]()
    deadline = time.monotonic() + DOCUMENT_SECONDS
    tried = 0
    for number, picture in pages:
        if tried == MAX_PAGES or time.monotonic() > deadline:
            left[f"OCR reads {MAX_PAGES} pages or {DOCUMENT_SECONDS / 60:g} minutes of a document, split it"] += 1
            continue
        tried += 1
        try:
            image, dpi = picture()
            found[number] = recognise(image, dpi=dpi)
        except DocumentError as error:
            left[str(error)] += 1
    read = {number: paragraphs for number, paragraphs in found.items() if paragraphs}
    notes = [f"{len(read)} pages read by OCR, which can misread"] if read else []
    if empty := len(found) - len(read):
        notes.append(f"{empty} pages left out: OCR found no text on them")
    return read, [*notes, *(f"{count} pages left out: {why}" for why, count in left.items())]


def _drawn(document: Any, number: int) -> tuple[Any, int]:
    """The page as a grey image, at 300 dpi or as near as the pixels allow; and its dpi."""
    import pypdfium2

    with _PDFIUM:
        try:
            page = document[number - 1]
            width, height = page.get_size()
            scale = min(DPI / 72, math.sqrt(MAX_PIXELS / max(width * height, 1)))
            bitmap = page.render(scale=scale, grayscale=True)
        except pypdfium2.PdfiumError:
            raise DocumentError("the page cannot be drawn") from None
        image = bitmap.to_pil().copy()
        bitmap.close()
        page.close()
    return image, round(scale * 72)


def _frame(image: Any, number: int) -> tuple[Any, int]:
    """A page of the image file, upright, grey and on white; and its dpi, 0 where the file does not say."""
    from PIL import Image, ImageOps

    image.seek(number - 1)
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()
    dpi = image.info.get("dpi", (0, 0))[0]
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return upright.convert("L"), round(dpi) if 70 <= dpi <= 1200 else 0


def _too_many_pixels() -> DocumentError:
    return DocumentError(f"has more than {MAX_PIXELS // 10**6} million pixels, save it smaller")


def _languages() -> list[str]:
    """Those of ours that Tesseract has; it reads all of them at once."""
    import pytesseract

    had = pytesseract.get_languages()
    return [language for language in LANGUAGES if language in had]
