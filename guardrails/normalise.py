"""Text as a person sees it, without the characters that they cannot see; and a question fit to go on with.

Three forms of one text: `clean_question` is what is stored and searched, `fold` is what rules look at, `neutralise` is
what may stand in a prompt.
"""

from __future__ import annotations

import re
import unicodedata

from core.errors import BadInput
from guardrails.lookalikes import LETTERS

ZERO_WIDTH = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
JOINERS = "\u200c\u200d"
"""Needed inside words of Persian and the Indic scripts and inside emoji; removed everywhere else."""

_TAGS = re.compile("[\U000e0000-\U000e007f]")
_TAGGED_TEXT = re.compile("[\U000e0020-\U000e007e]{4,}")
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_INVISIBLE = re.compile(f"[{ZERO_WIDTH}{BIDI}]")
_JOINER_BESIDE_LATIN = re.compile(f"(?<![^\x00-\u024f])[{JOINERS}]|[{JOINERS}](?![^\x00-\u024f])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff9-\ufffb]")
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""What a terminal takes for a colour or a move of its cursor, pasted along with the text."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAY_BE_INVISIBLE = re.compile(
    f"[\U000e0000-\U000e007f{ZERO_WIDTH}{BIDI}{JOINERS}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff9-\ufffb\ud800-\udfff]"
)
_BLANK_LINES = re.compile(r"\n{3,}")

_TEMPLATE_TOKEN = re.compile(
    r"<\|[^|<>\s]{1,40}\|>"  # ChatML, Llama 3, Phi, Qwen: <|im_start|>, <|eot_id|>
    r"|<｜[^<>\s]{1,40}｜>"  # DeepSeek
    r"|</?s>|<</?SYS>>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"  # Llama 2, Mistral
    r"|</?(?:start_of_turn|end_of_turn|bos|eos|pad|unk|mask|cls|sep|think|tool_call|tool_response)>"  # Gemma, tool templates
    r"|<(?:unused|extra_id_|reserved_special_token_|special_token_?)\d{1,4}>"  # Gemma, T5
    r"|<(?:fim_(?:prefix|middle|suffix|pad)|file_sep|repo_name|filename|endoftext|sop|eop)>"  # StarCoder, ChatGLM
    r"|<(?:(?:start|end|begin)_of_(?:image|text|utterance|role|sentence|document|message)|fake_token_around_image)>"  # Gemma 3, Granite, Idefics
    r"|\[(?:[gs]?MASK|CLS|SEP|PAD|UNK|BOS|EOS|TOOL_CONTENT|CALL_ID)\]",  # BERT, ChatGLM, EXAONE, Mistral
    re.IGNORECASE,
)

_LOOKALIKES = {ord(c): letter for letter, others in LETTERS.items() for c in others} | {0x2223: "l", 0x2758: "l"}

# Letters, digits and signs as wide as a Chinese one. The bar stays: it is part of some models' template tokens.
_WIDE_WORD = re.compile("[０-９Ａ-Ｚａ-ｚ]")
"""What is no Chinese or Japanese punctuation: a question mark as wide as its text is as it should be."""
_WIDE = {0x3000: " "} | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if code != 0xFF5C}


def clean_question(text: str, limit: int) -> str:
    """The question as it is stored, searched and shown: NFC, without control, invisible and direction characters.

    Full-width letters become the plain ones. The rest of NFKC is left to `fold`: it would make m2 of m² and 1/2 of ½.

    Args:
        text: as it came from the page or the API.
        limit: longest question in characters (`ASSISTANT_MAX_QUESTION_CHARS`).

    Raises:
        BadInput: it is empty, too long or binary; the message says what to do.
    """
    if len(text) > limit:
        raise BadInput(
            f"The question has {len(text):,} characters; at most {limit:,} are read. "
            "Ask the question itself in a few sentences, without pasting the document."
        )
    if _is_binary(_TERMINAL.sub("", text)):
        raise BadInput("The question holds binary data, not text. Type it, or paste it as plain text.")
    plain = text.translate(_WIDE) if _WIDE_WORD.search(text) else text
    visible = remove_invisible(unicodedata.normalize("NFC", plain.replace("\r\n", "\n").replace("\r", "\n")))
    visible = _BLANK_LINES.sub("\n\n", visible).strip()
    if not any(unicodedata.category(c)[0] in "LNS" for c in visible):
        raise BadInput("The question is empty. Type what you want to know.")
    return visible


