"""What an answer must not carry to the reader's browser or out of the system: the prompt's own words, foreign links, HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from core.records import Passage, Verdict

NGRAM = 8
"""Words in a row that a sentence must share with the prompt template to count as its words."""

_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"[\"“«][^\"”»\n]{1,400}[\"”»]")


class PromptLeak:
    """Withholds a sentence that repeats the prompt template, unless a cited passage says the same.

    Args:
        template_text: the template's own words; what it quotes ("say: ...") are sentences that it wants said.
    """

    name = "prompt_leak"

    def __init__(self, template_text: str) -> None:
        self._template = _ngrams(_QUOTED.sub(" ", template_text))

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        shared = _ngrams(text) & self._template
        for passage in passages if shared else ():
            shared -= _ngrams(passage.text)
        if shared:
            return Verdict(self.name, "drop", text, rule="prompt_leak", score=1.0)
        return Verdict(self.name, "allow", text)


def _ngrams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return {tuple(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)}


_CODE = re.compile(
    r"<\s*(script|style|iframe|object|embed|svg|math|template|noscript)\b.*?(?:<\s*/\s*\1\s*>|\Z)", re.I | re.S
)
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>]*)?/?>|<!--.*?(?:-->|\Z)|<!\w[^>]*>|<\?.*?(?:\?>|\Z)", re.S)
_IMAGE = re.compile(r"!\[([^\]]{0,500})\]\(\s*<?([^)\s>]*)>?[^)]*\)?")
_LINK = re.compile(r"(?<!!)\[([^\]]{0,500})\]\(\s*<?([^)\s>]*)>?[^)]*\)?")
_REFERENCE = re.compile(r"^[ \t]{0,8}\[([^\]]{1,500})\]:\s*<?(\S+?)>?(?:\s.*)?$", re.M)
_BARE = re.compile(
    r"<?((?:\b[a-z][a-z0-9+.-]{1,20}:)?//[^\s<>\"'`)\]]+|\bwww\.[^\s<>\"'`)\]]+|\b(?:javascript|data|vbscript|file|blob):[^\s<>\"'`)\]]+)>?",
    re.I,
)
REMOVED = "(link removed)"


class Markup:
    """Takes images and links to foreign hosts, HTML and scripts out of a sentence; the words stay.

    A link is kept where its host is the organisation's own, or where a cited passage holds that very address: an address that the
    model made up, or completed with something that it knows, is in no document.

    Args:
        own_domains: domains of the organisation; their subdomains count too.
    """

    name = "markup"

    def __init__(self, own_domains: Sequence[str] = ()) -> None:
        self._own = tuple(domain.casefold().lstrip(".") for domain in own_domains if domain)

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        known = "\n".join(p.text for p in passages)
        rules: list[str] = []
        clean = _CODE.sub(lambda _: _noted(rules, "script", ""), text)
        clean = _IMAGE.sub(lambda m: _noted(rules, "image", m[1]), clean)
        clean = _LINK.sub(lambda m: self._link(m[0], m[1], m[2], known, rules), clean)
        clean = _REFERENCE.sub(lambda m: self._link(m[0], "", m[2], known, rules), clean)
        clean = _TAG.sub(lambda _: _noted(rules, "html", ""), self._without_foreign(clean, known, rules))
        if not rules:
            return Verdict(self.name, "allow", text)
        return Verdict(self.name, "mask", clean, rule=rules[0], score=1.0)

    def _link(self, whole: str, label: str, address: str, known: str, rules: list[str]) -> str:
        return whole if self._kept(address, known) else _noted(rules, "foreign_link", label)

    def _without_foreign(self, text: str, known: str, rules: list[str]) -> str:
        def bare(match: re.Match[str]) -> str:
            address = match[1].rstrip(".,;:!?")
            instead = REMOVED + match[1][len(address) :]
            return match[0] if self._kept(address, known) else _noted(rules, "foreign_link", instead)

        return _BARE.sub(bare, text)

    def _kept(self, address: str, known: str) -> bool:
        """An address in the page itself, on an own host, or word for word in a cited passage."""
        if re.match(r"^(?:#|/(?!/)|\?)", address) or re.match(r"^mailto:[\w.+-]+@[\w.-]+$", address):
            return True
        url = urlsplit(address if "//" in address else f"//{address}")
        if url.scheme not in ("", "http", "https"):
            return False
        host = (url.hostname or "").casefold()
        own = any(host == domain or host.endswith(f".{domain}") for domain in self._own)
        return own or re.search(re.escape(address) + r"(?![\w/?=&%#-])", known) is not None


def _noted(rules: list[str], rule: str, instead: str) -> str:
    rules.append(rule)
    return instead
