"""The embedded reader: finds answers, knows what it cannot answer, keeps serving when a bad adapter is offered."""

from __future__ import annotations

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assistant.__main__ import main
from assistant.embedded import READER_WEIGHTS, SPAN_WEIGHT, weights_of
from assistant.reader import DEFAULT, MAX_PASSAGE_CHARS, MAX_QUESTION_CHARS, Readers
from assistant.units import sentence_around
from core.errors import AdapterRefused, BadInput, NotFound, TooLarge
from core.settings import load_settings
from retrieval.adapters import SHIPPED

pytestmark = pytest.mark.slow

LEAVE = "The office opens at nine. Full-time employees receive 25 days of annual leave in each calendar year."
BADGE = "Visitors wear a badge at all times and are met at reception by the person whom they visit."
QUESTION = "How many days of annual leave do full-time employees receive?"


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    return Readers(load_settings(home=tmp_path_factory.mktemp("home")))


def test_finds_the_answer_in_the_right_passage(readers: Readers) -> None:
    best = readers.read(QUESTION, [BADGE, LEAVE])[0]
    assert best.passage == 1
    assert "25" in LEAVE[best.start : best.end]
    assert best.probability > 0.5


def test_says_that_no_passage_answers(readers: Readers) -> None:
    assert readers.read("When does the museum in Lisbon close?", [BADGE])[0].probability < 0.5


def test_best_span_of_each_sentence_lies_in_that_sentence(readers: Readers) -> None:
    ranges = [(0, 25), (26, len(LEAVE))]
    (reading,) = readers.read(QUESTION, [LEAVE], ranges=[ranges])
    spans = [span for span in reading.best_within if span]
    assert len(spans) == 2
    assert all(low <= a < b <= high for (low, high), (_, a, b) in zip(ranges, spans, strict=True))
    assert spans[1][0] > spans[0][0]


def test_long_passage_is_read_to_its_end(readers: Readers) -> None:
    passage = BADGE + " " + "The form is returned to the service desk within the week. " * 150 + LEAVE
    best = readers.read(QUESTION, [passage])[0]
    assert "25" in passage[best.start : best.end]


def test_people_who_ask_at_once_each_get_their_own_answer(readers: Readers) -> None:
    hours = [f"{hour}:15" for hour in range(8, 20)]

    def ask(hour: str) -> str:
        text = f"The canteen is on the ground floor. It closes at {hour} on weekdays."
        best = readers.read("When does the canteen close?", [BADGE, text])[0]
        return text[best.start : best.end] if best.passage == 1 else ""

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, hours * 3))
    assert all(hour in answer for hour, answer in zip(hours * 3, found, strict=True))


@pytest.mark.parametrize(
    ("question", "passages", "error", "says"),
    [
        ("", [LEAVE], BadInput, "question is empty"),
        ("?!", [LEAVE], BadInput, "question is empty"),
        ("When?", [], BadInput, "no passage to read"),
        ("When?", ["", " \n"], BadInput, "no passage to read"),
        ("why " * 5000, [LEAVE], TooLarge, f"at most {MAX_QUESTION_CHARS:,}"),
        ("When?", ["word " * 50_000], TooLarge, f"at most {MAX_PASSAGE_CHARS:,}"),
        ("When?", [LEAVE] * 101, TooLarge, "at most 100"),
    ],
)
def test_input_that_cannot_be_read_is_refused_with_what_to_change(
    readers: Readers, question: str, passages: list[str], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        readers.read(question, passages)


def test_bad_adapter_is_refused_and_the_production_one_keeps_serving(readers: Readers, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / DEFAULT, tmp_path / DEFAULT))
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    before = readers.network()
    with pytest.raises(AdapterRefused, match="was changed or cut short"):
        readers.admit(folder)
    assert readers.network() is before
    assert readers.read(QUESTION, [LEAVE])[0].probability > 0.5


def test_two_adapters_are_resident_and_a_call_names_the_one_that_it_wants(tmp_path: Path) -> None:
    from retrieval.adapters import write_manifest

    settings = load_settings(home=tmp_path)
    folder = Path(shutil.copytree(SHIPPED / DEFAULT, tmp_path / "adapters" / "reader-strict"))
    write_manifest(folder, "reader-strict", "reader", {"margin": 0.0, "answerable": 0.0, "offset": -9.0})
    readers = Readers(settings, DEFAULT, "reader-strict")
    assert readers.read(QUESTION, [LEAVE])[0].probability > 0.5
    assert readers.read(QUESTION, [LEAVE], adapter_id="reader-strict")[0].probability < 0.01
    with pytest.raises(NotFound, match="no adapter 'reader-9'"):
        readers.read(QUESTION, [LEAVE], adapter_id="reader-9")


