"""What administrators see of reviewing: agreement, accuracy on gold items, and which closed items could become gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.pages.render import day, esc
from assistant.pages.review_list import DECISION_NAMES
from core.agreement import Coefficient
from core.rates import Rate
from core.review_gold import Agreement, GoldItem
from core.review_records import Item

SHOWN = 20


def figures(found: Agreement, gold: Sequence[GoldItem], closed: Sequence[Item], questions: Mapping[str, str]) -> str:
    """The figures, each with its n and its 95 % interval."""
    pairs = "".join(
        f"<tr><td>{esc(one.first)}</td><td>{esc(one.second)}</td>{_coefficient(one.kappa)}</tr>" for one in found.pairs
    )
    people = "".join(f"<tr><td>{esc(who)}</td>{_rate(rate)}</tr>" for who, rate in found.accuracy.items())
    none = "No two reviewers have decided the same item yet."
    return (
        "<h3>Agreement</h3>"
        + (_agreed(found) if found.agreed.n or found.waiting else "")
        + _table("Reviewer", "Reviewer", "Cohen's kappa", "95%", "n", rows=pairs, none=none)
        + "<h3>Gold items</h3><p class='ea-muted'>A gold item looks like any other in the queue. What reviewers decide on it is compared "
        "with what it was settled to, and goes nowhere else.</p>"
        + _table("Reviewer", "Right", "95%", "n", rows=people, none="Nobody has met a gold item yet.")
        + _gold(gold)
        + _candidates(closed, questions, {one.made_from for one in gold})
    )


def _agreed(found: Agreement) -> str:
    waiting = f"{found.waiting} item waits" if found.waiting == 1 else f"{found.waiting} items wait"
    return (
        f"<p>Two reviewers said the same on {_share(found.agreed)}. {waiting} for a third person. "
        f"Krippendorff's alpha over all decisions: {_value(found.alpha)}.</p>"
    )


def _gold(gold: Sequence[GoldItem]) -> str:
    rows = "".join(
        f"<tr><td>{DECISION_NAMES[one.decision]}</td><td>{esc(one.made_by)}</td><td>{day(one.created_at)}</td>"
        f'<td>{one.answers}</td><td><button type="button" class="ea-small" data-act="gold_remove" data-id="{esc(one.item_id)}">'
        "Take out</button></td></tr>"
        for one in gold
    )
    return _table("Settled to", "Made by", "On", "Met by", "", rows=rows, none="There are no gold items.")


def _candidates(closed: Sequence[Item], questions: Mapping[str, str], made: set[str]) -> str:
    rows = "".join(
        f'<tr><td>{esc(questions[item.item_id])}</td><td><button type="button" class="ea-small" data-act="gold_add" '
        f'data-id="{esc(item.item_id)}">Make gold</button></td></tr>'
        for item in [one for one in closed if one.item_id in questions and one.item_id not in made][:SHOWN]
    )
    return "<h3>Closed lately</h3>" + _table("Question", "", rows=rows, none="Nothing is closed yet.")


def _table(*heads: str, rows: str, none: str) -> str:
    if not rows:
        return f'<p class="ea-muted">{none}</p>'
    head = "".join(f"<th>{one}</th>" for one in heads)
    return (
        f'<div class="ea-table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _coefficient(one: Coefficient) -> str:
    interval = f"{one.low:.2f} to {one.high:.2f}" if one.low is not None and one.high is not None else ""
    value = f"{one.value:.2f}" if one.value is not None else "not defined"
    return f"<td class='ea-num'>{value}</td><td class='ea-num'>{interval}</td><td class='ea-num'>{one.n}</td>"


def _rate(one: Rate) -> str:
    return f"<td class='ea-num'>{one.rate:.0%}</td><td class='ea-num'>{one.low:.0%} to {one.high:.0%}</td><td class='ea-num'>{one.n}</td>"


def _share(one: Rate) -> str:
    return f"{one.passed} of {one.n} items ({one.low:.0%} to {one.high:.0%})" if one.n else "no item yet"


def _value(one: Coefficient) -> str:
    return f"{one.value:.2f} over {one.n} items" if one.value is not None else f"not defined yet (n = {one.n})"
