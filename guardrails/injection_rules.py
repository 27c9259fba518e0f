r"""The structural rules of injection, each with the name that a Verdict carries. They look at folded text (guardrails/normalise.py).

A rule describes the shape of an attempt to steer the assistant, not single alarming words: "ignore the previous email
from my manager" has another object, "can I ignore the previous instructions?" another speaker, and "what are the system
requirements" no prompt to reveal. A passage is held to stricter shapes than a question, because policies give
instructions to people all the time: there the text must turn to a machine that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from guardrails.guard import Stage
from guardrails.injection_orders import addresses, drops, frees, presses, sends, shows, tampers
from guardrails.injection_tongues import OTHERS_ORDERS, overrides, reveals, unbound


@dataclass(frozen=True, slots=True)
class Rule:
    """A name, the stages it holds in, and the question whether a folded text has its shape."""

    name: str
    stages: frozenset[Stage]
    matches: Callable[[str], object]


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\s*\n\s*", "", pattern.strip()))


_SAID_OF_PEOPLE = _re(r"""
(?:\b(?:i|we|they|he|she|it|who|one|people|persons?|employees?|staff|members?|managers?|contractors?|somebody|someone|
anyone|anybody|everyone|users?|colleagues?|customers?|drivers?|visitors?|suppliers?|team|cannot|can't|don't|not|never|to|or)
(?: \w+ly| just| simply| also| even| ever| then| always| never| not){0,2}|\b(?:yo|nosotros|puedo|podemos|debo|ich|wir|man)) $
""")
_SAID_TO_YOU = _re(r"\b(?:you|u|assistant|ai|model|chatbot)(?: \w+){0,3} (?:to|not|never)(?: \w+ly| just| simply)? $")
_NEGATED = _re(r"\b(?:do not|don't|never|must not|should not|cannot|can't) $")

_DROP = r"(?:ignore|disregard|forget|override|bypass|neglect|discard|dismiss|abandon|drop|let go of|pay no attention to|stop following|do not follow|don't follow|no longer follow|erase|set aside|put aside|free yourself from)"
_ORDERS = r"(?:instructions?|prompts?|rules|directions|directives|guidelines|guardrails|commands|orders|programming|training|constraints|restrictions|limitations|safety (?:rules|measures|protocols)|content polic(?:y|ies)|system message|messages? above|conversation|context|everything|text above|persona|role|inputs?|access (?:rules?|controls?|rights|restrictions)|permissions|what (?:the|your) (?:developers?|creators?|makers?|system|admins?\w*)(?: \w+)? (?:told|said|wrote))"
_OVERRIDE_ANY = _re(
    rf"\b{_DROP}(?: (?:about|to|on))? (?:all |any |every |each |both |everything |literally |of |the |that |these |those |this |your |my |our |its |previous |prior |"
    rf"above |earlier |preceding |foregoing |existing |current |original |initial |old |other |system |default |ethical |moral |safety |pre-?\w+ |and |or |, )*{_ORDERS}\b"
)
_QUALIFIED = _re(
    r"\b(?:all|any|every|your|previous|prior|above|earlier|preceding|foregoing|system|initial|original|default|these|those|everything)\b|\b(?:you (?:were|have been|got|learned|are)|before this|so far|up to now|above|access|permissions|what (?:the|your) (?:developers?|creators?|makers?|system|admins?\w*))\b"
)
_OVERRIDE_PLAIN = _re(
    rf"\b{_DROP} (?:absolutely |literally )?(?:all|any|your|every)(?: of)?(?: (?:the|your|these|those|other))?(?: (?:previous|prior|above|earlier|preceding|existing|system|original|initial))*"
    r" (?:instructions?|prompts?|rules|directions|directives|guidelines|commands|orders|programming|training|constraints|restrictions)\b"
)
_OVERRIDE_OTHER = _re(r"""
\b(?:all|any|the|your) (?:\w+ )?(?:earlier|previous|prior|former|above) (?:instructions?|directions|directives|prompts?|commands) (?:are|is) (?:now )?(?:void|null|cancelled|canceled|revoked|suspended|obsolete|invalid|lifted)\b|
\b(?:ignora|ignore|olvida|olvide|descarta|desobedece|no sigas|haz caso omiso de)(?: \w+){0,3} (?:instrucciones|reglas|ordenes|indicaciones|directrices)
(?: \w+){0,2} (?:anteriores|previas|de arriba|del sistema|recibidas|que te)|
\b(?:ignora|olvida|descarta) (?:todas? )?(?:tus|las) (?:instrucciones|reglas)|
\b(?:ignoriere?n?|vergiss|vergesse|vergessen|missachten?|verwirf|umgehe)(?: sie)?(?: \w+){0,3} (?:vorherigen|bisherigen|vorigen|obigen|fruheren|vorangegangenen|deine|ihre|alle)
(?: \w+){0,2} (?:anweisungen|instruktionen|regeln|befehle|vorgaben|richtlinien)|
\b(?:ignore[sz]?|oublie[sz]?)(?: \w+){0,3} (?:instructions|consignes|regles)(?: \w+)? (?:precedentes|anterieures|ci-dessus|du systeme)|
\b(?:ignore|esqueca|desconsidere)(?: \w+){0,3} (?:instrucoes|regras)(?: \w+)? (?:anteriores|previas|acima|do sistema)|
\b(?:ignora|dimentica)(?: \w+){0,3} (?:istruzioni|regole)(?: \w+)? (?:precedenti|del sistema)
""")

_ASKED = _re(
    r"(?:^|[.!?\n] ?)(?:so |and |but |hi,? |hello,? )?(?:do|does|did|is|are|was|were|may|must|should|will|would|what|which|who|whose|when|why|where|how|if|whether)\b(?:(?!\byou\b)[^.!?\n])*$"
)
_QUESTION_MARK = re.compile(r"[^.!\n]{0,80}\?")


def _imperative(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The first match that is an order, and not what some people do or may do."""
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()]
        if _ASKED.search(before) and _QUESTION_MARK.match(text[match.end() :]):
            continue
        if _SAID_TO_YOU.search(before) or not _SAID_OF_PEOPLE.search(before):
            return match
    return None


