"""Review on both databases: from a flag to what training may learn from, and who may see and decide what on the way."""

from __future__ import annotations

import json
import random
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.audit import Audit
from core.consent import Consent
from core.document_tasks import DocumentTasks, Recipients
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.people import People
from core.records import DECISIONS, Correction, Principal, Turn
from core.review_file import exported, import_decisions
from core.review_gold import Gold
from core.review_items import adopt, item_id_of
from core.review_records import Item, Judgement, QueueFilter
from core.reviews import BLANK, Reviews
from core.store import Store
from core.tables import feedback, review, review_item
from core.turns import Turns, now
from tests.conftest import make_person
from tests.core.queue import LEAVE, PAY, answered, crowd, flag, shelve

EVERYTHING = QueueFilter(status="")
SPAN = Correction("span", "25 days of annual leave")
TRAIN = Judgement("train", SPAN, seconds=12.5)
REJECT = Judgement("reject", note="The answer is right.")


@pytest.fixture
def turns(store: Store) -> Turns:
    return Turns(store)


@pytest.fixture
def reviews(store: Store, audit: Audit, people: People) -> Reviews:
    """With a public document, and one that only HR may read. `rita` and `sam` are support, `ada` is an admin."""
    shelve(store, "leave", LEAVE)
    shelve(store, "pay", PAY, "restricted", ("hr",))
    people.add(make_person("rita.support", ("employees", "support"), roles=("employee", "support")), actor="test")
    return Reviews(store, audit)


@pytest.fixture
def sam(people: People) -> Principal:
    return people.get("sam.support")


@pytest.fixture
def rita(people: People, reviews: Reviews) -> Principal:
    return people.get("rita.support")


@pytest.fixture
def ada(people: People) -> Principal:
    return people.get("ada.admin")


def one(reviews: Reviews, who: Principal, wanted: QueueFilter = EVERYTHING) -> Item:
    (item,) = reviews.queue.items(who, wanted)
    return item


def test_a_flag_stands_in_the_queue_with_its_place_and_its_age(turns: Turns, reviews: Reviews, sam: Principal) -> None:
    given = flag(turns, answered(turns), "flag", "outdated")
    item = one(reviews, sam)
    assert (item.feedback_id, item.source, item.status, item.reasons) == (
        given.feedback_id,
        "flag",
        "open",
        ("outdated",),
    )
    assert (item.department, item.language, item.adapter, item.allowed) == ("HR", "en", "base", True)
    assert item.due - item.created_at == timedelta(days=3)
    assert not item.overdue(now()) and item.overdue(now() + timedelta(days=4))


def test_what_is_unsafe_comes_first_and_thumbs_come_last(turns: Turns, reviews: Reviews, sam: Principal) -> None:
    thumb = flag(turns, answered(turns), "up")
    plain = flag(turns, answered(turns))
    urgent = flag(turns, answered(turns), "flag", "unsafe_private")
    order = [item.feedback_id for item in reviews.queue.items(sam, QueueFilter())]
    assert order == [urgent.feedback_id, plain.feedback_id, thumb.feedback_id]


def test_a_flag_that_cannot_be_queued_is_not_kept_either(store: Store, turns: Turns, reviews: Reviews) -> None:
    given = answered(turns)
    with store.begin() as connection:
        connection.execute(sa.text("drop table dataset_hold"))
        connection.execute(sa.text("alter table review_item rename to hidden"))
    with pytest.raises(Exception, match="review_item"):
        flag(turns, given)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(feedback)) == 0


