"""Average readers into a better one: python -m training soup --data DIR --out DIR --adapter ID MEMBER MEMBER...

A MEMBER is a trained reader: the id or folder of an adapter, or the `full.pt` of a run of `python -m training reader`. All went on
from the same encoder, and differ in their seed, their start or how far they went. The mean of their weights reads better than each of
them, at the cost of one ("model soup": Wortsman et al. 2022, arXiv:2203.05482), as each has also learnt what is only its own run's.
It is kept whole in full.pt, cut to low rank, scored on held-out articles and sites, and written as an adapter. Nothing is trained
here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from core.errors import BadInput
from retrieval.heads import ReaderNet
from retrieval.network import torch_run
from training.cards import reader_card
from training.loop import RECIPE, begin, save_whole
from training.reader import Data, Recipe, Scores, bare_net, command_of, keep, low_rank, moments_on, publish_reader
from training.retrain import load_reader, open_start

FULL = ".pt"


def member(name: str) -> ReaderNet:
    """The whole network of an adapter, or of a run's `full.pt`.

    Raises:
        BadInput: there is no such file or adapter, or the file holds no reader.
        AdapterRefused: the adapter's folder holds no intact reader.
    """
    if not name.endswith(FULL):
        return load_reader(open_start(name))
    net = bare_net()
    try:
        net.load_state_dict(torch.load(name, weights_only=True, map_location="cpu"))
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise BadInput(f"{name} does not hold the weights of a reader: name the full.pt of a run. {error}") from error
    return net


@torch.no_grad()
def mean(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float] = ()) -> dict[str, Tensor]:
    """The mean of each weight, of which each state is the share given (an equal one unless told otherwise); what is no number with
    a fraction is the first one's."""
    shares = shares or [1 / len(states)] * len(states)

    def of(name: str) -> Tensor:
        stacked = torch.stack([state[name] for state in states])
        weighed: Tensor = torch.tensordot(stacked.new_tensor(shares), stacked, 1)
        return weighed

    return {name: of(name) if weight.is_floating_point() else weight for name, weight in states[0].items()}


def run(arguments: argparse.Namespace) -> int:
    members: list[str] = arguments.members
    if len(members) < 2:
        raise BadInput("A mean takes two readers or more: name each by its id, folder or full.pt.")
    made = f"The mean of the weights of {len(members)} readers, {_runs(members)}, and no further training"
    folder: Path = arguments.out
    begin(
        folder, {"data": str(arguments.data), "members": members, "rank": arguments.rank, "adapter": arguments.adapter}
    )
    net = bare_net()
    net.load_state_dict(mean([member(name).state_dict() for name in members]))
    save_whole(folder / f"full{FULL}", net.state_dict())
    data = Data.load(arguments.data, Recipe.seed)
    scores: Scores = {}
    keep(scores, f"mean of {len(members)}", torch_run(net.eval()), data, folder)
    moments = moments_on(net, data, Recipe(data=str(arguments.data)))
    cut = low_rank(net, bare_net(), arguments.rank, moments)
    keep(scores, f"cut to rank {arguments.rank}", torch_run(cut.eval()), data, folder)
    command = (
        f"python -m training soup --data DIR --out DIR --adapter {arguments.adapter} {' '.join(map(_name, members))}"
    )
    card = partial(reader_card, arguments.adapter, command, made, scores)
    publish_reader(cut, arguments.adapter, folder, data, scores, card)
    return 0


def _name(given: str) -> str:
    """As a card shows it: a shipped adapter's id, or a run's folder with its file or adapter."""
    path = Path(given)
    return f"{path.parent.name}/{path.name}" if path.exists() else given


def _runs(members: Sequence[str]) -> str:
    """What each run's folder among the members was made by.

    Raises:
        BadInput: a member lies in a folder that no run of `python -m training reader` made.
    """
    folders = dict.fromkeys(path.parent for one in members if (path := Path(one)).exists())
    told = ["the shipped ones by their cards"]
    for folder in folders:
        try:
            recipe = Recipe(**json.loads((folder / RECIPE).read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise BadInput(
                f"{folder} is no folder of a run of python -m training reader, so that a card could not say how its reader "
                f"was made: its {RECIPE} is missing or another's."
            ) from error
        told.append(f"{folder.name} by `{command_of(recipe)}`")
    return ", ".join(told)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("soup", help="average readers into a better one", description=__doc__)
    parser.add_argument("members", nargs="+", metavar="MEMBER", help="an adapter's id or folder, or a run's full.pt")
    parser.add_argument("--data", type=Path, required=True, help="folder with the reading sets, to score on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the scores and the adapter")
    parser.add_argument("--adapter", required=True, help="id of the adapter that is written")
    parser.add_argument("--rank", type=int, default=Recipe.rank)