_REPORTED = _re(
    r"""\b(?:says?|said|saying|reads?|states?|told (?:me|us)|writes|wrote|titled|called|means?|message|memo|e?-?mail|note|letter|sign|poster|sentence|phrase|words?|translat\w+|grammar|proofread)\b[^.!?\n]{0,40}["':] ?$"""
)
_CARRIED_OUT = _re(
    r"\b(?:do (?:it|so|as|what|that|this)|follow (?:it|that|this|them)|obey|act on|carry (?:it |that |them )?out|comply|and (?:then |now |instead )?(?:do|act|tell|print|show|give|list|reveal|answer|output|write|say)|then (?:tell|print|show|give|list|reveal|answer|output|write|say|do))\b"
)


def _reported(text: str, match: re.Match[str]) -> bool:
    """Whether the match is what a memo or somebody else says, and the person asks about it without wanting it done."""
    before = text[max(0, match.start() - 90) : match.start()]
    asks = "?" in text[match.end() :] or re.search(r"\btranslat|\bcorrect|\bgrammar|\bproofread", before)
    return bool(_REPORTED.search(before) and asks and not _CARRIED_OUT.search(text))


def _override_other(text: str) -> re.Match[str] | None:
    """As `_OVERRIDE_OTHER`, but for what a mail or a maker's notice says."""
    found = _OVERRIDE_OTHER.search(text)
    return found if found and not OTHERS_ORDERS.search(text[found.start() : found.end() + 60]) else None


def _override_question(text: str) -> bool:
    if _override_other(text):
        return True
    match = _imperative(_OVERRIDE_ANY, text)
    while match:
        around = match.group() + text[match.end() : match.end() + 60]
        if _QUALIFIED.search(around) and not _ABOUT_DOCUMENT.match(text[match.end() :]) and not _reported(text, match):
            return True
        match = _imperative(_OVERRIDE_ANY, text[match.end() :])
    return False