def test_flags_from_before_there_was_a_queue_are_taken_in_once(
    store: Store, turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    given = flag(turns, answered(turns))
    with store.begin() as connection:
        connection.execute(review_item.delete())
    assert adopt(store) == 1
    assert adopt(store) == 0
    assert one(reviews, sam).item_id == item_id_of(given.feedback_id)


def test_a_thumb_that_is_changed_changes_its_item_but_never_a_review(
    turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    answer = answered(turns)
    flag(turns, answer, "down")
    flag(turns, answer, "up")
    up = one(reviews, sam)
    assert up.source == "thumbs_up"
    reviews.decide(up.item_id, sam, REJECT)
    flag(turns, answer, "down")
    kept = {item.item_id: item for item in reviews.queue.items(sam, EVERYTHING)}
    assert len(kept) == 2
    assert kept[up.item_id].status == "done" and kept[up.item_id].feedback_id == ""


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (QueueFilter(), True),
        (QueueFilter(status="open"), True),
        (QueueFilter(status="done"), False),
        (QueueFilter(source="flag"), True),
        (QueueFilter(source="thumbs_up"), False),
        (QueueFilter(department="HR"), True),
        (QueueFilter(department="Finance"), False),
        (QueueFilter(language="de"), False),
        (QueueFilter(adapter="base"), True),
        (QueueFilter(adapter="reader-2"), False),
        (QueueFilter(reason="wrong"), True),
        (QueueFilter(reason="other"), False),
        (QueueFilter(assignee="nobody"), True),
        (QueueFilter(assignee="me"), False),
        (QueueFilter(older_than_days=1), False),
        (QueueFilter(overdue=True), False),
    ],
)
def test_the_queue_is_filtered(
    turns: Turns, reviews: Reviews, sam: Principal, wanted: QueueFilter, found: bool
) -> None:
    flag(turns, answered(turns))
    assert bool(reviews.queue.items(sam, wanted)) is found