def test_read_command_answers_line_by_line_and_goes_on_after_a_bad_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [
        json.dumps({"id": "a", "question": QUESTION, "passages": [BADGE, LEAVE]}),
        "{",
        json.dumps({"id": "c", "question": "", "passages": [LEAVE]}),
        json.dumps({"id": "d", "passages": [LEAVE]}),
        json.dumps({"id": "e", "question": "When?", "passages": "text"}),
        "",
        json.dumps({"id": "g", "question": "Who wears a badge?", "passages": [BADGE]}),
    ]
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", standard_input("\n".join(lines).encode()))
    assert main(["read"]) == 2
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in out] == ["a", 2, "c", "d", "e", "g"]
    assert list(out[0]) == ["id", "answer", "sentence", "passage", "score", "answerable", "ms"]
    assert out[0]["passage"] == 1
    assert out[0]["answerable"]
    assert out[0]["sentence"].startswith("Full-time employees")
    assert [line.get("error") for line in out[1:5]] == ["bad_input"] * 4
    assert "Line 2 is no JSON" in out[1]["message"]
    assert out[5]["answer"].lower().startswith("visitors")


def test_read_command_reads_utf8_and_goes_on_after_lines_that_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good = {"question": "Who wears a badge?", "passages": [BADGE]}
    lines = [
        "\ufeff".encode() + json.dumps({"id": "ä", **good}, ensure_ascii=False).encode() + b"\r",
        b'{"id": 2, "question": "caf\xe9", "passages": []}',
        json.dumps({"id": 3, **good, "question": "Who \ud800?"}).encode(),
        json.dumps({"id": 4, **good, "passages": ["A badge \udc00."]}).encode(),
        b'{"id": NaN, "question": "Who?", "passages": ["A badge."]}',
        b'{"id": "\\ud800", "question": "Who?", "passages": ["A badge."]}',
        b"[" * 100_000,
        json.dumps({"id": {"any": ["value"]}, **good}).encode(),
    ]
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", standard_input(b"\n".join(lines)))
    assert main(["read"]) == 2
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in out] == ["ä", 2, 3, 4, 5, 6, 7, {"any": ["value"]}]
    assert [line.get("error") for line in out] == [None, *["bad_input"] * 6, None]
    assert "no UTF-8" in out[1]["message"]
    assert "half of a character" in out[2]["message"]


def test_read_command_without_standard_input_says_what_to_give(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", None)
    assert main(["read"]) == 2
    assert "one JSON object a line" in capsys.readouterr().err


def standard_input(said: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(said), encoding="latin-1")


@pytest.mark.parametrize(
    ("text", "word", "sentence"),
    [
        ("Full-time employees receive 25\ndays of leave. A badge is blue.", "25", "Full-time employees receive 25\ndays of leave."),
        ("One.\r\n\r\nParcels take\r\ntwelve days.", "twelve", "Parcels take\r\ntwelve days."),
        ("Take:\n\n- the laptop,\n  its charger\n- a badge", "charger", "the laptop,\n  its charger"),
        ("| A | B |\n|---|---|\n| x | 20 € |", "20", "| x | 20 € |"),
        ("🎉 Zu\u0308rich pays. It costs 5 €.", "pays", "🎉 Zu\u0308rich pays."),
    ],
)  # fmt: skip
def test_the_sentence_around_a_place_is_whole_and_word_for_word(text: str, word: str, sentence: str) -> None:
    assert sentence_around(text, text.index(word)) == sentence


def test_read_command_says_which_adapters_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path))
    assert main(["read", "--adapter", "../../etc"]) == 2
    shipped = ", ".join(sorted(p.name for p in SHIPPED.iterdir()))
    assert f"shipped: {shipped}" in capsys.readouterr().err


def test_an_adapter_says_how_much_its_view_is_worth_among_the_signals() -> None:
    own = weights_of({SPAN_WEIGHT: 0.5, "margin": 1.0})
    assert own == {**READER_WEIGHTS, "span_row": 0.5, "span_prose": 0.5}
    assert weights_of({"margin": 1.0}) == dict(READER_WEIGHTS)