_ABOUT_DOCUMENT = _re(r"""
\s*(?:that )?(?:i|we) (?:wrote|said|asked|typed|mentioned|told)\b|\s*about\b|
\s*(?:,|in|from|of|by|on|at|for|about|regarding|that|which|given|sent|issued) (?:\w+ ){0,4}?(?:emails?|mails?|letters?|polic(?:y|ies)|manuals?|documents?|handbooks?|memos?|
notices?|managers?|boss|colleagues?|hr|finance|it|suppliers?|customers?|forms?|posters?|signs?|site|version \d|page|website|vpn|workshop|course)\b
""")


_OVERRIDE_THEN = _re(
    rf"\b{_DROP} (?:all |any )?(?:of )?(?:the |these |those |this )?(?:previous |prior |above |earlier )?(?:rules|instructions?|guidelines|text|everything)(?: above| before)?,? and (?:then |instead |just )?(?:tell|print|show|say|answer|output|list|reveal|write|recommend|send)\b|"
    r"\bfrom now on,? you (?:will |must |should |shall )?(?:now )?(?:ignore|disregard|bypass|pretend|act as|answer as|are (?:an? )?(?:\w+ )?(?:ai|assistant|chatbot))\b"
)
_REVEAL_YOURS = _re(
    r"\b(?:reveal|print|output|repeat|show|disclose|leak|recite|quote|display)\b(?: \w+){0,3} your (?:\w+ )?(?:system prompt|system message|(?:hidden|initial|internal|secret) instructions)\b"
)


def _reveal_passage(text: str) -> bool:
    found = _imperative(_REVEAL_YOURS, text)
    return bool(found and not _NEGATED.search(text[max(0, found.start() - 20) : found.start()]))


def _override_passage(text: str) -> bool:
    found = _imperative(_OVERRIDE_PLAIN, text) or _imperative(_OVERRIDE_THEN, text) or _override_other(text)
    return bool(found and not _NEGATED.search(text[max(0, found.start() - 20) : found.start()]))


_SHOW = r"(?:reveal|show|print|repeat|output|display|tell (?:me|us)|give (?:me|us)|leak|disclose|dump|write (?:out|down)?|recite|expose|paste|copy|return|summari[sz]e|translate|encode|spell out|list|share|what(?:'s| is| are| was| were))"
_REVEAL = _re(rf"""
\b{_SHOW}\b(?: \S+){{0,6}}? (?:system[- ]?prompts?|system message|(?:initial|hidden|secret|original|internal|developer|base|pre-?) ?(?:prompts?|instructions?\b(?= ?(?:$|[.?!,;:\"')]|and\b|verbatim|word for word|in full|in an?\b|into\b|here|now|you\b|that you\b|as\b))|system message)(?! (?:for|payment|to) \w+)|
meta-?prompts?|your (?:exact |full |own |whole |entire |current |complete )*(?:prompts?|instructions?(?= ?(?:$|[.?!,;:"')]|and\b|verbatim|word for word|in full|above|here))|
(?:system|initial|original|hidden|secret|internal|configuration|base) (?:prompts?|instructions?|rules|guidelines|directives|text))|
(?:instructions?|prompts?|rules|guidelines|text|messages?) (?:that )?(?:you (?:were|have been|got|received|was)|(?:given|provided) to you|were you (?:given|told)|have you been given|are you following))|
\b(?:repeat|print|output|recite|copy|paste|write|echo|reproduce)\b(?: \S+){{0,3}} (?:everything|all|text|words?|messages?|prompts?|conversation|lines?|content|instructions?)(?: \S+){{0,4}} (?:above|before (?:this|mine|my first)|preceding|so far|prior|(?:that )?comes? before)\b
(?=[^.?!\n]{{0,60}}(?:$|verbatim|word for word|exactly|starting|beginning|inside|in a code|code block|you are|[.?!]))|
\bwhat (?:\w+ )?(?:instructions?|rules|prompts?|directives) (?:were|are|have) you (?:been )?(?:given|told|following)\b|
\b(?:starting|beginning|begins?|starts?) with (?:the (?:words?|phrase) )?["']?you are\b|
\b(?:muestra|revela|repite|dime|imprime|ensena)(?:me)? (?:\S+ ){{0,4}}(?:prompt|instrucciones (?:del sistema|iniciales|ocultas|internas|que te dieron))|
\b(?:zeige?|verrate?|wiederhole?|nenne?|gib)(?: mir)? (?:\S+ ){{0,4}}(?:system-?prompts?|systemanweisung\w*|(?:internen|versteckten|urspruenglichen|ursprunglichen|geheimen) (?:anweisungen|instruktionen))
""")
_ANY_PROMPT = _re(r"\b(?:an?|difference between) (?:\w+ )?(?:system|developer|user) (?:prompt|message)s?\b")
_OF_SOME_TOOL = _re(r"^s? (?:of|for|in) (?:an?|any|other|most|some) (?!(?:text|above|code)\b)\w+")
_REVEAL_EXCUSED = _re(
    r"\b(?:who|where|template|policy|sheet|poster|above (?:the|\d|£|€|\$))\b|prompt (?:payment|delivery|reply|response|action)"
)


