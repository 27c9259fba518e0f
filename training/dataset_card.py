"""A dataset's card: what it holds, how it was made, what it may be used for and what not, by the FAIR principles.

It stands beside the rows and its hash stands in the manifest, so it holds no id, no time and nobody's name: those are in the
store, and `python -m training dataset card ID` puts them before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.cards import markdown_table
from training.dataset_manifest import Rows, Step, ceiling_of, shape_of

MEANING = {
    "sources": "approved items made into rows from the store as it stands",
    "redaction": "personal data masked; rows in which some is still seen left out",
    "ceiling": "rows above the classification that was asked for left out",
    "evaluation": "rows near a case of an evaluation suite left out",
    "bounds": "held until a person releases them",
    "duplicates": "rows that repeat each other merged",
    "shares": "held, because one flagger or one group has more than its share",
    "proportions": "refusals and questions back beyond what the answers bear left out",
    "replay": "rows of the earlier dataset beyond its share left out",
    "synthetic": "paraphrases added; refused ones counted",
}


def card_of(rows: Rows, steps: Sequence[Step], made: Mapping[str, Any]) -> str:
    """Markdown. `made` is what the manifest says of options, suites, embedder and policy."""
    every = [*rows["train"], *rows["validation"]]
    ceiling = ceiling_of(every)
    options = made["options"]
    documents = sorted({document for row in every for document in row.documents})
    suites = ", ".join(f"{s['name']} ({s['questions']} questions)" for s in made["suites"]) or "none"
    parts = [
        "# Reviewed answers",
        f"{len(rows['train'])} rows to train on and {len(rows['validation'])} to validate with: questions that people put to the "
        "assistant, the passages that were found for them, and the answer that reviewers approved.",
        "## Findable\n\nThe folder's name is its identity: `ds-` and the first twelve digits of the sha256 of `manifest.json`, which "
        "names every other file with its own. The store lists it with who built it and when: `python -m training dataset show`.",
        f"## Accessible\n\nClassification **{ceiling}**: nobody reads it, and no adapter trained on it serves anybody, without that "
        "clearance. It lies in the home folder, readable by the account that serves; no service outside is asked for it.",
        "## Interoperable\n\nJSON lines, UTF-8, one row a line: `row_id` (sha256 of the rest), `question`, `passages`, `target` (`kind`, "
        "`answer`, and the passage and place that bear it out), `rejected` (the flagged answer), `example`, `origin`, `weight`, "
        "`language`, `department`, `classification`, `asked_at`, `lineage`, `also` (lineage of merged repeats), `parent`.",
        _shape(every),
        "## Made by\n\n"
        + markdown_table(
            ("step", "rows in", "rows out", "left out", "what it does"),
            [(s.step, s.rows_in, s.rows_out, _counted(s.left_out), MEANING[s.step]) for s in steps],
        ),
        f"Kept away from: {suites}. Compared with the embedder `{made['embedder']}`; masked under the policy "
        f"`{made['policy_sha256'][:12]}`. Comes after: {options['after'] or 'no other dataset'}. All settings stand in the manifest.",
        "## Reusable\n\nTo train and validate adapters of this assistant, in this organisation. The questions are its people's and the "
        "passages its documents': there is no licence to pass them on. Not for judging people or reviewers. When a person or a "
        "document is erased, `python -m training dataset affected` lists this set and the adapters trained on it; the next set is "
        "made without them.",
        "Documents: " + ", ".join(f"{document_id} v{version}" for document_id, version in documents) + ".",
        "## Limits\n\nPeople flag what they notice, so kinds of errors that nobody sees are missing. What reviewers agree on can be "
        "wrong. Personal data are found by recognisers: a datum that they do not know stays. Paraphrases are made by rules, and "
        "are marked `synthetic`.",
    ]
    return "\n\n".join(parts) + "\n"


def _shape(rows: Sequence[Any]) -> str:
    shape = shape_of(rows)
    named = ("example", "origin", "department", "language", "classification")
    table = markdown_table(("", "rows"), [(name, _counted(shape[name])) for name in named])
    return f"## What is in it\n\n{table}\n\nAsked from {shape['first_day']} to {shape['last_day']}."


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'none'} {n}" for name, n in counts.items()) or "0"
