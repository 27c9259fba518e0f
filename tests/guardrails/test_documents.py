"""What is counted in documents, as a policy says, with the recognisers of the chat."""

from __future__ import annotations

import pytest

from guardrails.documents import DocumentScan
from guardrails.policy import load_policy, read_policy

TEXT = "Write to jane@gmail.com, call +44 117 496 0440, or ask Nora Whitcombe. The desk is at 192.168.4.20."


def scanned(policy: str) -> dict[str, int]:
    return DocumentScan(read_policy(f"personal_data:\n{policy}"))(TEXT)


def test_packaged_policy_counts_contact_data_and_no_names() -> None:
    assert DocumentScan(load_policy())(TEXT) == {"EMAIL_ADDRESS": 1, "IP_ADDRESS": 1, "PHONE_NUMBER": 1}


@pytest.mark.parametrize(
    ("policy", "counts"),
    [
        ("  entities: {IP_ADDRESS: {documents: ignore}}", {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}),
        ("  entities: {IP_ADDRESS: {threshold: 0.7}}", {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}),
        ("  allow: [jane@gmail.com, +44 117 496 0440]", {"IP_ADDRESS": 1}),
        (
            "  entities: {PERSON: {documents: count}}",
            {"EMAIL_ADDRESS": 1, "IP_ADDRESS": 1, "PERSON": 1, "PHONE_NUMBER": 1},
        ),
    ],
)
def test_a_companys_own_policy_says_what_is_counted(policy: str, counts: dict[str, int]) -> None:
    assert scanned(policy) == counts