def _reveal(text: str) -> bool:
    return any(
        not _REVEAL_EXCUSED.search(m.group())
        and not _ANY_PROMPT.search(m.group())
        and not (m.group().startswith("what") and _OF_SOME_TOOL.search(text[m.end() :]))
        for m in _REVEAL.finditer(text)
    )


_UNBOUND = r"(?:unrestricted|non-?restricted|unfiltered|uncensored|unlimited ai|unethical|amoral|immoral|jail ?broken|jailbreak|do anything now|developer mode (?:enabled|output|v2)|god mode|dan mode|opposite mode|no (?:\w+ )?(?:rules|restrictions|limits|limitations|filters?|guidelines|boundaries|morals?|ethics|ethical|moral|censorship|content polic)|(?:without|free (?:of|from)|not (?:be )?bound (?:by|to)|(?:doesn't|does not|don't|do not|never) (?:have to )?(?:follow|obey|abide|adhere|care|respect|have any)|disregard(?:s|ing)? all|not restrained by)(?: \S+){0,4} (?:rules?|restrictions?|limits?|limitations|filter(?:s|ing)?|guidelines|ethic\w*|moral\w*|censorship|polic(?:y|ies)|content polic\w+|laws?|safety|warnings?|norms|confines)|broken free|evil|rebellious|never refuses?|cannot refuse|can not refuse|can't refuse|regardless of (?:the )?(?:legality|ethic\w*|consequences))"
_ROLE = r"(?:you are (?:now |going to |about to |no longer )|you're now |you will (?:now )?(?:act|be|play|pretend|respond|behave|simulate|take)|from now on|act as|acting as|pretend (?:to be|that you|you)|role-?play|play the (?:role|part) of|simulate|impersonate|in character as|(?:take (?:on|up)|assume|adopt) the (?:role|persona)|imagine (?:that )?you|assume the role|immerse yourself|you are (?:an? )?(?:\w+,? ){0,3}(?:ai|bot|chatbot|language model|model|assistant|writer|machine|character|entity)\b|hello,? chatgpt|hi,? chatgpt|chatgpt|(?:as of now |now )?your name is)"
_PERSONA = re.compile(rf"\b{_ROLE}.{{0,600}}?\b{_UNBOUND}|\b{_UNBOUND}\b.{{0,300}}?\b{_ROLE}", re.DOTALL)
_PERSONA_BENIGN = _re(r"""
^(?:(?:is|are|may|can|could|do|does|did|am|should|must|would|how|what|who|where|which|why|when)\b[^.!\n]{0,160}\?|[^.!?\n]{0,100}\bpolic(?:y|ies) on\b[^.!?\n]{0,60}\??)$
""")
_NEW_ROLE = _re(r"""
\byou are (?:now|no longer) (?!able|allowed|entitled|eligible|required|on |in |at |leaving|signed|logged|a member|connected|ready|registered|responsible|an? (?:employee|manager|contractor))
(?:an? |the |my |going to (?:act|be|play|pretend|respond|behave|roleplay|become) |about to (?:become|immerse|create|role)|chatgpt|gpt|dan\b|called|named|known as|in (?:developer|debug|god|admin|maintenance) mode|unrestricted|free)|
\b(?:you (?:are|will|must|shall|have to|need to)|you're) (?:going to )?(?:act as|pretend to be|role-?play as|play the role of|impersonate|take on the persona|stay in character|behave as (?:if|though) you)|
\b(?:from (?:now|this (?:moment|point|message)|here) on(?:wards?)?|as of now),? (?:you|every|all (?:your|of your)|always|answer|respond|reply|speak|act|we|chatgpt|your)|
\bas if (?:your|the|all) (?:\w+ )?(?:guidelines|rules|restrictions|instructions|policies|limits) (?:did not|didn't|do not|don't|no longer) (?:exist|apply|matter)|\b(?:obey|listen to|follow|answer to) only (?:me|my)\b|\b(?:start|begin) (?:your|the|every|each) (?:answer|reply|response)s? with:? [\"']?(?:sure|absolutely|yes|of course|certainly|ok)\b|\b(?:stay|remain|keep|always be) in character\b|\bbreak(?:s|ing)? (?:out of )?character\b|
\b(?:act|behave|respond|answer|reply|talk) (?:like|as) (?:if you (?:are|were|have|had)|an? (?:unrestricted|unfiltered|evil|ai\b|llm|terminal|linux|python|sql|interpreter|shell|chatbot))|
\bi want you to (?:act|behave|pretend|role-?play|respond|imagine|simulate|become|ignore|forget|play)|
\bdo anything now\b|\b(?:enable|enter|activate|switch to|turn on|engage) (?:\S+ )?(?:jailbreak|developer|dan|god|debug|sudo|admin|unrestricted|opposite) mode (?:and|now|to|for this|with|then|:)|
\b(?:chatgpt|gpt-?[345]|the ai|ai|assistant) with (?:developer mode|dan mode|no (?:rules|restrictions|filter))|\bjail ?break (?:yourself|mode|prompt)|\b(?:two|2) (?:different |separate )*(?:ways|responses|answers|paragraphs)\b.{0,200}\b(?:dan|jailbreak|unfiltered|gpt|normal chatgpt|evil)
""")


