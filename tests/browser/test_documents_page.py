"""The documents page: what an employee sees, and what reviewers and administrators do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from core.audit import Audit
from core.store import Store
from tests.browser.conftest import People, answer, ask, type_in
from tests.retrieval import office

pytestmark = pytest.mark.browser

LAMP = "The lighthouse lamp in the atrium is changed every 17 weeks by the night porter."


def test_an_employee_finds_and_reads_documents_but_manages_none(people: People) -> None:
    page = people.open("ben.okafor", "/library")
    type_in(page, ".ea-filters input", "annual leave")
    expect(page.locator(".ea-doc")).to_have_count(1)
    page.click(".ea-doc-title")
    expect(page.locator("#ea-panel .ea-facts")).to_contain_text("people@kestrelbay.example")
    assert page.locator("[data-act=manage]").count() == 0
    assert page.get_by_role("tab").all_inner_texts() == ["Library"]
    page.evaluate("window.eaSend('retire', {id: 'hr-annual-leave', version: '3'})")
    expect(page.locator(".toast-body").last).to_contain_text("role")
    file = FilePayload(name="x.md", mimeType="text/markdown", buffer=b"# x")
    assert page.request.post(f"{people.server.url}/gradio_api/upload", multipart={"files": file}).status == 403
    page.reload()
    expect(page.locator(".ea-doc[data-document='hr-annual-leave']")).to_be_visible()
    assert "Salary bands" not in page.content()


def test_a_corrupt_file_beside_a_good_one_and_the_good_one_answers_once_approved(
    people: People, tmp_path: Path
) -> None:
    good, bad = tmp_path / "lamp.md", tmp_path / "broken.pdf"
    good.write_text(f"# Atrium lamp\n\n## Changing the lamp\n\n{LAMP}\n", encoding="utf-8")
    bad.write_bytes(b"%PDF-1.4\n" + bytes(range(256)) * 20)
    page = people.open("farid.nasser", "/library")
    page.get_by_role("tab", name="Upload").click()
    page.set_input_files("#ea-files input[type=file]", [good, bad])
    page.fill("#ea-upload-owner textarea, #ea-upload-owner input", "facilities@kestrelbay.example")
    page.fill("#ea-upload-department input", "Facilities")
    page.keyboard.press("Enter")
    expect(page.locator("#ea-files")).to_contain_text("broken")
    page.click("#ea-upload-add")
    expect(page.locator(".ea-upload p")).to_contain_text("2 of 2 files done")
    expect(page.locator(".ea-file", has_text="broken.pdf")).to_contain_text("failed:")
    expect(page.locator(".ea-file", has_text="lamp.md")).not_to_contain_text("failed")

    ben = people.open("ben.okafor")
    ask(ben, "How often is the lighthouse lamp in the atrium changed?")
    assert "17 weeks" not in answer(ben)
    _manage(page, "Atrium lamp")
    page.click("#ea-manage [data-act=approve]")
    expect(page.locator("#ea-manage .ea-standing-answering")).to_be_visible()
    page.get_by_role("tab", name="Passages").click()
    expect(page.locator("#ea-preview")).to_contain_text("night porter")
    ask(ben, "How often is the lighthouse lamp in the atrium changed?")
    assert "17 weeks" in answer(ben)

    page.click("#ea-manage [data-act=retire]")
    page.click("#ea-confirm button[type=submit]")
    expect(page.locator("#ea-manage .ea-standing-retired")).to_be_visible()
    ask(ben, "How often is the lighthouse lamp in the atrium changed?")
    assert "17 weeks" not in answer(ben)


def test_files_that_cannot_be_read_say_why_and_stop_none_of_the_others(people: People) -> None:
    page = people.open("farid.nasser", "/library")
    page.get_by_role("tab", name="Upload").click()
    files = {
        "torn.pdf": b"%PDF-1.4\n" + bytes(range(256)) * 20,
        "hollow.md": b"",
        "tool.exe": b"MZ" + bytes(300),
        "no-suffix": b"plain words",
        "locked.docx": office.password_protected(),
        "swollen.docx": office.zip_bomb(300),
        "turned\u202egpj.md": b"# Turned\n\nA name that reads backwards.\n",
        "../../../climbing.md": b"# Climbing wall\n\n## Hours\n\nThe climbing wall opens at 17:45.\n",
    }
    page.set_input_files(
        "#ea-files input[type=file]",
        [FilePayload(name=name, mimeType="application/octet-stream", buffer=data) for name, data in files.items()],
    )
    page.fill("#ea-upload-department input", "Facilities")
    page.keyboard.press("Enter")
    expect(page.locator("#ea-files")).to_contain_text("climbing")
    page.click("#ea-upload-add")
    expect(page.locator(".ea-upload p")).to_contain_text("8 of 8 files done")
    for name, said in (
        ("torn.pdf", "open it, save it again"),
        ("hollow.md", "The file is empty"),
        ("tool.exe", "The format .exe cannot be read; use .md"),
        ("no-suffix", "cannot be read; use .md"),
        ("locked.docx", "Is password-protected"),
        ("swollen.docx", "a zip bomb?"),
        ("turned", "plain name"),
        ("climbing.md", "added as a draft"),
    ):
        expect(page.locator(".ea-file", has_text=name)).to_contain_text(said)
    assert "Traceback" not in page.content()
    _manage(page, "Climbing wall")
    expect(page.locator("#ea-manage")).to_contain_text("uploads/climbing.md")
    left = [file for file in (people.server.home / "uploads").rglob("*") if file.is_file() and file.stat().st_size]
    assert left == [], "what was uploaded lies about"


def test_a_new_version_is_told_by_the_documents_id_and_not_by_its_files_name(people: People) -> None:
    page = people.open("farid.nasser", "/library")
    page.get_by_role("tab", name="Upload").click()
    field = "#ea-upload-replaces textarea, #ea-upload-replaces input"
    for racks, replaces, said in (
        (12, "", "added as a draft"),
        (14, "hr-nosuch", "You look after no document hr-nosuch"),
        (14, "bicycle-racks", "added as a draft"),
        (16, "", "added as a draft"),
    ):
        text = f"# Bicycle racks\n\nThe yard has {racks} racks for bicycles.\n".encode()
        file = FilePayload(name="bicycle-racks.md", mimeType="text/markdown", buffer=text)
        page.set_input_files("#ea-files input[type=file]", file)
        expect(page.locator("#ea-files")).to_contain_text("bicycle-racks")
        page.fill(field, replaces)
        page.click("#ea-upload-add")
        expect(page.locator("#ea-progress")).to_contain_text(said)
        if said.startswith("added"):
            expect(page.locator(field)).to_have_value("")
        page.reload()
        page.get_by_role("tab", name="Upload").click()
    page.get_by_role("tab", name="Library").click()
    type_in(page, ".ea-filters input", "bicycle-racks")
    shown = page.locator(".ea-doc:visible")
    expect(shown).to_have_count(3)
    assert [shown.nth(n).get_attribute("data-document") for n in range(3)] == ["bicycle-racks", "bicycle-racks", "bicycle-racks-2"]  # fmt: skip
    expect(shown.first).to_contain_text("version 2")


def test_an_upload_is_cancelled_after_the_file_at_work(people: People) -> None:
    page = people.open("farid.nasser", "/library")
    page.get_by_role("tab", name="Upload").click()
    files = [
        FilePayload(
            name=f"rota-{n}.md", mimeType="text/markdown", buffer=f"# Rota {n}\n\nDesk {n} is manned.\n".encode()
        )
        for n in range(60)
    ]
    page.set_input_files("#ea-files input[type=file]", files)
    expect(page.locator("#ea-files")).to_contain_text("rota-59")
    expect(page.locator("#ea-upload-cancel")).to_be_hidden()
    page.click("#ea-upload-add")
    expect(page.locator(".ea-file", has_text="rota-0.md")).to_contain_text(re.compile("added|waits"))
    page.click("#ea-upload-cancel")
    expect(page.locator(".ea-file", has_text="rota-59.md")).to_contain_text("cancelled")
    told = page.locator(".ea-file").all_inner_texts()
    assert len(told) == 60
    assert not any("working" in one or "waiting" in one for one in told)
    done = sum("cancelled" not in one for one in told)
    page.reload()
    type_in(page, ".ea-filters input", "Rota")
    expect(page.get_by_text(re.compile(r"^Rota \d+$"))).to_have_count(done)


def test_a_file_without_governance_waits_in_quarantine_until_somebody_gives_it_metadata(people: People) -> None:
    page = people.open("grace.lin", "/library")
    page.get_by_role("tab", name=re.compile("Needs attention")).click()
    row = page.locator(".ea-doc:visible", has_text="late-working-taxis.md")
    expect(row).to_contain_text("no governance metadata")
    row.get_by_role("button", name=re.compile("Manage")).click()
    expect(page.locator("#ea-manage .ea-standing-quarantined")).to_be_visible()
    page.fill("#ea-manage-title textarea, #ea-manage-title input", "Taxis after late work")
    page.fill("#ea-manage-owner textarea, #ea-manage-owner input", "finance@kestrelbay.example")
    page.fill("#ea-manage-department input", "Finance")
    page.keyboard.press("Enter")
    page.click("#ea-manage-allowed input")
    page.get_by_role("option", name="everyone").click()
    page.click("#ea-manage-save")
    expect(page.locator("#ea-manage .ea-standing-draft")).to_be_visible()
    expect(page.locator("#ea-manage h2")).to_have_text("Taxis after late work")


def test_the_bench_searches_as_another_person_and_shows_no_words_above_ones_own_access(people: People) -> None:
    page = people.open("grace.lin", "/library")
    page.get_by_role("tab", name="Test retrieval").click()
    page.fill("#ea-bench-question textarea, #ea-bench-question input", "salary bands by grade")
    page.click("#ea-bench-search")
    expect(page.locator(".ea-bench-head")).to_be_visible()
    expect(page.locator("#ea-bench")).not_to_contain_text("Salary bands 2026")
    page.click("#ea-bench-person input")
    page.get_by_role("option", name=re.compile("elena.rossi")).click()
    page.click("#ea-bench-search")
    hidden = page.locator("#ea-bench tr", has_text=re.compile("Salary bands")).first
    expect(hidden).to_contain_text("You may not read this text.")
    expect(page.locator("#ea-bench thead").first).to_contain_text("Dense")
    with Store(f"sqlite:///{people.server.home / 'assistant.db'}") as store:
        rows = list(Audit(store, people.server.home).rows(limit=20))
    assert ("grace.lin", "search.as", "elena.rossi") in [(row.actor, row.action, row.subject) for row in rows]


def _manage(page: Page, title: str) -> None:
    page.get_by_role("tab", name="Library").click()
    page.locator(".ea-doc:visible", has_text=title).get_by_role("button", name=re.compile("Manage")).click()
    expect(page.locator("#ea-manage h2")).to_have_text(title)