def test_who_takes_an_item_holds_it_until_the_lease_is_over(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    taken = reviews.claim(item.item_id, sam)
    assert (taken.status, taken.assigned_to) == ("assigned", "sam.support")
    with pytest.raises(Conflict, match=r"sam\.support is reviewing"):
        reviews.claim(item.item_id, rita)
    with pytest.raises(Conflict, match=r"sam\.support is reviewing"):
        reviews.decide(item.item_id, rita, REJECT)
    later = now() + timedelta(minutes=31)
    assert reviews.queue.item(item.item_id, rita, at=later).status == "open"
    assert reviews.claim(item.item_id, rita, at=later).assigned_to == "rita.support"
    reviews.release(item.item_id, sam)  # not sam's any more
    assert reviews.queue.item(item.item_id, rita, at=later).assigned_to == "rita.support"
    reviews.release(item.item_id, rita)
    assert one(reviews, rita).status == "open"


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_jumps_neither_hides_an_item_nor_leaves_it_held(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal, jump: timedelta
) -> None:
    flag(turns, answered(turns))
    reviews.claim(one(reviews, sam).item_id, sam)
    later = now() + jump
    (item,) = reviews.queue.items(rita, QueueFilter(), at=later)
    assert (item.status, item.assigned_to) == ("open", "")
    assert reviews.claim(item.item_id, rita, at=later).assigned_to == "rita.support"
    with pytest.raises(Conflict, match=r"rita\.support is reviewing"):
        reviews.decide(item.item_id, sam, REJECT, at=later)
    assert reviews.decide(item.item_id, rita, REJECT, at=later).status == "done"


def test_of_many_who_take_one_item_at_once_one_gets_it(
    turns: Turns, reviews: Reviews, people: People, sam: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    staff = [make_person(f"staff.{n}", roles=("support",)) for n in range(6)]
    got: list[str] = []
    gate = threading.Barrier(len(staff))

    def take(who: Principal) -> None:
        gate.wait()
        with suppress(Conflict):
            got.append(reviews.claim(item.item_id, who).assigned_to)

    run(take, staff)
    assert len(got) == 1
    assert one(reviews, sam).assigned_to == got[0]


def test_two_reviewers_who_decide_at_once_are_first_and_second_and_a_third_comes_too_late(
    turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    staff = [make_person(f"staff.{n}", roles=("support",)) for n in range(4)]
    refused: list[str] = []
    gate = threading.Barrier(len(staff))

    def decide(who: Principal) -> None:
        gate.wait()
        try:
            reviews.decide(item.item_id, who, TRAIN)
        except Conflict:
            refused.append(who.person_id)

    run(decide, staff)
    (approved,) = reviews.approved()
    assert [r.step for r in approved.reviews] == ["first", "second"]
    assert len(set(approved.reviewers)) == 2 and approved.agreed is True
    assert sorted([*approved.reviewers, *refused]) == [who.person_id for who in staff]


def run(act: object, staff: list[Principal]) -> None:
    threads = [threading.Thread(target=act, args=(who,)) for who in staff]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_correction_needs_two_who_agree_and_then_may_be_learnt_from(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    answer = answered(turns)
    given = flag(turns, answer)
    item = one(reviews, sam)
    assert reviews.decide(item.item_id, sam, TRAIN).status == "second"
    assert list(reviews.approved()) == []
    reviews.decide(item.item_id, rita, Judgement("train", Correction("text", "25 days of annual leave.")))
    (approved,) = reviews.approved()
    assert (approved.turn, approved.feedback, approved.decision) == (answer, given, "train")
    assert (approved.turn_id, approved.feedback_id, approved.reviewer) == (
        answer.turn_id,
        given.feedback_id,
        "sam.support",
    )
    assert approved.correction == Correction("span", "25 days of annual leave", "leave-1", 34, 57)
    assert LEAVE[34:57] == "25 days of annual leave"
    assert approved.reviewers == ("sam.support", "rita.support") and approved.agreed is True
    assert list(reviews.approved(since=now() + timedelta(seconds=1))) == []


def test_the_second_reviewer_cannot_tell_that_there_was_a_first(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, rita)
    before = reviews.queue.case(item.item_id, rita)
    reviews.decide(item.item_id, sam, TRAIN)
    assert reviews.queue.case(item.item_id, rita) == before
    assert reviews.queue.items(rita, QueueFilter(status="second")) == []
    assert one(reviews, sam, QueueFilter(status="second")).mine
    reviews.decide(item.item_id, rita, TRAIN)
    assert [r.reviewer for r in reviews.queue.case(item.item_id, rita).reviews] == ["sam.support", "rita.support"]


@pytest.mark.parametrize(
    "other",
    [
        REJECT,
        Judgement("train", Correction("refuse")),
        Judgement("train", Correction("text", "30 days of annual leave")),
        Judgement("train", Correction("text", "No 25 days of annual leave")),
        Judgement("train", Correction("text", "Ask the people team about it, they know.")),
    ],
)
def test_a_disagreement_is_kept_and_settled_by_a_third(
    turns: Turns, reviews: Reviews, people: People, sam: Principal, rita: Principal, ada: Principal, other: Judgement
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    reviews.decide(item.item_id, sam, TRAIN)
    assert reviews.decide(item.item_id, rita, other).status == "adjudicate"
    for again in (sam, rita):
        with pytest.raises(Conflict, match="decided this item already"):
            reviews.decide(item.item_id, again, Judgement("fix_guard"))
    case = reviews.queue.case(item.item_id, ada)
    assert case.adjudicates and case.may_decide
    assert [r.decision for r in case.reviews] == ["train", other.decision]
    assert reviews.decide(item.item_id, ada, TRAIN).status == "done"
    (approved,) = reviews.approved()
    assert approved.agreed is False
    assert [r.step for r in approved.reviews] == ["first", "second", "adjudication"]
    assert approved.reviewer == "ada.admin"


def test_by_setting_one_reviewer_is_enough_or_every_decision_needs_two(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    flag(turns, answered(turns))
    alone = Reviews(store, audit, twice=())
    assert alone.decide(one(reviews, sam).item_id, sam, TRAIN).status == "done"
    (approved,) = alone.approved()
    assert approved.agreed is None
    flag(turns, answered(turns))
    both = Reviews(store, audit, twice=DECISIONS)
    item = one(reviews, sam, QueueFilter())
    assert both.decide(item.item_id, sam, REJECT).status == "second"
    assert both.decide(item.item_id, rita, REJECT).status == "done"


def test_nobody_decides_on_their_own_question(turns: Turns, reviews: Reviews, sam: Principal, rita: Principal) -> None:
    flag(turns, answered(turns, person="sam.support"))
    item = one(reviews, sam)
    for refused in (lambda: reviews.claim(item.item_id, sam), lambda: reviews.decide(item.item_id, sam, TRAIN)):
        with pytest.raises(NotAllowed, match="You asked this question yourself"):
            refused()
    assert reviews.claim_next(sam, QueueFilter()) is None
    assert not reviews.queue.case(item.item_id, sam).may_decide
    assert reviews.claim_next(rita, QueueFilter()) is not None


def test_only_reviewers_review(turns: Turns, reviews: Reviews, people: People, sam: Principal) -> None:
    flag(turns, answered(turns))
    emma, item = people.get("hana.hr"), one(reviews, sam)
    for act in (
        lambda: reviews.claim(item.item_id, emma),
        lambda: reviews.decide(item.item_id, emma, REJECT),
        lambda: reviews.queue.case(item.item_id, emma),
        lambda: reviews.assign(item.item_id, "sam.support", by=emma),
    ):
        with pytest.raises(NotAllowed):
            act()
    with pytest.raises(NotFound):
        reviews.claim("nothing", sam)


def test_a_reviewer_sees_no_word_of_what_they_may_not_read_and_hands_it_to_one_who_may(
    turns: Turns, reviews: Reviews, people: People, sam: Principal
) -> None:
    asked = answered(
        turns, person="emma.employee", document_id="pay", question="What does the director get?", answer=PAY
    )
    flag(turns, asked)
    item = one(reviews, sam)
    assert (item.allowed, item.needs) == (False, "restricted")
    case = reviews.queue.case(item.item_id, sam)
    said = repr(case)
    for secret in ("200 000", "director", "carry-over", "25 days", "'Pay'", "'pay'", "Days"):
        assert secret not in said
    assert not case.may_decide and "you may not read all of them" in case.why_not
    assert case.readers == []
    with pytest.raises(NotAllowed, match="restricted"):
        reviews.claim(item.item_id, sam)
    with pytest.raises(NotAllowed, match="restricted"):
        reviews.decide(item.item_id, sam, TRAIN)
    assert reviews.claim_next(sam, QueueFilter()) is None
    cleared = make_person("hilda.hr", ("employees", "hr"), "restricted", ("employee", "support"))
    people.add(cleared, actor="test")
    assert reviews.queue.case(item.item_id, sam).readers == ["hilda.hr"]
    with pytest.raises(Conflict, match=r"ada\.admin cannot take this item"):
        reviews.assign(item.item_id, "ada.admin", by=sam)
    assert reviews.assign(item.item_id, "hilda.hr", by=sam).assigned_to == "hilda.hr"
    assert PAY in repr(reviews.queue.case(item.item_id, cleared))
    reviews.decide(item.item_id, cleared, REJECT)
    assert PAY not in repr(reviews.queue.case(item.item_id, sam))


def test_an_item_is_taken_from_its_holder_by_an_administrator_only(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal, ada: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    reviews.claim(item.item_id, sam)
    with pytest.raises(NotAllowed, match="only an administrator"):
        reviews.assign(item.item_id, "rita.support", by=rita)
    assert reviews.assign(item.item_id, "rita.support", by=ada).assigned_to == "rita.support"
    with pytest.raises(NotFound):
        reviews.assign(item.item_id, "nobody.known", by=ada)
    with pytest.raises(Conflict, match="needs the role"):
        reviews.assign(item.item_id, "emma.employee", by=ada)
    assert one(reviews, ada).assigned_to == "rita.support"


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (Judgement("train"), "Say what the answer should have been"),
        (Judgement("train", Correction("span", "40 days")), "stand in none of the passages"),
        (Judgement("train", Correction("span", "", "leave-1", 10, 9999)), "outside the passage"),
        (Judgement("train", Correction("span", "", "leave-1", -9, 4)), "outside the passage"),
        (Judgement("train", Correction("span", "25 weeks", "leave-1", 34, 57)), "does not hold these words"),
        (Judgement("train", Correction("text", "   ")), "Write the answer"),
        (Judgement("train", Correction("clarify")), "asked back"),
        (Judgement("train", Correction("text", "x" * 8001)), "at most 8000"),
        (Judgement("train", Correction("other")), "A correction is one of"),  # type: ignore[arg-type]
        (Judgement("reject", SPAN), "goes with the decision train"),
        (Judgement("reject", note="x" * 4001), "at most 4000"),
        (Judgement("fix_document"), "Write in the note"),
        (Judgement("nonsense"), "Choose one of"),  # type: ignore[arg-type]
    ],
)
def test_a_judgement_that_does_not_fit_is_refused_and_changes_nothing(
    turns: Turns, reviews: Reviews, sam: Principal, judgement: Judgement, said: str
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    with pytest.raises(BadInput, match=said):
        reviews.decide(item.item_id, sam, judgement)
    assert one(reviews, sam) == item


def test_a_marked_passage_that_is_not_the_reviewers_to_read_is_refused(
    turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    flag(turns, answered(turns))
    with pytest.raises(Conflict, match="not yours to read"):
        reviews.decide(one(reviews, sam).item_id, sam, Judgement("train", Correction("span", "", "pay-1", 0, 5)))


def test_the_same_decision_sent_again_is_kept_once(turns: Turns, reviews: Reviews, sam: Principal) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    first = reviews.decide(item.item_id, sam, TRAIN)
    assert reviews.decide(item.item_id, sam, TRAIN) == first
    assert len(reviews.queue.case(item.item_id, sam).reviews) == 1


def test_a_temporary_chat_keeps_no_words_and_nothing_is_learnt_from_it(
    turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    kept = answered(turns, temporary=True, conversation_id=None, question="", standalone_question="", answer="")
    flag(turns, kept)
    item = one(reviews, sam)
    assert item.temporary
    with pytest.raises(Conflict, match="temporary chat"):
        reviews.decide(item.item_id, sam, TRAIN)
    assert reviews.decide(item.item_id, sam, Judgement("fix_retrieval")).status == "done"


def test_who_opts_out_is_never_learnt_from_not_even_from_what_was_approved_before(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    for who in (sam, rita):
        reviews.decide(item.item_id, who, TRAIN)
    consent = Consent(store, audit)
    assert consent.allowed("emma.employee") and len(list(reviews.approved())) == 1
    consent.set("emma.employee", allowed=False)
    assert consent.opted_out() == {"emma.employee"} and not consent.allowed("emma.employee")
    assert list(reviews.approved()) == []
    consent.set("emma.employee", allowed=True)
    assert len(list(reviews.approved())) == 1


def test_the_database_counts_what_may_be_learnt_from_as_it_is_listed(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews
) -> None:
    """Items of every make, agreed or not, settled once or twice, of blanks, gold, and of people who opted out."""
    rng = random.Random(20261128)
    assert "".join(filter(str.isspace, map(chr, range(0x3001)))) == BLANK
    Consent(store, audit).set("carl.contractor", allowed=False)
    corrections: list[dict[str, object]] = [
        {},
        *({"kind": kind, "answer": "25"} for kind in ("span", "text", "refuse")),
    ]
    for number in range(48):
        asker = rng.choice(("emma.employee", "emma.employee", "sam.support", "carl.contractor"))
        asked = answered(turns, asker, question=rng.choice((LEAVE, LEAVE, LEAVE, BLANK, f"{BLANK}How?")))
        item = item_id_of(flag(turns, asked).feedback_id)
        status, gold = (
            rng.choice(("done",) * 5 + ("second",)),
            rng.choice((None,) * 7 + ({"decision": "train"},)),
        )
        steps = rng.choice(
            (["first"], ["first", "second"], ["first", "second", "adjudication"], ["first"] + ["adjudication"] * 2)
        )
        decision = rng.choice(("train",) * 5 + ("reject",))
        made = [
            {
                "review_id": f"r{number:03d}-{rng.random():.6f}",
                "item_id": item,
                "reviewer": rng.choice(("sam.support", "rita.support")),
                "step": step,
                "decision": rng.choice((decision,) * 4 + ("reject",)),
                "correction": rng.choice(corrections[1:] * 3 + corrections),
                "note": "",
                "seconds": 1.0,
                "created_at": now() + timedelta(seconds=rng.randrange(2)),
            }
            for step in steps
        ]
        rng.shuffle(made)
        with store.begin() as connection:
            change = {"status": status, "gold": gold if gold else sa.null(), "closed_at": now()}
            connection.execute(review_item.update().where(review_item.c.item_id == item).values(change))
            connection.execute(review.insert(), made)
    listed = len(list(reviews.approved()))
    assert 8 < listed < 40
    assert reviews.approved_count() == listed


def test_a_person_who_deletes_a_conversation_takes_its_items_with_it(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    answer = answered(turns)
    flag(turns, answer)
    item = one(reviews, sam)
    for who in (sam, rita):
        reviews.decide(item.item_id, who, TRAIN)
    turns.delete(str(answer.conversation_id), "emma.employee")
    assert list(reviews.approved()) == [] and reviews.queue.items(sam, EVERYTHING) == []
    with pytest.raises(NotFound):
        reviews.decide(item.item_id, sam, REJECT)


def test_a_good_answer_is_confirmed_as_an_example(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal
) -> None:
    flag(turns, answered(turns), "up")
    item = one(reviews, sam)
    for who in (sam, rita):
        reviews.decide(item.item_id, who, Judgement("train", Correction("confirm")))
    (approved,) = reviews.approved()
    assert (approved.source, approved.correction.kind) == ("thumbs_up", "confirm")


def test_a_wrong_document_becomes_its_owners_task_and_is_closed_with_a_note(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, people: People, sam: Principal, ada: Principal
) -> None:
    owner = make_person("people")
    people.add(owner, actor="test")
    flag(turns, answered(turns))
    note = "The carry-over ends in June now."
    reviews.decide(one(reviews, sam).item_id, sam, Judgement("fix_document", note=note))
    tasks = DocumentTasks(store, audit)
    (task,) = tasks.listed(owner)
    assert (task.document_id, task.version, task.owner, task.note) == ("leave", 1, "people@kestrelbay.example", note)
    assert tasks.listed(people.get("emma.employee")) == [] and len(tasks.listed(ada)) == 1
    with pytest.raises(NotFound):
        tasks.close(task.task_id, people.get("emma.employee"), "Done.")
    with pytest.raises(BadInput, match="what was done"):
        tasks.close(task.task_id, owner, " ")
    assert tasks.close(task.task_id, owner, "Version 2 is approved.").closed_by == "people"
    with pytest.raises(Conflict, match="closed already"):
        tasks.close(task.task_id, owner, "Again.")
    assert tasks.listed(owner) == []
    assert [t.closing_note for t in tasks.listed(owner, closed=True)] == ["Version 2 is approved."]


def test_a_mailboxs_task_is_seen_by_those_of_its_group_who_may_read_the_document(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, people: People, ada: Principal
) -> None:
    tasks = DocumentTasks(store, audit)
    given, secret = answered(turns), answered(turns, "hana.hr", document_id="pay")
    hana, emma, sam = (people.get(name) for name in ("hana.hr", "emma.employee", "sam.support"))

    def told(asked: Turn) -> Recipients:
        found = tasks.recipients(asked, ["leave-1", "no-such"])
        assert found["leave-1"].owner == "people@kestrelbay.example" and found["no-such"] == found[""]
        return found[""]

    assert told(given) == Recipients("people@kestrelbay.example", "", 0)
    people.set_mailbox("People@kestrelbay.example", "hr", actor="test")
    people.add(make_person("temp.hr", ("employees", "hr"), clearance="internal"), actor="test")
    people.add(make_person("gone.hr", ("hr",)), actor="test")
    people.deactivate("gone.hr", actor="test")
    temp = people.get("temp.hr")
    assert told(given) == Recipients("people@kestrelbay.example", "hr", 2)
    assert told(secret) == Recipients("people@kestrelbay.example", "hr", 1), "temp.hr may not read the document"
    clear = people.get("ada.admin")
    people.update(replace(clear, groups=clear.groups | {"hr"}), actor="test")
    for asked in (given, secret):
        flag(turns, asked)
        item = next(i for i in reviews.queue.items(clear, QueueFilter()) if i.turn_id == asked.turn_id)
        reviews.decide(item.item_id, people.get("ada.admin"), Judgement("fix_document", note="It is old."))
    assert [one.document_id for one in tasks.listed(hana)] == ["leave", "pay"]
    assert [one.document_id for one in tasks.listed(temp)] == ["leave"]
    assert tasks.listed(emma) == tasks.listed(sam) == []
    (leave, pay) = tasks.listed(hana)
    for who, task in ((temp, pay), (emma, leave)):
        with pytest.raises(NotFound):
            tasks.close(task.task_id, who, "Done.")
    assert tasks.close(leave.task_id, temp, "Version 2 is approved.").closed_by == "temp.hr"
    assert not reviews.queue.item(item.item_id, temp).allowed, "a mailbox opens no document"
    people.remove_mailbox("people@kestrelbay.example", actor="test")
    assert tasks.listed(hana) == []


def test_a_question_that_found_no_document_cannot_become_a_documents_task(
    turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    flag(turns, answered(turns, passages=(), citations=(), status="no_answer"))
    item = one(reviews, sam)
    with pytest.raises(BadInput, match="No document was found"):
        reviews.decide(item.item_id, sam, Judgement("fix_document", note="Write one."))
    assert one(reviews, sam) == item


def test_every_decision_but_train_closes_the_item_and_is_audited(
    turns: Turns, reviews: Reviews, audit: Audit, sam: Principal
) -> None:
    for decision in set(DECISIONS) - {"train"}:
        flag(turns, answered(turns))
        item = one(reviews, sam, QueueFilter())
        assert reviews.decide(item.item_id, sam, Judgement(decision, note="See there.")).status == "done"
    acts = [row.action for row in audit.rows()]
    assert acts.count("review.decide") == 5 and audit.verify() == []
    assert list(reviews.approved()) == []


def test_what_is_done_is_found_by_what_it_was_settled_to(
    turns: Turns, reviews: Reviews, sam: Principal, rita: Principal, ada: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    reviews.decide(item.item_id, sam, TRAIN)
    assert one(reviews, rita).decision is None and one(reviews, sam).decision is None
    reviews.decide(item.item_id, rita, REJECT)
    reviews.decide(item.item_id, ada, Judgement("fix_retrieval"))
    for who in (sam, rita, ada, None):
        assert [i.decision for i in reviews.queue.items(who, QueueFilter("done", decision="fix_retrieval"))] == [
            "fix_retrieval"
        ]
        assert reviews.queue.items(who, QueueFilter("done", decision="train")) == []


def test_the_decision_on_what_one_may_not_read_and_anothers_on_gold_is_not_told(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, people: People
) -> None:
    sam, rita, ada = (people.get(name) for name in ("sam.support", "rita.support", "ada.admin"))
    flag(turns, answered(turns))
    item = one(reviews, sam)
    reviews.decide(item.item_id, sam, REJECT)
    gold = Gold(store, audit).add(item.item_id, by=ada)
    mine = {i.item_id: i for i in reviews.queue.items(rita, EVERYTHING)}
    assert (mine[gold].status, mine[gold].decision) == ("open", None)
    reviews.decide(gold, rita, Judgement("fix_guard"))
    mine = {i.item_id: i for i in reviews.queue.items(rita, EVERYTHING)}
    assert (mine[gold].decision, mine[item.item_id].decision) == ("fix_guard", "reject")
    secret = answered(turns, "hana.hr", document_id="pay")
    flag(turns, secret)
    hidden = next(i for i in reviews.queue.items(sam, EVERYTHING) if i.turn_id == secret.turn_id)
    assert (hidden.allowed, hidden.decision) == (False, None)


def test_what_a_gold_item_was_settled_to_cannot_be_looked_up_before_it_is_decided(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, people: People
) -> None:
    sam, rita, ada = (people.get(name) for name in ("sam.support", "rita.support", "ada.admin"))
    given = answered(turns)
    flag(turns, given, "down")
    thumb = one(reviews, sam)
    reviews.decide(thumb.item_id, ada, REJECT)
    flag(turns, given)
    item = next(i for i in reviews.queue.items(sam, QueueFilter()) if i.source == "flag")
    reviews.decide(item.item_id, sam, REJECT)
    gold = Gold(store, audit).add(item.item_id, by=ada)

    def seen(who: Principal) -> set[str]:
        listed = {i.item_id for wanted in ("", "done") for i in reviews.queue.items(who, QueueFilter(status=wanted))}
        assert {row["item_id"] for row in exported(reviews.queue, who, EVERYTHING)} <= listed
        return listed

    assert seen(rita) == {gold}, "nor the other closed item of the same answer"
    for closed in (item.item_id, thumb.item_id):
        for look in (reviews.queue.item, reviews.queue.case, reviews.claim):
            with pytest.raises(NotFound):
                look(closed, rita)
    assert seen(ada) == seen(sam) | {thumb.item_id} == {gold, item.item_id, thumb.item_id}
    later = answered(turns)
    flag(turns, later)
    other = next(i for i in reviews.queue.items(rita, QueueFilter()) if i.turn_id == later.turn_id)
    line = json.dumps({"question": later.question, "reviewer": "rita.support", "decision": "reject"})
    (kept,) = import_decisions(line, reviews, store, people)
    assert (kept.item_id, kept.status, kept.error) == (other.item_id, "done", "")
    reviews.decide(gold, rita, Judgement("fix_guard"))
    assert seen(rita) == {gold, item.item_id, thumb.item_id, other.item_id}
    assert len(reviews.queue.case(item.item_id, rita).reviews) == 1


def test_who_decides_an_item_of_a_gold_items_answer_still_sees_their_own_decision(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, people: People
) -> None:
    sam, rita, ada = (people.get(name) for name in ("sam.support", "rita.support", "ada.admin"))
    given = answered(turns)
    flag(turns, given)
    first = one(reviews, sam)
    reviews.decide(first.item_id, sam, REJECT)
    Gold(store, audit).add(first.item_id, by=ada)
    flag(turns, given, "up")
    again = next(i for i in reviews.queue.items(rita, QueueFilter()) if i.source == "thumbs_up")
    assert reviews.decide(again.item_id, rita, REJECT).decision == "reject"
    assert first.item_id not in {i.item_id for i in reviews.queue.items(rita, EVERYTHING)}


def test_who_settled_the_item_that_became_gold_is_never_given_it(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, people: People
) -> None:
    sam, rita, ada = (people.get(name) for name in ("sam.support", "rita.support", "ada.admin"))
    flag(turns, answered(turns))
    item = one(reviews, sam)
    reviews.decide(item.item_id, sam, TRAIN)
    reviews.decide(item.item_id, rita, TRAIN)
    gold = Gold(store, audit).add(item.item_id, by=ada)
    for who in (sam, rita, ada):
        assert reviews.queue.items(who, QueueFilter()) == [] and reviews.claim_next(who, QueueFilter()) is None
        for act in (lambda w: reviews.claim(gold, w), lambda w: reviews.decide(gold, w, REJECT)):
            with pytest.raises(Conflict, match="decided this item already"):
                act(who)
        with pytest.raises(Conflict, match="decided this item already"):
            reviews.assign(gold, who.person_id, by=ada)


def test_a_reviewer_is_told_that_the_asker_said_no_to_training(
    store: Store, audit: Audit, turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    flag(turns, answered(turns))
    item = one(reviews, sam)
    assert reviews.queue.case(item.item_id, sam).may_train
    Consent(store, audit).set("emma.employee", allowed=False)
    assert not reviews.queue.case(item.item_id, sam).may_train


def test_a_queue_and_its_export_hold_everything_however_much_it_is(
    store: Store, turns: Turns, reviews: Reviews, sam: Principal
) -> None:
    flag(turns, answered(turns))
    crowd(store, 1010)
    assert len({item.item_id for item in reviews.queue.items(sam, QueueFilter())}) == 1010
    rows = list(exported(reviews.queue, sam, QueueFilter()))
    assert len({row["item_id"] for row in rows}) == 1010 and all(row["question"] for row in rows)
