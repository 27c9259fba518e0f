"""Who released, trained or asked for it by a command is a person whom the rule of the second person knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from assistant.bases import open_registry
from assistant.console import Opened, opened
from core.datasets import Datasets
from core.errors import NotAllowed
from core.jobs import Jobs
from core.records import AdapterRecord
from core.run_config import read_config
from tests.conftest import make_person
from tests.core.adapters import gate_report, packaged_demand, sealed_folder
from tests.core.lineage import keep
from tests.training.queue_home import ASKERS, REVIEWER, furnish
from tests.training.small_set import recorded, rows
from training.__main__ import main
from training.dataset_manifest import lineage_of
from training.retraining import _who
from training.runs import DONE, Done, prepare

ADMINS = ("ana.silva", "ben.admin")
NOTE = ("--note", "asked: the page is wrong")


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Two approved items, an administrator and another one, and an asker who is of the support staff as well."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("ASSISTANT_REVIEW_TWICE", "none")
    furnish(home, 2)
    with opened() as here:
        for name in ADMINS:
            here.people.add(make_person(name, roles=("employee", "admin")), actor="test")
        here.people.update(make_person(ASKERS[0], roles=("employee", "support")), actor="test")
        yield here


@pytest.fixture
def held(here: Opened) -> str:
    """The item of the first asker, which a bound holds."""
    datasets, reviews = Datasets(here.store, here.audit), sorted(_items(here).items())
    datasets.hold({item: {"burst": "8 flags in 60 min"} for _, item in reviews}, actor="test")
    return dict(reviews)[ASKERS[0]]


def _items(here: Opened) -> dict[str, str]:
    from core.reviews import open_reviews

    return {one.turn.person_id: one.item_id for one in open_reviews(here.settings, here.store, here.audit).approved()}


# --- releases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["release", "reject"])
def test_a_release_or_rejection_names_the_person_whose_word_it_is(
    act: str, held: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dataset", act, held, *NOTE])
    assert ended.value.code == 2
    assert "--as" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("person", "code", "said"),
    [
        (ASKERS[0], 3, "You flagged or reviewed one of these items"),
        (ASKERS[0].title(), 3, "You flagged or reviewed one of these items"),
        (REVIEWER, 3, "You flagged or reviewed one of these items"),
        (ASKERS[1], 3, "none of the roles support, admin"),
        ("nobody.here", 2, "No active person"),
        ("gone.admin", 2, "No active person"),
        ("rita.restricted", 3, "You may not read all sources of this item"),
    ],
)
@pytest.mark.parametrize("act", ["release", "reject"])
def test_who_flagged_reviewed_or_may_not_review_decides_on_nothing(
    act: str, person: str, code: int, said: str, held: str, here: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    here.people.add(make_person("gone.admin", roles=("admin",)), actor="test")
    here.people.deactivate("gone.admin", actor="test")
    here.people.add(make_person("rita.restricted", (), clearance="public", roles=("support",)), actor="test")
    assert main(["dataset", act, held, "--as", person, *NOTE]) == code
    assert said in capsys.readouterr().err
    assert len(Datasets(here.store, here.audit).holds()) == 2


def test_another_person_releases_and_the_audit_log_names_them(
    held: str, here: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "release", held, "--as", "Ana.Silva", *NOTE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["released_by"] == "ana.silva"
    row = next(here.audit.rows(limit=1))
    assert (row.actor, row.action) == ("ana.silva", "dataset.release")


def test_what_another_person_rejects_is_settled_anew_and_held_by_nothing_any_more(
    held: str, here: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "reject", held, held, "--as", "ana.silva", "--reason", "one account", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["item_id"], said["reason"], said["released_by"]) == (held, "burst", "")
    row = next(here.audit.rows(limit=1))
    assert (row.actor, row.action, row.subject) == ("ana.silva", "dataset.reject", held)
    assert held not in _items(here).values()
    for given, said_then in ((held, "Nothing of item"), ("no-such-item", "Nothing of item no-such-item is held")):
        assert main(["dataset", "reject", given, "--as", "ana.silva", *NOTE]) == 2
        assert said_then in capsys.readouterr().err
    assert main(["dataset", "reject", _items(here)[ASKERS[1]], "--as", "ana.silva", "--note", " "]) == 2
    assert "Say in a note why" in capsys.readouterr().err


# --- runs and retrainings --------------------------------------------------------------------------------------------


def run_of(here: Opened, *more: str) -> AdapterRecord:
    """The adapter of a run whose training is done already, as the command registers it."""
    made = rows(10, 2)
    record = recorded(here.settings.home, Datasets(here.store, here.audit), made)
    keep(here.store, lineage_of(made))
    config = here.settings.home.parent / "desk.yaml"
    config.write_text(f"method: reader\nname: desk\ndataset: {record.dataset_id}\n")
    run = prepare(read_config(config), here, allow_dirty=True)
    run.folder.mkdir(parents=True)
    sealed = sealed_folder(run.folder, value=1.0)
    registry = open_registry(here.settings, here.store, here.audit)
    done = Done(run.folder.name, sealed.name, _sha256(sealed), {}, "run-1", 1.0)
    (run.folder / DONE).write_text(json.dumps(asdict(done)))
    assert main(["run", str(config), "--allow-dirty", *more]) == 0
    (found,) = registry.all()
    report = gate_report(found, here.audit, demand=packaged_demand())
    registry.stage(found.adapter_id, report, actor="ben.admin", reason="the gate is open")
    registry.request(found.adapter_id, actor="ben.admin", reason="better")
    return found


def _sha256(folder: Path) -> str:
    from core.sealed import open_sealed

    return open_sealed(folder).sha256


def test_who_trained_by_a_command_under_their_name_does_not_approve(here: Opened) -> None:
    found = run_of(here, "--as", "ana.silva")
    assert found.created_by == "ana.silva"
    registry = open_registry(here.settings, here.store, here.audit)
    for same in ("ana.silva", "Ana.Silva"):
        with pytest.raises(NotAllowed, match="You registered"):
            registry.approve(found.adapter_id, actor=same, reason="mine")


def test_without_a_name_nobody_is_known_who_may_not_approve(here: Opened) -> None:
    """docs/admin.md says so."""
    found = run_of(here)
    assert found.created_by.startswith("cli")
    registry = open_registry(here.settings, here.store, here.audit)
    assert registry.approve(found.adapter_id, actor="ana.silva", reason="read it").stage == "production"


def test_a_retraining_is_asked_for_by_the_person_who_is_named(here: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "--allow-dirty", "--as", "nobody.here"]) == 2
    assert "No active person" in capsys.readouterr().err
    assert main(["retrain", "--allow-dirty", "--as", "ana.silva"]) == 0
    (job,) = Jobs(here.store, here.audit).all()
    assert (job.requested_by, _who(job)) == ("ana.silva", "retrain:ana.silva")


def test_a_retraining_that_waits_is_taken_back_by_a_command_begun_or_not(
    here: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Jobs(here.store, here.audit)
    made = jobs.request("hand", {}, actor="ana.silva")
    taken = jobs.claim("w", timedelta(minutes=1))
    assert taken
    assert main(["retrain", "--cancel", made.job_id, "--as", "ana.silva"]) == 2
    assert "is running: only what waits for a worker" in capsys.readouterr().err
    jobs.begin_step(taken[1], "train")
    jobs.give_back(taken[1])
    assert main(["retrain", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_go_on"] == "train"
    assert main(["retrain", "--list"]) == 0
    assert "to go on" in capsys.readouterr().out
    assert main(["retrain", "--cancel", made.job_id, "--as", ASKERS[1]]) == 3
    assert main(["retrain", "--cancel", "retrain-0", "--as", "ana.silva"]) == 2
    assert "There is no retraining 'retrain-0'" in capsys.readouterr().err
    assert main(["retrain", "--cancel", made.job_id, "--as", "ana.silva"]) == 0
    assert capsys.readouterr().out == f"{made.job_id} is taken back: no worker does any more of it.\n"
    row = next(here.audit.rows(limit=1))
    assert (row.actor, row.action, row.subject) == ("ana.silva", "retrain.cancel", made.job_id)


def test_a_retraining_of_fewer_rows_than_make_a_dataset_is_refused_when_it_is_asked_for(
    here: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retrain", "--as", "ana.silva", "--least", "1"]) == 2
    assert "A dataset has at least 2 rows" in capsys.readouterr().err
    assert Jobs(here.store, here.audit).all() == []


def test_what_an_erasure_would_reach_is_not_answered_for_a_name_misspelt(
    here: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here.people.get(ASKERS[0])
    for what, known, unknown in (("person", ASKERS[0], "asker.zero"), ("document", "desk-1", "desk-one")):
        assert main(["dataset", "affected", f"--{what}", known]) == 0
        assert capsys.readouterr().out == "No dataset and no adapter was made of it.\n"
        assert main(["dataset", "affected", f"--{what}", unknown]) == 2
        assert f"No {what} of the id '{unknown}' is known here" in capsys.readouterr().err