def _new_role(text: str) -> object:
    """A role that the assistant is given; not what "we need a terminal to" do."""
    return _imperative(_NEW_ROLE, text)


_MACHINE = r"(?:ai(?: (?:assistants?|models?|systems?|agents?|chatbots?|tools?))?|a\.i\.|artificial intelligence|(?:virtual|digital|chat|company|automated) assistants?|chatbots?|chat ?gpt|gpt-?\d?|copilot|gemini|claude|llama|bots?|large language models?|language models?|llms?|automated (?:readers?|systems?|agents?)|machine readers?)"
_ADDRESSED = _re(rf"""
\b(?:notes?|messages?|instructions?|attention|important|notices?|reminder|commands?|directive|prompt)(?: \w+)? ?(?:to|for|:) (?:all |any |the |every |whichever |an |our )*{_MACHINE}\b(?! (?:usage|use|users?|projects?|training|policy|committee|tools? (?:are|may|must)))|
(?:^|[\n.:!*>"(\[-]) ?(?:dear |hey |hello |hi |attention,? )?(?:all |any |the )?{_MACHINE} ?(?:,|:|-|!)? (?:you must|must (?:now|always|never|not|say|tell|answer|reply|respond|ignore)|please (?:ignore|say|tell|answer|reply|respond|include|add|send)|when (?:answering|asked|summari[sz]ing|responding|you)|should (?:now|always) (?:say|tell|answer|reply|respond)|if you|read(?:s|ing)? this|ignore|disregard)|
\b(?:if|when|while|as|since|because) (?:you are|you're|you as) (?:an? |the |some )?{_MACHINE}\b|
\b{_MACHINE} (?:that |which |who )?(?:is |are )?(?:read|reads|reading|processing|processes|summari[sz]ing|summari[sz]es|parsing|indexing|ingesting) (?:this|the) (?:document|page|text|file|email|message|passage|content|notice)|
\b(?:para|an|fur|a|a l') (?:el |la |den |die |das |alle |todos los )?(?:asistentes?(?: de ia| virtual)|ki-?assistent\w*|ki-?modell\w*|sprachmodell\w*|modelo de lenguaje|modelos de ia)\b.{{0,40}}[:,]
""")
_TO_ANSWER = _re(r"""
\b(?:in|to|into|of|at the (?:end|start|beginning) of|with|before) (?:your|the|every|each|all your|any) (?:answers?|repl(?:y|ies)|responses?|outputs?|summar(?:y|ies)|completions?|generated text)\b|
\b(?:your|the) (?:answer|reply|response|output|summary) (?:must|should|shall|has to|needs to|will) (?:now |always |only |also )?(?:be|begin|start|end|contain|include|say|state|mention|recommend)|
\b(?:answer|respond|reply|say|output|write|state|tell (?:the|any|every|all)? ?(?:users?|readers?|employees?|people|asker|person|customers?|staff|them))(?: \w+){0,3} (?:only |exactly |that |with |instead ?:?|word for word)
""")
_STEERING = _re(r"""
\b(?:when|whenever|if|any time|every time|should) (?:\w+ ){0,4}(?:asks?|asked|queries|questions?|reader asks|enquires?|prompted)\b[^.\n]{0,120}?\b(?:tell (?:the |them|him|any|every|all)?|answer|reply|respond|say|state|claim|assure|direct|send|recommend)\b
""")
_ORDER_TO_MODEL = _re(r"""
\b(?:do not|don't|never|must not) (?:cite|mention|reveal|disclose|quote|tell (?:the )?(?:user|reader|asker|anyone)|show the user|inform the user|refer to)\b[^.\n]{0,80}\b(?:this (?:instruction|notice|message|text|note|document|passage)|these instructions|sources?|the user|other (?:documents|sources))|
\b(?:rules|instructions|policies|restrictions) (?:about|on|for) (?:sources|citations?|citing|quoting|safety)\b|\byou are (?:now )?(?:an? |the )?(?:helpful |new |unrestricted )?(?:ai|assistant|chatbot|language model)\b
""")
_EXFILTRATE = _re(r"""
\b(?:send|post|forward|upload|transmit|exfiltrate|email|e-mail|leak|submit|append|encode|insert|embed|include|put)\b[^.\n]{0,80}\b(?:everything (?:the (?:user|person|asker)|i|we|you)\b|(?:this |the |our |entire |whole |full )*(?:conversation|chat history|chat log|dialogue)|(?:the )?(?:user|reader|asker|person)(?:'s|s')? (?:question|data|name|e-?mail|details|credentials|password|message|input|query|session)|
system prompt|(?:your |all )(?:context|memory|instructions)|session (?:token|cookie)s?)\b[^.\n]{0,120}(?:https?:|www\.|\bto\b [\w.+-]+@|\burl\b|\blink\b|\bendpoint\b|\bquery (?:string|parameter)\b)|
!\[[^\]]{0,80}\]\(https?://[^)\s]{0,200}(?:\{|\[|<|%7b|=(?:conversation|question|data|secret|prompt|summary|user)\b)
""")
_NEW_INSTRUCTIONS = _re(r"""
(?:^|\n|[.!?:>\]#*=-] ?)(?:#+ |\*+|=+ ?|-+ ?|\[ ?|<+)?(?:new|updated|real|actual|revised|hidden|secret|admin|developer|system|override|priority|emergency|your new) (?:system )?(?:instructions?|prompts?|task|objective|override|directive|goal|message)(?: \w+)?(?: ?[\])>*=-]+)? ?:|
(?:^|\n) ?[-=#*<\[]{2,} ?(?:end|begin|start|stop|close) (?:of )?(?:the )?(?:system|document|context|passages?|sources?|instructions?|prompt|user (?:input|question)|data)\b|
(?:^|\n) ?<\/?(?:system|instructions?|assistant|context|documents?|passages?|sources?|user_?(?:input|question)|prompt)>|
\b(?:end|beginning) of (?:the )?(?:system )?(?:prompt|context|user input|instructions)\b[^\n]{0,20}\n
""")


