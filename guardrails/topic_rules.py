r"""What the topics of the policy look like: shapes on folded text (guardrails/normalise.py), each with its exceptions.

A shape needs an act and its object, never one alarming word: "kill" needs a person, "attack" a target that is no heart,
"crack" somebody's account. `unless` lists what turns the same words into an ordinary question: preventing, reporting,
training, policies, figures of speech. Over-refusal counts as much as a miss; tests/guardrails/test_topics.py holds both tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Searches(Protocol):
    """A pattern: one of ours, or a company's own phrase."""

    def search(self, string: str, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Shape:
    """A text has the shape where a pattern of `any_of` matches and none of `unless` does."""

    any_of: tuple[Searches, ...]
    unless: tuple[Searches, ...] = ()

    def matches(self, folded: str) -> bool:
        return any(p.search(folded) for p in self.any_of) and not any(p.search(folded) for p in self.unless)


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\s*\n\s*", "", pattern.strip()))


_ASK = (
    r"(?:\bhow (?:do|can|could|would|should|might|to|does|did|will|were|was)\b|\bhelp me\b|\bteach me\b|\bshow me\b|\btell me\b|\bgive (?:me|us|detailed|step|instructions)\b|\bi (?:want|need|plan|intend|am going|would like|'d like)(?: to)?\b|"
    r"\bways? (?:to|of)\b|\bbest way\b|\binstructions?\b|\bstep[- ]by[- ]step\b|\bguide\b|\btutorial\b|\brecipe\b|\bwrite\b|\bcreate\b|\bdevelop\b|\bdesign\b|\bgenerate\b|\bprovide\b|\bexplain\b|\bdescribe\b|\boutline\b|\bmake\b|\bbuild\b|\bproduce\b|"
    r"\bcan (?:you|i)\b|\bplan (?:to|for)\b|\bwie (?:kann|konnte|baue|mache|bringe|soll)\b|\bich (?:will|mochte)\b|\bzeig mir\b|\bschreib(?:e|en)?\b|\bcomo (?:puedo|hago|hacer|se|podria)\b|\bquiero\b|\bescribe\b|\bensename\b)"
)
_HOW = r"\b(?:how (?:can|do|could|would) (?:i|we)|how to|help me|ways? to)\b"
_PEOPLE = (
    r"(?:someone|somebody|some ?one|anyone|people|persons?|a person|him|her|them|myself a victim|my (?:\w+ )?(?:boss|manager|colleague|coworker|co-worker|wife|husband|ex|partner|girlfriend|boyfriend|neighbou?r|roommate|parents?|mother|father|sister|brother|child|kids?|teacher|classmates?|team ?mates?|landlord)s?|"
    r"(?:the|a|an|another|our|this|that|your) (?:\w+ )?(?:man|woman|child|person|human(?: being)?|boss|ceo|president|prime minister|politician|celebrity|judge|witness|officer|cop|employees?|colleague|neighbou?r|students?|victims?|minors?|teenagers?|homeless person)|(?:a |the )?(?:homeless|elderly|innocent|jewish|muslim|black|gay|immigrant|trans) (?:people|person|man|woman|men|women)|children|kids|students|women|men|minors|immigrants|"
    r"jemanden|meinen? (?:chef|kollegen?|kollegin|mann|frau|nachbarn?)|menschen|a alguien|a mi (?:jefe|jefa|companero|vecino|marido|mujer|esposa)|personas)"
)
_HURT = (
    r"(?:kill|murder|assassinate|poison|stab|strangle|shoot|beat up|torture|kidnap|abduct|maim|behead|drown|rape|lynch|hurt|injure|physically harm|drug|stalk|blackmail|extort|threaten|harass|groom|traffic|enslave|dox|"
    r"umbringe?n?|umzubringen|ermorden?|toten?|vergiften?|verletze?n?|erpressen?|stalken|matar|asesinar|envenenar|secuestrar|chantajear|acosar)"
)
_MADE = r"(?:mak(?:e|es|ing)|buil(?:d|ding|t)|construct(?:ing)?|assembl(?:e|ing)|creat(?:e|ing)|synthesi[sz](?:e|ing)|cook(?:ing)?|manufactur(?:e|ing)|produc(?:e|ing)|3d[- ]print(?:ing)?|detonat(?:e|ing)|plant(?:ing)?|set(?:ting)? off|smuggl(?:e|ing)|buy(?:ing)?(?: \w+){0,2} illegal(?:ly)?|grow(?:ing)?|develop(?:ing)?|obtain(?:ing)?|acquir(?:e|ing)|baue?n?|bastel[nt]?|herstell\w*|fabricar|construir|hacer)"
_WEAPONS = (
    r"(?:(?:pipe |nail |car |dirty |fertili[sz]er |letter |time |nuclear |atomic |home ?made )?bombs?\b(?! (?:threat|alert|disposal|detection|drill|calorimeter|cyclone))|explosives?\b|explosive devices?|\bied\b|molotov|grenades?|land ?mines?|napalm|thermite|dynamite|nerve (?:agent|gas)|sarin|ricin|anthrax|chemical weapons?|biological weapons?|bio ?weapons?|mustard gas|"
    r"ghost guns?|untraceable (?:guns?|firearms?|weapons?)|(?:illegal|home ?made|unregistered) (?:guns?|firearms?|silencers?)|methamphetamine|crystal meth|\bmeth\b|fentanyl|heroin|cocaine|\blsd\b|\bmdma\b|ecstasy pills|date rape drug|illegal drugs|bomben?\b|sprengsatz|sprengstoff|bombas?\b|explosivos?)"
)
_CODE = r"(?:malware|ransomware|key ?loggers?|spyware|computer (?:virus(?:es)?|worms?)|trojans?\b|rootkits?|botnets?|phishing (?:e-?mails?|mails?|pages?|sites?|websites?|kits?|messages?|campaigns?|links?)|fake login pages?|ddos (?:attacks?|scripts?|tools?)|exploit (?:code|kits?)|credential stealers?|schadsoftware|erpressungstrojaner|virus informatico|correos? de phishing|phishing-?mails?)"
_TARGET = r"(?:\w+ ){0,4}?(?:accounts?|e-?mails?|mailbox|phones?|laptops?|computers?|pc|wi-?fi|networks?|servers?|databases?|systems?|websites?|instagram|facebook|whatsapp|passwords?|bank|atm|webcams?|cameras?|router|konto|handy|rechner|cuenta|telefono|movil|ordenador)"

_HARMFUL = Shape(
    any_of=(
        _re(rf"{_ASK}[^.?!\n]{{0,120}}\b{_HURT} (?:\w+ )?{_PEOPLE}\b"),
        _re(rf"(?:{_PEOPLE} )(?:umbringe?n?|umzubringen|ermorden?|toten?|vergiften?|erpressen?|verletzen?)\b"),
        _re(rf"{_ASK}[^.?!\n]{{0,80}}\b{_MADE}\b[^.?!\n]{{0,60}}{_WEAPONS}"),
        _re(
            rf"\b(?:instructions?|recipe|steps?|tutorial|guide|blueprint|ingredients|anleitung|receta)\b[^.?!\n]{{0,40}}\b{_WEAPONS}"
        ),
        _re(
            rf"\bwie\b[^.?!\n]{{0,60}}{_WEAPONS}[^.?!\n]{{0,30}}\b{_MADE}|\bwie\b[^.?!\n]{{0,20}}\b{_MADE}\b[^.?!\n]{{0,40}}{_WEAPONS}"
        ),
        _re(
            rf"\b(?:write|create|develop|design|code|program|build|make|generate|give me|draft|send|compose|schreib(?:e|en)?|programmiere?|escribe|crea|redacta)\b(?: \S+){{0,6}}? {_CODE}"
        ),
        _re(
            rf"\b(?:hack (?:into )?|break into |crack (?:into )?|brute[- ]?force |steal (?:data |passwords? |money |information )?(?:from )?|take over |spy on |intercept |hackear? |einhacken in |hacken?\b ?)(?:{_PEOPLE}(?:'s)? ?|my (?:\w+ )?(?:\w+)'s |the (?:\w+'s )|someone'?s |another |other |government |company |bank |corporate |fremde[ns]? |el |la |a |an |das |die ){_TARGET}\b"
        ),
        _re(
            r"\b(?:launder(?:ing)? (?:\w+ )?money|counterfeit(?:ing)? (?:\w+ )?(?:money|currency|bills?|notes?|goods|documents)|(?:forge|fake|falsify|forging|faking|falsifying) (?:a |an |my |some |the |his |her |your )?(?:\w+(?:'s)? )?(?:passports?|id cards?|ids|driver'?s licen[cs]es?|prescriptions?|signatures?|invoices?|receipts?|expense (?:claims?|reports?)|sick notes?|doctor'?s notes?|certificates?|documents|diplomas?|degrees?|medical records?)|embezzl(?:e|ing)|evad(?:e|ing) tax(?:es)?|steal(?:ing)? (?:someone|somebody|a person|another person|people|my \w+)'?s? (?:\w+ )?(?:identity|identities|wallet|money|credit cards?|car)|commit(?:ting)? (?:\w+ )?(?:fraud|murder|arson|identity theft|insider trading|perjury|a crime)|shoplift|insider trading without|brib(?:e|ing) (?:an? |the |our )?(?:\w+ )?(?:officials?|judge|inspectors?|police|politicians?|customs officers?)|launder|cheat(?:ing)? on (?:my|a|the) (?:\w+ )?(?:drug test|exam|audit)|"
            r"geld waschen|dokumente falschen|(?:pass|krankschreibung|rechnung|unterschrift|spesenabrechnung) (?:zu )?falschen|steuern hinterziehen|lavar dinero|blanquear dinero|falsificar|evadir impuestos)\b"
        ),
        _re(
            r"\b(?:write|create|give me|generate|tell me|make|produce|post|draft|schreib(?:e)?|escribe)\b(?: \S+){0,8}? (?:racist|antisemitic|anti-semitic|homophobic|sexist|transphobic|nazi|white supremacist|hateful|hate speech|propaganda (?:for|against)|rassistische[rn]?|racistas?|defamatory|suicide note|death threat|ransom note|threatening (?:letter|e-?mail|message)|revenge porn|child porn\w*|conspiracy theor\w+|fake news|disinformation)\b"
        ),
        _re(
            r"\b(?:child porn\w*|csam|sexual(?:ly explicit)? (?:images?|content|stories|story|material)(?: \w+){0,3} (?:minors?|children|child|kids?|teen\w*)|sex with (?:a )?(?:minors?|children|child))\b"
        ),
        _re(
            rf"{_ASK}[^.?!\n]{{0,60}}\b(?:burn down|blow up|set (?:fire to|on fire)|sabotage|bomb|shoot up|destroy|vandali[sz]e|derail|in die luft (?:sprengen|jagen)|quemar)\b (?:a |an |the |my |our |your |this )?(?:\w+ )?(?:building|school|church|mosque|synagogue|house|office|factory|plant|car|power (?:plant|grid|line)|bridge|train|plane|hospital|headquarters|warehouse|neighbou?rhood|evidence|competitor'?s? \w+)\b"
        ),
        _re(
            rf"{_ASK}[^.?!\n]{{0,60}}\b(?:get away with|cover up|hide|dispose of|conceal) (?:a |the |my |his |her )?(?:murder|body|dead body|corpse|crime|theft|fraud|embezzlement|bribe|money from (?:the )?(?:tax|irs|police)|evidence)\b"
        ),
        _re(
            _HOW
            + r"[^.?!\n]{0,20}\b(?:secretly|covertly|heimlich) (?:record|film|tape|photograph|monitor|track|listen)\b|"
            r"\bwie (?:kann|konnte) (?:ich|man)\b[^.?!\n]{0,60}\bheimlich (?:auf(?:nehmen|zeichnen)|mitschneiden|filmen|abhoren)\b|\bcomo (?:puedo|podria) (?:grabar|filmar)\b[^.?!\n]{0,40}\b(?:en secreto|a escondidas|sin que)\b"
        ),
        _re(
            _HOW
            + r"[^.?!\n]{0,80}\bwithout (?:the )?(?:customs|border (?:guards?|control)|export control|auditors?|the audit|compliance|police|authorities|tax office)(?: \w+)? (?:noticing|knowing|finding out|seeing|catching)\b"
        ),
        _re(
            _HOW
            + r"[^.?!\n]{0,20}\b(?:find out|identify|unmask|trace|learn|discover)\b[^.?!\n]{0,50}\b(?:made|filed|wrote|sent|is behind|submitted)\b[^.?!\n]{0,20}\banonymous (?:report|complaint|tip|message|concern)"
        ),
        _re(
            rf"{_ASK}[^.?!\n]{{0,80}}\b(?:track|follow|monitor|spy on|bug|record|film|photograph|uberwachen|espiar)\b[^.?!\n]{{0,50}}\b(?:without (?:them|him|her|their|his|anyone|my \w+)(?: \w+)? (?:knowing|knowledge|noticing|consent|permission)|secretly|heimlich|sin que (?:lo )?sepa)"
        ),
    ),
    unless=(
        _re(
            r"\b(?:prevent\w*|protect\w*|detect\w*|defend\w*|report(?:ing|ed)?\b(?! claims?)|recogni[sz]e|spot(?:ting)?|avoid(?:ing)?|stop(?:ping)? (?:someone|people|a|an|the)|guard against|respond(?:ing)? to|react(?:ing)? to|deal(?:ing)? with|handle|handling|victims? of|awareness|policy|policies|procedure|simulat\w+|drill|exercise|training (?:on|about|for|course|module|mail)|trainings?\b|penalt(?:y|ies)|consequences|what happens if|what should (?:i|we) do|what do (?:i|we) do|is it (?:forbidden|prohibited|allowed)|has been|was sent to me|(?:we|i) (?:received|got)|verhinder\w*|schutz\w*|melden|vorbeug\w*|prevenir|proteger|denunciar|evitar)\b"
        ),
        _re(
            r"\b(?:shoot (?:\w+ ){0,3}(?:an? )?(?:e-?mail|mail|message|video|photo|film|picture)|shoot (?:me|us|him|her|them) (?:an? |the |your )|shoot (?:\w+ ){0,2}(?:portraits?|headshots?|interviews?))\b"
        ),
        _re(
            r"\b(?:kill|murder|beat|poison|torture|hurt|shoot|drown|stab) (?:\w+ ){0,2}(?:in (?:the |a )?(?:game|minecraft|fortnite|call of duty|chess)|with kindness|the (?:mood|vibe|conversation))\b|\b(?:game|minecraft|fortnite|skyrim|video game|novel|chess)\b"
        ),
        _re(
            r"\b(?:hurt|injure[ds]?|drug|threaten|harass|kill)\b[^.?!\n]{0,30}\b(?:feelings|chances|career|test(?:ing)? (?:policy|programme|program)|store)\b"
        ),
    ),
)

_SELF_HARM = Shape(
    any_of=(
        _re(
            r"\b(?:kill(?:ing)? myself|end(?:ing)? my (?:own )?life|commit(?:ting)? suicide|take my own life|hurt(?:ing)? myself on purpose|harm(?:ing)? myself|cut(?:ting)? myself (?:on purpose|again)|want to die|wish i (?:was|were) dead|don't want to (?:live|be alive)|do not want to live|no reason to live|better off dead|suicidal|how many pills|overdose on (?:my |sleeping )?\w+|"
            r"mich (?:selbst )?umbringen|mir das leben nehmen|selbstmord begehen|nicht mehr leben|suizidgedanken|suicidarme|quitarme la vida|matarme|no quiero vivir|quiero morir)\b"
        ),
    ),
    unless=(
        _re(
            r"\b(?:laughing|of boredom|policy|prevention|training|awareness|this (?:meeting|spreadsheet|report))\b|\bdie of\b"
        ),
    ),
)

_LEGAL = Shape(
    any_of=(
        _re(
            r"\b(?:should|can|could|may|shall) (?:i|we) sue\b|\bsue (?:my|the|our|this|kestrel|him|her|them)\b|\b(?:take|bring) (?:my|the|our) (?:\w+ )?(?:employer|company|boss|manager|landlord|neighbou?r) to (?:court|a tribunal)\b|\b(?:win|lose) (?:my|the|a) (?:court )?(?:case|lawsuit|tribunal)\b|\blegal advice\b(?! (?:line|team|insurance|helpline|service))|\bdo i have a (?:legal )?(?:case|claim) against\b|"
            r"\b(?:my|our) (?:divorce|custody|tenancy|landlord|will|inheritance|immigration (?:case|status)|visa appeal|criminal (?:charge|record|case))\b[^.?!\n]{0,40}\b(?:lawyer|court|judge|rights|contest|fight|advice|settle)|\b(?:contest|draft|write) my (?:divorce|will|prenup\w*)\b|\bplead guilty\b|\bam i (?:legally )?liable if\b[^.?!\n]{0,60}\b(?:my (?:car|house|dog|child)|neighbou?r)\b|"
            r"\b(?:soll|kann) ich (?:\w+ ){0,4}verklagen\b|\brechtsberatung\b|\b(?:puedo|debo|deberia) demandar\b|\basesoramiento legal\b"
        ),
    ),
    unless=(
        _re(
            r"\b(?:customer|supplier|contract|nda|who (?:in|at|from|signs?|reviews?)|legal team|legal department|how long does|policy|insurance|cover(?:s|ed)?|budget|tenders?)\b"
        ),
    ),
)

_MEDICAL = Shape(
    any_of=(
        _re(
            r"\b(?:what|which|how (?:much|many)|should i take|can i take|is it safe to take|max(?:imum)?)\b[^.?!\n]{0,60}\b(?:dos(?:e|age)|ibuprofen|paracetamol|aspirin|antibiotics?|antidepressants?|insulin|medications?|medicines?|pills|tablets|painkillers?)\b[^.?!\n]{0,60}|"
            r"\b(?:do|might|could) i have (?:a |an |the )?(?:cancer|diabetes|covid|depression|adhd|autism|hiv|flu|pneumonia|heart attack|stroke|concussion|infection|std|migraine|tumou?r)\b|\bdiagnose (?:me|my|this|these symptoms)\b|\bwhat(?:'s| is) wrong with my (?:\w+ )?(?:back|head|stomach|heart|skin|eye|knee|throat|chest|health|body)\b|\bmedical advice\b|\b(?:is|are) (?:this|my|these) (?:\w+ )?(?:rash|mole|lump|symptoms?|pain|bleeding|headaches?)\b[^.?!\n]{0,40}\b(?:serious|dangerous|cancer\w*|normal|infected)\b|\bshould i (?:stop taking|get (?:the )?(?:surgery|chemo\w*))|"
            r"\b(?:welche|wie viel(?:e)?) (?:dosis|tabletten|ibuprofen|paracetamol)\b|\bhabe ich (?:krebs|diabetes|depressionen|corona)\b|\bmedizinischen rat\b|\b(?:que|cuanta) dosis\b|\bcuanto (?:ibuprofeno|paracetamol)\b|\btengo (?:cancer|diabetes)\?|\bconsejo medico\b"
        ),
    ),
    unless=(
        _re(
            r"\b(?:policy|first[- ]aid (?:box|kit|room|cabinet|course)|insurance|cover(?:s|ed|age)?|refund|expense|claim|reimburse\w*|travel(?:ling)? with|customs|carry|hand luggage|absence|sick (?:leave|note|pay)|appointment|store|storage|sensor|meter|radiation dose rate|dose rate|medicine cabinet|work(?:ing)? (?:under|on|while)|days off|who do i tell|tell (?:my|the) (?:manager|company))\b"
        ),
    ),
)

_PERSON_NAME = r"(?-i:[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,2})"
_PAY = r"(?:salary|salaries|wages?|pay ?slip|compensation package|bonus(?:es)?|(?:monthly |annual |base |take-home )?pay\b(?! (?:range|band|grade|date|day|back|for|the|by|with|in|to|a|an))|gehalt|gehaltsabrechnung|verdienst|bonuszahlung|sueldo|salario|nomina|retribucion)"
_PAID_PERSON = r"(?:(?:the )?(?:ceo|cfo|cto|coo|managing director|head of \w+|hr director|finance director|boss|director general|geschaftsfuhrer(?:in)?)|(?:my|his|her|our) (?:\w+ )?(?:boss|manager|colleague|coworker|co-worker|team ?lead|supervisor|predecessor|chef(?:in)?|kolleg(?:e|en|in))|mi (?:jefe|jefa|companero|companera)|mein(?:em|er|es|e|en)? (?:chef(?:in|s)?|kolleg(?:e|en|in)))"
_PERSONS_PAY = (
    _re(rf"\b{_PAID_PERSON}(?:'s|s'|s)? (?:\w+ ){{0,1}}{_PAY}"),
    _re(rf"\b{_PAY} (?:of|for|from|von|de|del|des|fur) (?:der |dem |la |el )?{_PAID_PERSON}\b"),
    _re(
        rf"\b(?:how much|what) (?:does|do|did|is|will) {_PAID_PERSON} (?:\w+ )?(?:earn|make|get paid|paid|take home)\b"
    ),
    _re(rf"\b(?:wie viel|was) verdien(?:t|en) {_PAID_PERSON}|\bcuanto (?:gana|cobra) (?:el |la )?{_PAID_PERSON}"),
)
_PAY_EXCUSED = _re(
    r"\b(?:who (?:approves|signs|decides)|approve|decide[sd]?|change|discuss|talk|ask|allowed|may|policy|range|band|grade|notify|(?:may|can|should) (?:i|we) tell)\b|\bceo (?:pay )?ratio\b"
)

_NAMED_PAY = re.compile(
    r"\b(?:[Ss]alary|[Ww]ages?|[Pp]ayslip|[Pp]ay slip|[Bb]onus|[Pp]ay|[Cc]ompensation|[Gg]ehalt|[Ss]ueldo|[Ss]alario|[Nn]ómina) (?:of|for|von|de) (?:(?:Mr|Mrs|Ms|Dr|Herrn?|Frau|Sra?)\.? )?(?P<a>[A-ZÄÖÜ][\w'’-]+ [A-ZÄÖÜ][\w'’-]+)"
    r"|\b(?P<b>(?:(?:Mr|Mrs|Ms|Dr|Herr|Frau|Sra?)\.? [A-ZÄÖÜ][\w-]+|[A-ZÄÖÜ][\w-]+ [A-ZÄÖÜ][\w-]+))(?:'s|’s|s)? (?:\w+ )?(?:salary|wages?|payslip|pay slip|bonus|pay|compensation|Gehalt)\b(?! (?:range|band|grade|scheme|plan|policy|table))"
    r"|\b(?:[Hh]ow much|[Ww]hat) (?:does|do|did|is|will) (?P<c>[A-ZÄÖÜ][\w'’-]+(?: [A-ZÄÖÜ][\w'’-]+)?) (?:\w+ )?(?:earn|make|get paid|paid|take home)\b"
    r"|\b(?:[Ww]ie ?viel|[Ww]as) verdient (?P<d>(?:Herr |Frau )?[A-ZÄÖÜ][\w-]+(?: [A-ZÄÖÜ][\w-]+)?)|\b[Cc]uánto (?:gana|cobra) (?P<e>[A-ZÁÉÍÓÚ][\w-]+(?: [A-ZÁÉÍÓÚ][\w-]+)?)"
)
_NOT_A_NAME = """
company team band grade level scheme plan policy kestrel bay contractor contractors employee employees engineer engineers intern interns apprentice apprentices shift overtime holiday sick parental maternity
paternity living minimum national london bristol hamburg valencia germany spain uk usa denver wales england statutory annual monthly gross net base basic christmas referral the a an our my your their this that
it one someone he she they you we i k1 k2 k3 k4 k5 k6 k7 k8 k9
"""
_NO_PERSON = frozenset(_NOT_A_NAME.split())


def named_salary(text: str, folded: str) -> bool:
    """Whether somebody asks for the pay of one person: a role that one person holds, or a name written as one."""
    if any(p.search(folded) for p in _PERSONS_PAY):
        return not _PAY_EXCUSED.search(folded)
    for match in _NAMED_PAY.finditer(text):
        name = next(group for group in match.groups() if group)
        if not {word.lower() for word in name.split()} & _NO_PERSON:
            return not _PAY_EXCUSED.search(folded)
    return False


_OFF_TOPIC = Shape(
    any_of=(
        _re(r"^(?:please |can you |could you |hey,? )*(?:write|compose|tell|give|sing|make)(?: me| us)?(?: up)? (?:an? |some |another |the )?(?:\w+ ){0,2}(?:poem|haiku|limerick|sonnet|song|rap|joke|riddle|fairy tale|bedtime story|short story|novel|screenplay|love letter|cover letter|essay|homework|horoscope|pick-?up line)s?\b"),
        _re(r"\b(?:what(?:'s| is| will be)|how(?:'s| is)) the weather\b|\bweather (?:forecast|tomorrow|today|in \w+)\b(?! (?:sensor|station|policy))|\bwill it (?:rain|snow) (?:today|tomorrow|this)\b|\bwho (?:won|will win|is going to win) the (?:\w+ )?(?:match|game|world cup|super bowl|election|league|championship|final)\b|\b(?:give me|what is|tell me|find me) (?:a |the |your )?(?:\w+ )?recipe for\b|\b(?:should i (?:buy|sell|invest in)|price of) (?:bitcoin|ethereum|crypto\w*|dogecoin|tesla stock|gold)\b|\bmy horoscope\b|\bwhat is the meaning of life\b|\bwho (?:should|do) (?:i|you) vote for\b|\bdo my homework\b|\bmovie recommendations?\b|\bwhat (?:movie|film|series) should i watch\b"),
        _re(r"^(?:bitte )?(?:schreib(?:e|en)?|erzahl(?:e|en)?|dichte)(?: sie)?(?: mir)? (?:einen?|ein) (?:\w+ )?(?:gedicht|witz|lied|liebesbrief|marchen)\b|\bwie (?:ist|wird) das wetter\b|^(?:por favor,? )?(?:escribe(?:me)?|cuenta(?:me)?|dime) (?:un|una) (?:\w+ )?(?:poema|chiste|cancion|cuento)\b|\bque tiempo (?:hace|hara)\b"),
        _re(r"^(?:please |can you |could you )*(?:write|generate|give)(?: me)? (?:an? |some )?(?:python|javascript|java|c\+\+|sql|bash|php) (?:code|script|function|program)\b"),
    ),
    unless=(_re(r"\b(?:policy|template|onboarding|customer letter|tender|reference letter|reimburse\w*|expense|sensor|station)\b"),),
)  # fmt: skip

SHAPES: Mapping[str, Shape] = {
    "self_harm": _SELF_HARM,
    "harmful": _HARMFUL,
    "legal_advice": _LEGAL,
    "medical_advice": _MEDICAL,
    "off_topic": _OFF_TOPIC,
}
"""The built-in topics but `named_salary`, which looks at the capital letters too; in the order in which they are looked for."""
