"""Fit the chance of retrieval/scope.py: python scripts/fit_scope.py

Every wording of demo/loop.yaml's corrections stands for a taught question. For each other wording and each everyday question, the
passages found are those that hold the answer to it or not, by the cosine to the nearest taught question that they answer.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import loop  # noqa: E402


def main() -> None:
    lessons, everyday = loop.read_lessons()
    asked = [(text, one.asked_by[0], n, ()) for n, one in enumerate(lessons) for text in one.ask]
    asked += [(one.question, one.asked_by, -1, one.must_include) for one in everyday]
    taught = [(text, n) for n, one in enumerate(lessons) for text in one.ask]
    cosines, answers = [], []
    with tempfile.TemporaryDirectory() as home:
        here = loop.Loop(Path(home), lessons, everyday, Namespace(reader="quote", json=False))
        loop.ingest(here)
        with loop.opened(here) as assistant:
            retriever = assistant.retriever.on(loop.TODAY)
            vectors = assistant.embedder.encode([text for text, _ in taught])
            for text, person, lesson, must_include in asked:
                who = loop.people_like(assistant, person)[0]
                near = vectors @ assistant.embedder.encode([text])[0]
                for passage in retriever.retrieve(text, who, limit=8, mode=retriever.best_mode).passages:
                    held = [
                        near[i]
                        for i, (other, n) in enumerate(taught)
                        if other != text and lessons[n].marked in passage.text
                    ]
                    if held:
                        cosines.append(max(held))
                        own = lessons[lesson].marked in passage.text if lesson >= 0 else False
                        says = bool(must_include) and all(one in passage.text for one in must_include)
                        answers.append(own or says)
    x, y = np.array(cosines), np.array(answers)
    for low in np.arange(0.1, 0.9, 0.1):
        part = y[(x >= low) & (x < low + 0.1)]
        print(f"cosine {low:.1f} to {low + 0.1:.1f}: {part.mean() if len(part) else 0:.2f} of {len(part)}")
    fitted = LogisticRegression(C=100).fit(x[:, None], y)
    steepness = float(fitted.coef_[0, 0])
    print(f"STEEPNESS, EVEN = {steepness:.1f}, {-float(fitted.intercept_[0]) / steepness:.3f}  (n = {len(x)})")


if __name__ == "__main__":
    main()
