"""A small dataset that stands on disk and in the store, without the assistant that questions come from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from core.datasets import DatasetRecord, Datasets
from training.dataset_manifest import FOLDER, Rows, encoded, id_of, lineage_of, manifest_of, sha256, write
from training.dataset_rows import DatasetRow, Lineage, RowPassage
from training.rows import Target

CARD_TEXT = "# Reviewed answers\n"


def row(n: int) -> DatasetRow:
    """A question about one of three limits of a passage; the right one is not the one that its words are nearest to."""
    said = f"The limit of desk {n} is {n} pounds."
    text = f"Desk {n} is on floor {n % 7}.\u2028It has a limit. {said} Desk {n} had no limit before {1990 + n}."
    start = text.index(said)
    return DatasetRow(
        question=f"What may desk {n} spend?",
        passages=(RowPassage(f"p{n}", f"doc-{n}", 1, "Limits", "", text),),
        target=Target("span", said, 0, start, start + len(said)),
        example="answer",
        language="en",
        department="Finance",
        classification="internal",
        asked_at="2026-11-01T00:00:00+00:00",
        lineage=Lineage(f"t{n}", f"f{n}", f"i{n}", f"r{n}", "rita", "ben.okafor"),
    )


def rows(training: int = 6, validation: int = 1) -> Rows:
    return {"train": [row(n) for n in range(training)], "validation": [row(100 + n) for n in range(validation)]}


ROWS = rows()
DATA = encoded(manifest_of(ROWS, CARD_TEXT, [], {"options": {}}))


def recorded(home: Path, datasets: Datasets, made: Rows = ROWS) -> DatasetRecord:
    """The dataset of these rows, written and registered."""
    data = encoded(manifest_of(made, CARD_TEXT, [], {"options": {}}))
    folder = write(home, made, CARD_TEXT, data)
    record = DatasetRecord(
        dataset_id=id_of(data),
        sha256=sha256(data),
        folder=f"{FOLDER}/{folder.name}",
        rows=sum(map(len, made.values())),
        ceiling="internal",
        counts={},
        created_by="test",
        created_at=datetime.now(UTC),
    )
    return datasets.add(record, lineage_of(made))
