"""The audit log on both databases: every way of tampering with the table is found and the row is named."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.audit import Audit, AuditRow
from core.store import Store
from core.tables import access_group
from core.tables import audit as table


@pytest.fixture
def full(audit: Audit) -> Audit:
    for i in range(1, 7):
        audit.append("ada", "document.approve", f"doc{i}", version=i)
    return audit


def tamper(store: Store, *statements: sa.Executable) -> None:
    with store.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def found(audit: Audit) -> list[tuple[int, str]]:
    return [(finding.seq, finding.problem) for finding in audit.verify()]


def test_an_untouched_log_is_whole_also_after_a_restart(full: Audit, store: Store, home: Path) -> None:
    assert found(full) == []
    again = Audit(store, home)
    again.append("ada", "export", "x")
    assert found(again) == []
    assert [row.seq for row in again.rows()] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.seq for row in again.rows(limit=2)] == [7, 6]


@pytest.mark.parametrize("column", ["at", "actor", "action", "subject", "details"])
def test_a_changed_row_is_named_whatever_was_changed(full: Audit, store: Store, column: str) -> None:
    tamper(store, table.update().where(table.c.seq == 3).values({column: "x"}))
    assert found(full) == [(3, "row was changed")]


def test_a_changed_row_whose_hash_was_made_anew_without_the_key_is_named(full: Audit, store: Store) -> None:
    tamper(store, table.update().where(table.c.seq == 3).values(actor="x", hash="0" * 64))
    assert (3, "row was changed") in found(full)


def test_a_removed_row_is_named(full: Audit, store: Store) -> None:
    tamper(store, table.delete().where(table.c.seq == 3))
    assert found(full) == [(3, "row 3 was removed")]


def test_several_removed_rows_are_named(full: Audit, store: Store) -> None:
    tamper(store, table.delete().where(table.c.seq.in_([2, 3, 5])))
    assert found(full) == [(2, "rows 2 to 3 were removed"), (5, "row 5 was removed")]


def test_a_removed_first_row_is_named(full: Audit, store: Store) -> None:
    tamper(store, table.delete().where(table.c.seq == 1))
    assert found(full) == [(1, "row 1 was removed")]


def test_rows_removed_from_the_end_are_named(full: Audit, store: Store) -> None:
    tamper(store, table.delete().where(table.c.seq >= 5))
    assert found(full) == [(5, "rows 5 to 6 were removed from the end")]


def test_an_emptied_table_is_named(full: Audit, store: Store) -> None:
    tamper(store, table.delete())
    assert found(full) == [(1, "rows 1 to 6 were removed from the end")]


def test_reordered_rows_are_named(full: Audit, store: Store) -> None:
    tamper(
        store,
        table.update().where(table.c.seq == 3).values(seq=99),
        table.update().where(table.c.seq == 4).values(seq=3),
        table.update().where(table.c.seq == 99).values(seq=4),
    )
    assert found(full) == [
        (3, "row was moved here from place 4: reordered"),
        (4, "row was moved here from place 3: reordered"),
    ]


def test_renumbered_rows_after_a_removal_are_named(full: Audit, store: Store) -> None:
    tamper(store, table.delete().where(table.c.seq == 3))
    for seq in (4, 5, 6):
        tamper(store, table.update().where(table.c.seq == seq).values(seq=seq - 1))
    assert [seq for seq, _ in found(full)] == [3, 4, 5, 6]
    assert found(full)[0] == (3, "row was moved here from place 4: reordered")


def test_an_added_row_is_named(full: Audit, store: Store) -> None:
    with store.read() as connection:
        last = connection.execute(sa.select(table).where(table.c.seq == 6)).one()
    tamper(store, table.insert().values(last._asdict() | {"seq": 7, "previous": last.hash}))
    assert (7, "row was changed") in found(full)


def test_a_missing_head_is_told_and_a_head_that_lags_after_a_crash_is_not_an_alarm(full: Audit, home: Path) -> None:
    head = home / "audit.head"
    newest = json.loads(head.read_text())
    older = next(row for row in full.rows() if row.seq == newest["seq"] - 1)
    head.write_text(json.dumps({"seq": older.seq, "hash": older.hash}))
    assert found(full) == []
    head.unlink()
    assert "audit.head is missing" in found(full)[0][1]


class Busy(Audit):
    """Somebody signs in just before the rows are read, and somebody else just after."""

    def rows(self, limit: int | None = None) -> Iterator[AuditRow]:
        self.append("bob", "signin", "bob")
        yield from super().rows(limit)
        self.append("cleo", "signin", "cleo")


def test_a_log_that_is_written_to_while_it_is_verified_is_whole(full: Audit, store: Store, home: Path) -> None:
    assert found(Busy(store, home)) == []
    assert found(full) == []


def test_rows_removed_from_the_end_stay_named_however_many_follow(full: Audit, store: Store, home: Path) -> None:
    tamper(store, table.delete().where(table.c.seq >= 5))
    busy = Busy(store, home)
    assert [found(busy) for _ in range(3)] == [[(5, "rows 5 to 6 were removed")]] * 3
    tamper(store, table.delete())
    assert found(busy) == [(1, "rows 1 to 12 were removed")]


def test_a_change_and_its_row_are_stored_together_or_not_at_all(audit: Audit, store: Store) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        with audit.recorded("ada", "group.add", "x") as connection:
            connection.execute(access_group.insert().values(name="x", description=""))
            raise ZeroDivisionError
    assert list(audit.rows()) == []
    with store.read() as connection:
        assert connection.execute(sa.select(access_group)).all() == []


def test_two_processes_and_many_threads_keep_one_chain(store: Store, home: Path, audit: Audit) -> None:
    other = Audit(store, home)  # as another process has it: its own lock

    def write(log: Audit) -> None:
        for i in range(20):
            log.append("ada", "export", str(i))

    threads = [threading.Thread(target=write, args=(log,)) for log in (audit, other, audit, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found(audit) == []
    assert json.loads((home / "audit.head").read_text())["seq"] == 80


def test_long_and_unstorable_text_is_kept_as_far_as_the_columns_go(audit: Audit) -> None:
    audit.append("a" * 500, "x", "s\x00\ud800" + "u" * 999, note="\ud800\x00 مرحبا")
    assert found(audit) == []
    row = next(audit.rows())
    assert (len(row.actor), len(row.subject)) == (80, 300)


def test_the_key_is_readable_by_its_owner_only(audit: Audit, home: Path) -> None:
    assert (home / "audit.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.glob("*.tmp")] == []
