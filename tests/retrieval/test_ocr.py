"""Scanned pages and images are read by the real Tesseract; without it they are left out, and the reason says what to type."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import DocumentError
from retrieval import ocr
from retrieval.convert import convert
from tests.retrieval.shelf import Shelf

pytestmark = pytest.mark.slow

TYPED, LETTER = "Typed rules", "The traveller books\nthe train at Hamburg."
needs_tesseract = pytest.mark.skipif(bool(ocr.missing()), reason=ocr.missing() or "never")
GOVERN = {"owner": "me@x.example", "classification": "internal", "allowed_groups": ["everyone"], "status": "approved"}


def picture(text: str, *, mode: str = "L") -> Image.Image:
    image = Image.new(mode, (1200, 400), "white")
    ImageDraw.Draw(image).multiline_text((80, 80), text, fill="black", font=ImageFont.load_default(64), spacing=20)
    return image


def saved(image: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


def scan(pages: Sequence[str | Image.Image | None]) -> bytes:
    """A pdf whose pages hold typed text, a picture, or nothing."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out)
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(72, 700, page)
        elif page is not None:
            canvas.drawImage(ImageReader(page), 40, 500, 500, 167)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


@pytest.fixture
def without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@needs_tesseract
def test_scanned_page_is_read_under_its_number_and_counted() -> None:
    found = convert(scan([TYPED, picture(LETTER), None]), "a.pdf")
    assert [(page.number, page.text) for page in found.pages] == [(1, TYPED), (2, LETTER.replace("\n", " "))]
    assert found.notes == ("1 pages read by OCR, which can misread", "1 empty pages left out")


@needs_tesseract
@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("JPEG", "a.jpg"), ("TIFF", "a.tiff")])
def test_image_is_read(kind: str, name: str) -> None:
    found = convert(saved(picture(LETTER), kind), name)
    assert [(page.number, page.text) for page in found.pages] == [(None, LETTER.replace("\n", " "))]
    assert found.notes == ("1 pages read by OCR, which can misread",)


@needs_tesseract
def test_transparent_image_is_read_on_white() -> None:
    image = picture(LETTER, mode="RGBA")
    image.putalpha(picture(LETTER).point(lambda grey: 255 - grey))
    assert "Hamburg" in convert(saved(image, "PNG"), "a.png").text


@needs_tesseract
def test_image_turned_by_its_camera_is_read_upright() -> None:
    turned = picture(LETTER).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert "Hamburg" in convert(saved(turned, "JPEG", exif=exif), "a.jpg").text


@needs_tesseract
def test_tiff_of_several_pages_keeps_their_numbers_and_names_the_empty_ones() -> None:
    data = saved(picture("First"), "TIFF", save_all=True, append_images=[picture(""), picture("Third")])
    found = convert(data, "a.tif")
    assert [(page.number, page.text) for page in found.pages] == [(1, "First"), (3, "Third")]
    assert "1 pages left out: OCR found no text on them" in found.notes


@needs_tesseract
def test_page_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(DocumentError, match=r"OCR took longer than 0\.01 seconds"):
        ocr.recognise(picture(LETTER), seconds=0.01)


@needs_tesseract
@pytest.mark.parametrize("side", [7_100, 9_500, 14_000])
def test_image_of_too_many_pixels_is_refused_before_it_is_decoded(side: int, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(Image.new("1", (side, side)), "PNG"))
    (result,) = shelf.run(tmp_path / "a.png", defaults=GOVERN)
    assert result.status == "failed"
    assert "has more than 50 million pixels, save it smaller" in result.reason


@needs_tesseract
def test_damaged_image_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"Is damaged or not a \.png file"):
        convert(b"\x89PNG rubbish", "a.png")


@pytest.mark.usefixtures("without_the_program")
def test_image_fails_with_the_line_to_type_where_the_program_is_missing() -> None:
    with pytest.raises(DocumentError) as caught:
        convert(saved(picture(LETTER), "PNG"), "a.png")
    assert str(caught.value) == (
        "Is an image, and text recognition (OCR) is not installed: pip install '.[ocr]' and apt-get install tesseract-ocr"
    )


@pytest.mark.usefixtures("without_the_program")
def test_scan_fails_with_the_line_to_type_where_the_program_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(scan([picture(LETTER)]))
    (result,) = shelf.run(tmp_path / "a.pdf", defaults=GOVERN)
    assert result.status == "failed"
    assert result.reason.startswith("Holds no text; 1 pages without text (scans or pictures) left out: ")
    assert result.reason.endswith(ocr.INSTALL)


@needs_tesseract
def test_scanned_page_left_out_is_read_once_the_program_is_there(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(scan([TYPED, picture(LETTER)]))
    with monkeypatch.context() as bare:
        bare.setenv("PATH", str(tmp_path))
        first, again = (shelf.run(file, defaults=GOVERN)[0] for _ in range(2))
    assert (first.status, again.status) == ("indexed", "unchanged")
    assert ocr.INSTALL in first.reason
    (read,) = shelf.run(file, defaults=GOVERN)
    assert (read.status, read.reason) == ("indexed", "1 pages read by OCR, which can misread")
    assert [r.status for r in shelf.run(file, defaults=GOVERN)] == ["unchanged"]


@needs_tesseract
def test_draft_says_that_it_was_read_by_ocr_before_and_after_its_approval(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(picture(LETTER), "JPEG"))
    (draft,) = shelf.run(tmp_path / "a.jpg", defaults={**GOVERN, "status": "draft"})
    assert draft.reason == "is a draft: it answers once it is approved; 1 pages read by OCR, which can misread"
    approved = shelf.ingest.approve(draft.document_id, draft.version, "test")
    assert (approved.state, approved.reason) == ("indexed", "1 pages read by OCR, which can misread")