def _new_instructions_question(text: str) -> bool:
    """A heading of new orders with orders under it; "New instructions: do they apply to me?" asks about some."""
    match = _NEW_INSTRUCTIONS.search(text)
    return match is not None and not re.match(r"[^.!\n]*\?\s*$", text[match.end() :])


_TURNS = re.compile(r"(?:^|\n)\W{0,4}(assistant|ai|chatgpt|gpt|bot|system|model|user|human)\W{0,4}: ?(?=\S|\n)")
_ROLE_TOKEN = re.compile(
    r"<\|im_start\|>\s*(?:system|assistant|user|developer|tool)|<\|start_header_id\|>\s*\w+|<\|(?:system|assistant|user|developer)\|>\s*\w"
    r"|<<sys>>\s*\w|\[inst\]\s*\w|<start_of_turn>\s*(?:model|user|system)|<｜(?:user|assistant)｜>\s*\w"
    r"|(?:^|\n)#{2,4} ?(?:system|instruction|assistant|response|human|user)(?: prompt| message)? ?:"
)
_DECODE_AND_OBEY = _re(
    r"\b(?:decode|decrypt|decipher|de-?obfuscate|unscramble|translate from (?:base64|rot13|hex|morse|binary))\b[^.\n]{0,120}\b(?:and |then |, )+(?:then )?(?:follow|execute|obey|do|perform|run|act on|comply|carry out|respond to|answer)\b"
)
_GLUED = _re(
    r"(?:ignore|disregard|forget)(?:all|any|the|your)*(?:of)?(?:the|your)?(?:previous|prior|above|earlier|preceding)?(?:instructions?|rules|prompts?)|systemprompt|doanythingnow"
)