def _is_binary(text: str) -> bool:
    """Whether NULs, replacement marks or stray control characters are more than slips of a clipboard."""
    odd = len(_CONTROL.findall(text)) + text.count("\ufffd") + len(_SURROGATE.findall(text))
    return odd > max(3, len(text) // 20) or ("\x00" in text and odd >= 3)


def remove_invisible(text: str) -> str:
    """The text without control, zero-width, direction and tag characters; joiners stay where a script needs them."""
    if not _MAY_BE_INVISIBLE.search(text):  # nearly every text: one look instead of six
        return text
    kept = _TERMINAL.sub("", _FLAG.sub(lambda m: m.group()[0], text))
    for pattern in (_TAGS, _INVISIBLE, _JOINER_BESIDE_LATIN, _CONTROL, _SURROGATE):
        kept = pattern.sub("", kept)
    return kept


def fold(text: str) -> str:
    """The form that rules look at: NFKC, invisible characters removed, lookalikes as Latin letters, accents off, lower case."""
    if not text.isascii():
        seen = _LOOKALIKE.sub(_latin, remove_invisible(unicodedata.normalize("NFKC", _inked(text))))
        text = _QUOTE.sub(_plain_quote, _MARKS.sub("", unicodedata.normalize("NFKD", seen)))
    return _SPACES.sub(" ", _CONTROL.sub("", _TERMINAL.sub("", text))).lower()


def _inked(text: str) -> str:
    """The text with spaces for the letter and the Braille sign that show nothing."""
    return text.replace("\u3164", " ").replace("\u2800", " ")


_SPACES = re.compile(r"[^\S\n]+")
_MARKS = re.compile(
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef\u0483-\u0489\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_QUOTES = str.maketrans("‘’‛′`´“”„‟″«»–—−‐‑", '\'\'\'\'\'\'"""""""-----')
# Looked for first: str.translate asks its table about every character, and most texts have none of these.
_QUOTE = re.compile(f"[{''.join(map(chr, _QUOTES))}]")
# Beyond the first 65,536 characters a class is searched one by one: there each character is looked up.
_LOOKALIKE = re.compile(f"[{''.join(chr(c) for c in _LOOKALIKES if c < 0x10000)}]|[\U00010000-\U0010ffff]")


def as_read(text: str) -> str:
    """The text with compatibility forms as plain letters, and lookalikes as Latin ones where a word mixes them with Latin ones.

    What a network that reads letters is given: a text whose words are each of one script stays as it is.
    """
    if text.isascii():
        return text
    seen = _MARKS_ON_LETTERS.sub("", unicodedata.normalize("NFKC", remove_invisible(_inked(text))))
    return seen.translate(_LOOKALIKES) if _MIXED_WORD.search(seen) else seen


_MARKS_ON_LETTERS = re.compile("(?<=[A-Za-z])[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff\ufe00-\ufe0f]+")
_MIXED_WORD = re.compile(r"(?=\w*[A-Za-z])(?=\w*[^\W\d_A-Za-z\u00c0-\u024f])\w+")


def _latin(match: re.Match[str]) -> str:
    return match.group().translate(_LOOKALIKES)


def _plain_quote(match: re.Match[str]) -> str:
    return match.group().translate(_QUOTES)


def tagged_text(text: str) -> str:
    """What is written in tag characters, which no person sees but a model reads; flags of countries are not text."""
    runs = _TAGGED_TEXT.findall(_FLAG.sub("", text))
    return " ".join("".join(chr(ord(c) - 0xE0000) for c in run) for run in runs)


def neutralise(text: str) -> str:
    """The text with every chat-template token broken by a space, so that no tokeniser reads it as a control token.

    `<|im_start|>` becomes `< |im_start| >`: a reader still sees what was written.
    """
    return _TEMPLATE_TOKEN.sub(lambda m: f"{m.group()[0]} {m.group()[1:-1]} {m.group()[-1]}", text)
