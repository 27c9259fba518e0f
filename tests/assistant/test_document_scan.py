"""Documents are scanned by the policy in force, from the moment that it is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SettingsError
from tests.assistant.conftest import MakeDesk

TEXT = "Write to jane@gmail.com or call +44 117 496 0440. The desk is at 192.168.4.20."
LETTER = """---
document_id: hr-contacts
title: Contacts
version: {version}
owner: hr@kestrelbay.example
department: HR
classification: internal
allowed_groups: [everyone]
effective: 2026-01-01
status: approved
---
# Contacts

{text}
"""


def test_documents_are_scanned_by_the_policy_in_force_from_the_moment_it_is_applied(
    make_desk: MakeDesk, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("personal_data: {allow: [jane@gmail.com]}\n")
    desk = make_desk(policy=own).assistant

    def take(version: int, text: str) -> dict[str, int]:
        (tmp_path / "contacts.md").write_text(LETTER.format(version=version, text=text))
        (done,) = desk.ingest.run([tmp_path / "contacts.md"], actor="test")
        assert done.status == "indexed", done
        return dict(desk.catalogue.get("hr-contacts", version).personal_data)

    assert take(1, TEXT) == {"IP_ADDRESS": 1, "PHONE_NUMBER": 1}
    saved = desk.policies.save(
        "personal_data: {entities: {IP_ADDRESS: {documents: ignore}}}", actor="ada.admin", why="x"
    )
    desk.apply_policy(saved.number, actor="ada.admin", why="x")
    assert take(2, f"{TEXT} And more.") == {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}


def test_a_policy_that_is_not_sound_stops_the_start(make_desk: MakeDesk, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("personal_data: {entities: {PHONE: {documents: ignore}}}\n")
    with pytest.raises(SettingsError, match="PHONE"):
        make_desk(policy=own)