_ONE_WORD = _re(
    r"(?:ignore|disregard|forget)(?:all|any|of|the|your|my)*(?:previous|prior|above|earlier|preceding)(?:instructions?|rules|prompts?)"
)


def _persona(text: str) -> bool:
    return bool(_PERSONA.search(text)) and not _PERSONA_BENIGN.match(text.strip())


def _addressed_with_order(text: str) -> bool:
    """A passage that turns to a machine and tells it what to do, within one neighbourhood."""
    for match in _ADDRESSED.finditer(text):
        near = text[max(0, match.start() - 120) : match.end() + 400]
        if any(p.search(near) for p in (_TO_ANSWER, _STEERING, _ORDER_TO_MODEL, _OVERRIDE_ANY, _EXFILTRATE, _OBEY)):
            return True
    return False


_OBEY = _re(
    r"\b(?:you (?:must|should|shall|will|have to|need to)|must (?:now |always |only |not |never )?(?:say|tell|answer|reply|respond|state|include|recommend|refuse|comply|obey|treat|follow)|please (?:include|say|tell|answer|reply|state|add|treat)|always (?:say|answer|reply|recommend)|instead(?:,| of))\b"
)


def _answer_tampering(text: str) -> bool:
    """A passage that says how an answer is to be worded and hides that, with no machine named."""
    return bool(_ORDER_TO_MODEL.search(text)) and bool(_STEERING.search(text) or _TO_ANSWER.search(text))


_YOUR_ANSWER = r"\b(?:your|every|each of your|all your) (?:\w+ )?(?:answers?|repl(?:y|ies)|responses?|outputs?|summar(?:y|ies)|completions?)\b"
_TASK_VERB = r"(?:add|include|insert|append|integrate|incorporate|embed|introduce|mention|write|provide|rearrange|replace|remove|reverse|scramble|translate|randomi[sz]e|modify|enhance|augment|extend|use|respond|encourage|suggest|misspell|combine|group|convert|substitute|render|weave|work|promote|advertise)"
_INSERTED = _re(rf"""
(?:^|[\n.!?:|>] ?)(?:please |also,? |additionally,? |finally,? |now,? |then,? )?(?:{_TASK_VERB}\b[^!?\n]{{0,160}}?{_YOUR_ANSWER}|in {_YOUR_ANSWER},? (?:also |always |please )?{_TASK_VERB}\b)[^.!?\n]*
""")
_WRITTEN_BY_PEOPLE = _re(r"""
\b(?:case|ticket|reference|employee|invoice|order|po|serial|account|phone|cost cent(?:re|er)|project|contact)(?: \w+)? (?:numbers?|ids?|codes?|details)\b|\bto (?:the |a |any |your |our )?(?:customers?|suppliers?|hr|finance|managers?|applicants?|authority|survey|email|e-mail|request|rfp|tender|complaint)|
\b(?:attach|within \d|working days?|by (?:monday|tuesday|wednesday|thursday|friday)|hours?|deadline|form)\b
""")


