"""A small suite on disk: one document, two people, and whatever cases a test writes."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = (
    "Every full-time employee receives 25 days of paid annual leave.\n\nA lost badge is reported on the same day.\n"
)
PEOPLE = """
groups: [{name: staff, description: Staff}]
people:
- {person_id: ada, name: Ada, email: ada@x.example, groups: [staff], clearance: internal, roles: [employee]}
- {person_id: bob, name: Bob, email: bob@x.example, groups: [], clearance: internal, roles: [employee]}
"""
GOVERNANCE = """
defaults: {owner: hr@x.example, department: HR, classification: internal, allowed_groups: [staff], version: 1,
  effective: 2026-01-01, status: approved}
documents:
  leave.md: {document_id: leave}
"""
CASE = """cases:
- id: leave-1
  kind: answerable
  person: ada
  question: How many days of leave?
  acceptable: 25 days
  must_include: [[25, twenty-five], days]
  evidence: {leave.md: receives 25 days of paid annual leave}
"""


def write_suite(folder: Path, cases: str = CASE, *, top: str = "") -> Path:
    """A suite folder with the cases in cases.yaml; returns it."""
    suite = folder / "suite"
    (suite / "documents").mkdir(parents=True)
    (suite / "documents" / "leave.md").write_text(DOCUMENT)
    (suite / "documents" / "governance.yaml").write_text(GOVERNANCE)
    (suite / "people.yaml").write_text(PEOPLE)
    (suite / "suite.yaml").write_text(top or "documents: documents\npeople: people.yaml\n")
    (suite / "cases.yaml").write_text(cases)
    return suite