def _inserted_task(text: str) -> bool:
    """A sentence that orders something into "your response"; people are told that too, about letters and tickets."""
    return any(not _WRITTEN_BY_PEOPLE.search(m.group()) for m in _INSERTED.finditer(text))


def _fake_turns(text: str) -> bool:
    """A made-up exchange: two or more lines that speak as the assistant or the system, or one that speaks as the system."""
    speakers = _TURNS.findall(text)
    machine = [s for s in speakers if s not in ("user", "human")]
    return len(machine) >= 2 or (bool(machine) and len(speakers) >= 2)


QUESTION: frozenset[Stage] = frozenset({"question"})
PASSAGE: frozenset[Stage] = frozenset({"passage"})
BOTH: frozenset[Stage] = QUESTION | PASSAGE

RULES: tuple[Rule, ...] = (
    Rule("override_instructions", QUESTION, _override_question),
    Rule("override_instructions", PASSAGE, _override_passage),
    Rule("override_instructions", BOTH, overrides),
    Rule("reveal_prompt", QUESTION, _reveal),
    Rule("reveal_prompt", PASSAGE, _reveal_passage),
    Rule("reveal_prompt", BOTH, reveals),
    Rule("unbound_persona", BOTH, _persona),
    Rule("unbound_persona", QUESTION, unbound),
    Rule("new_role", QUESTION, _new_role),
    Rule("new_instructions", QUESTION, _new_instructions_question),
    Rule("new_instructions", PASSAGE, _NEW_INSTRUCTIONS.search),
    Rule("fake_turns", BOTH, _fake_turns),
    Rule("role_tokens", BOTH, _ROLE_TOKEN.search),
    Rule("exfiltration", BOTH, _EXFILTRATE.search),
    Rule("decode_and_obey", QUESTION, _DECODE_AND_OBEY.search),
    Rule("addressed_to_machine", PASSAGE, _addressed_with_order),
    Rule("answer_tampering", PASSAGE, _answer_tampering),
    Rule("inserted_task", PASSAGE, _inserted_task),
    Rule("override_instructions", BOTH, drops),
    Rule("reveal_prompt", BOTH, shows),
    Rule("unbound_persona", BOTH, frees),
    Rule("new_role", QUESTION, presses),
    Rule("exfiltration", BOTH, sends),
    Rule("addressed_to_machine", PASSAGE, addresses),
    Rule("answer_tampering", PASSAGE, tampers),
)

ENCODED_RULES = frozenset(
    {"override_instructions", "reveal_prompt", "unbound_persona", "new_role", "exfiltration", "addressed_to_machine"}
)
"""The rules whose match in a decoded view counts: plain language that nobody hides by accident."""


def first_match(text: str, stage: Stage, among: frozenset[str] | None = None) -> str:
    """Name of the first rule of the stage (among those named, if any are) that the folded text has the shape of, or nothing."""
    rules = (rule for rule in RULES if stage in rule.stages and (among is None or rule.name in among))
    return next((rule.name for rule in rules if rule.matches(text)), "")


def glued(text: str) -> bool:
    """Whether letters written apart spell an order once joined."""
    return bool(_GLUED.search(text))


def one_word(text: str) -> str:
    """The name of the rule where an order stands in the text as one long word."""
    return "override_instructions" if _ONE_WORD.search(text) else ""
