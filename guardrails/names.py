"""People, places, organisations and their like, without a model: forms of address, cue words, word lists, company forms.

A trained recogniser of names finds more; these are what there is without one, and what it is measured against. Imported
only when the engine is built, because it imports Presidio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult

KINDS = ("PERSON", "LOCATION", "NATIONALITY", "ORGANIZATION", "TITLE")

_CAP = r"[^\W\d_a-zß-öø-ÿ][\w'’.-]*\w"
_NAME = rf"{_CAP}(?:[ ](?:[A-Z]\.?[ ]|(?:van|von|de|del|da|di|la|le|der|den|bin|al|Mac|O'|Mc)[ ]){{0,2}}{_CAP}){{0,2}}"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Dame|Herrn?|Frau|Sra?|Srta|Señora?|Don|Doña|Monsieur|Madame)"
_TITLED = re.compile(rf"\b({_TITLE}\.?)[ ]({_NAME})")
_CUED = re.compile(
    r"(?:\b(?:[Mm]y name is|[Nn]ame is|[Nn]ame:|[Mm]y name's|maiden name is|under the name(?: of)?|partner's name|named|surname:?|"
    r"(?:first|last|full) name:?|[Cc]ontact(?: person)?:|[Aa]ttn:?|[Dd]ear|Hi|Hello|[Bb]ill(?:ing)? (?:to|address):|[Ss]igned(?: by)?:?|"
    r"[Mm]anager|[Pp]roducer|[Ss]ongwriter|[Aa]uthor|[Pp]resident|[Ss]enator|[Dd]irector|[Cc]olleague|[Ee]mployee|[Cc]lient|[Pp]atient|"
    r"[Mm]ein Name ist|[Ii]ch hei(?:ß|ss)e|[Ll]iebe[r]?|[Mm]e llamo|[Mm]i nombre es|[Ee]stimad[oa])[ ]?,?\s?"
    r"|(?:Sincerely|Regards|Cheers|Thanks|Best|Saludos|Grüße)[,.!]?\s+)"
    rf"({_NAME})"
)
_SAID = re.compile(
    rf"\b({_CAP}[ ]{_CAP}(?:[ ]{_CAP})?)[ ](?:said|says|told|wrote|asked|explained|listed|spent|joined|left|lives|lived|called|reported|works|worked|was born|is from|has been)\b"
)
_ALONE = re.compile(
    rf"(?:^|[.!?\n\"”][ ]?)({_CAP})[ ](?:lives|lived|said|says|told|spent|was born|is from|grew up|has been on (?:sick )?leave)\b"
    rf"|\b(?:(?:written|signed|approved|made|sent|song|story|book|report)[^.\n]{{0,20}}[ ]by|said|says|assistant to|reports? to|calls? me|known as)[ ]({_CAP}(?:[ ](?:[A-Z]\.?[ ])?{_CAP})?)(?=[.,!?;\"”]|[ ](?:to|and|on|in|at)\b|$)",
    re.MULTILINE,
)
_BETWEEN = re.compile(r"[ ](?:[A-Z]\.?[ ])?|-")
_ORGANISATION = re.compile(
    rf"\b((?:{_CAP}[ ,]{{1,2}}(?:&[ ]|and[ ])?){{1,4}}(?:Inc|Ltd|LLC|LLP|PLC|plc|GmbH|AG|SE|KG|SA|SL|Corp|Corporation|Company|Co|Group|Bank|Holdings|Partners|Sons|Bros|Foundation|University|Institute)\b\.?)"
    rf"|\b({_CAP}(?:-{_CAP})?[ ]and[ ]Sons|{_CAP},[ ]{_CAP}[ ]and[ ]{_CAP})\b"
)
_WORD = re.compile(_CAP)
_PLACED = re.compile(
    rf"\b(?:[Ll]ives? in|[Ll]ived in|[Ll]iving in|[Mm]oved (?:here )?(?:to|from)|[Gg]rew up in|[Bb]orn in|[Bb]ased in|trip to|travel(?:ling)? to|I am in|wohnt in|vive en)[ ]({_CAP}(?:[ ]{_CAP}){{0,2}})"
)

_FIRST = """
aaron abigail adam adrian agnes ahmed aisha alan alba albert alejandro alex alexander alexandra alfred alice alicia alina alison amanda amber amelia amir amy ana andrea andreas
andrew angela anita anja ann anna anne annette annika antonio anthony arthur barbara beatriz ben benjamin bernd bernhard beth betty bianca birgit bjorn bob brandon brenda brian
bruno camila carl carla carlos carmen carol caroline catherine cesar charles charlotte chloe chris christian christina christine christoph christopher claire clara claudia
claus connor cristina cynthia daniel daniela david deborah denise dennis diana diego dieter dirk dmitri dominik donald donna doris dorothy douglas edith eduardo edward elena
eleanor elisa elisabeth elizabeth ella ellen ellie elsa emil emilia emily emma enrique eric erik erika ernst esther ethan eugene eva eve evelyn fabian farid fatima felix fernando
fiona florian frances francesca francisco frank franz fred frederick fritz gabriel gabriela gary george gerald gerhard gisela gloria gordon grace graham greg gregory greta guido
gustav hanna hannah hannes hans harald harold harry hassan heather heidi heike heinrich heinz helen helena helga helmut henrik henry herbert holger horst hugo ian ibrahim ida
ingrid ines irene iris isaac isabel isabella ivan jack jacob jaime james jan jane janet jasmin jason javier jean jeffrey jenna jennifer jens jeremy jessica jesus jim joachim joan joanna
joe joel johan johann johanna john johnny jonas jonathan jorge jorg jose josef joseph joshua juan juana judith judy julia julian juliana jurgen justin kai karen karin karl karla karsten
katarina kate katharina katherine kathleen kathryn katie katja katrin keith kelly ken kenneth kerstin kevin kim klaus konrad kristin kristina kurt lara larry lars laura lauren laurent lea leah
leila lena leo leon leonard leonie lewis liam lilly lily linda lisa liz lorena lorenz louis louise luca lucas lucia lucy luis luisa lukas luke lydia madeleine magdalena manfred manuel manuela
marcel marco marcos marcus margaret maria marie mariana marina mario marion mark markus marta martha martin martina mary mateo matthew matthias maurice max maximilian maya megan melanie melissa
mercedes mia michael michaela michelle miguel mike mila mohamed mohammed molly monica monika moritz nadia nadine nancy natalia natalie nathan nicholas nick nicola nicolas nicole niklas nils nina
noah noor nora norbert olaf oleg olga oliver olivia omar oscar oskar otto pablo pamela patricia patrick paul paula pauline pedro penelope peter petra philip philipp pierre pilar priya rachel rafael
rainer raj ralf ralph ramon raquel raul raymond rebecca regina reinhard renate ricardo richard rita robert roberto robin roger roland rolf roman ronald rosa rosie roy ruben rudolf ruth ryan sabine
sabrina sally sam samantha samir samuel sandra sara sarah sean sebastian sergio sharon sheila silke silvia simon simone sofia sonia sonja sophia sophie stefan stefanie stella stephanie stephen steve
steven sue susan susanne svetlana sven sylvia tamara tanja tara tatiana teresa theo theodor theresa thomas thorsten tim timothy tina tobias tom tomas tony tracy ulrich ulrike ursula uwe valentina valeria
vanessa vera veronica veronika victor victoria vincent viola virginia vladimir volker walter wendy werner wilhelm will william wolfgang xavier yasmin yolanda yusuf yvonne zachary zoe
"""
FIRST_NAMES = frozenset(_FIRST.split())

_PLACES = """
afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain bangladesh barbados belarus belgium belize benin bhutan bolivia bosnia botswana brazil brunei
bulgaria burundi cambodia cameroon canada chile china colombia congo croatia cuba cyprus czechia denmark ecuador egypt eritrea estonia ethiopia fiji finland france gabon gambia germany ghana greece
greenland guatemala guinea guyana haiti honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya kosovo kuwait kyrgyzstan laos latvia lebanon lesotho
liberia libya liechtenstein lithuania luxembourg madagascar malawi malaysia maldives mali malta mauritania mauritius mexico moldova monaco mongolia montenegro morocco mozambique myanmar namibia nepal
netherlands nicaragua niger nigeria norway oman pakistan panama paraguay peru philippines poland portugal qatar romania russia rwanda senegal serbia singapore slovakia slovenia somalia spain sudan suriname
sweden switzerland syria taiwan tajikistan tanzania thailand togo tunisia turkey turkmenistan uganda ukraine uruguay uzbekistan venezuela vietnam yemen zambia zimbabwe england scotland wales britain uk usa
deutschland österreich schweiz frankreich spanien italien españa francia alemania italia inglaterra
amsterdam ankara athens atlanta auckland austin bangkok barcelona beijing belfast belgrade berlin bern bilbao birmingham bogota boston bratislava bremen brisbane bristol brussels bucharest budapest cairo
calgary cambridge canberra cardiff chicago cologne copenhagen dallas delhi denver detroit dresden dubai dublin düsseldorf edinburgh florence frankfurt geneva glasgow gothenburg granada graz hamburg hannover
hanoi helsinki honolulu houston istanbul jakarta jerusalem johannesburg kharkiv kyiv köln lagos leeds leipzig lima lisbon liverpool ljubljana london lyon madrid malaga manchester manila marseille melbourne
miami milan minneapolis montreal moscow mumbai munich münchen nairobi naples nottingham oslo ottawa oxford paris perth philadelphia phoenix porto portland prague quebec reykjavik riga rome rotterdam salzburg
santiago seattle seoul seville shanghai sheffield sofia stockholm stuttgart sydney tallinn tokyo toronto toulouse turin valencia vancouver venice vienna vilnius warsaw washington wellington zagreb zaragoza zurich
california texas florida ohio oregon virginia colorado bavaria catalonia ontario europe asia africa
"""
PLACES = frozenset(_PLACES.split())
PLACES_OF_WORDS = re.compile(
    r"\b(?:United (?:States|Kingdom|Arab Emirates)(?: of America)?|New (?:York|Zealand|Delhi|Orleans|Jersey)|South (?:Africa|Korea|Sudan)|North Korea|Saudi Arabia|"
    r"Czech Republic|Costa Rica|El Salvador|Puerto Rico|Sri Lanka|Sierra Leone|Hong Kong|San (?:Francisco|Diego|Jose|Antonio)|Los Angeles|Las Vegas|Buenos Aires|Tel Aviv|Cape Town|Kuala Lumpur|Rio de Janeiro)\b"
)
_PEOPLES = """
american british english scottish welsh irish french german spanish italian portuguese dutch belgian swiss austrian danish swedish norwegian finnish icelandic polish czech slovak hungarian romanian bulgarian
greek turkish russian ukrainian serbian croatian slovenian bosnian albanian estonian latvian lithuanian canadian mexican brazilian argentinian chilean colombian peruvian cuban venezuelan chinese japanese korean
vietnamese thai indian pakistani bangladeshi nepali iranian iraqi israeli lebanese syrian jordanian egyptian moroccan algerian tunisian nigerian ghanaian kenyan ethiopian australian filipino indonesian malaysian
catholic protestant muslim jewish christian hindu buddhist sikh orthodox lutheran atheist
"""
PEOPLES = frozenset(_PEOPLES.split())
_COMMON = """
the a an and or of in on at to for from with by as is are was were be i you he she it we they this that these those my your his her our their what who when where why how which if then please thank
thanks hello hi dear yes no not all any some new old policy team department office company service desk street road avenue suite apt monday tuesday wednesday thursday friday saturday sunday january
february march april may june july august september october november december producer president everyone everybody nobody someone somebody one who people employees staff customers suppliers contractors
flat suite unit apartment room floor building box mr mrs ms dr there here it's that's one two three each every many most both section chapter table figure page form step note version
"""
_NO_NAMES = frozenset(_COMMON.split())


class Named(EntityRecognizer):
    """PERSON, TITLE, LOCATION, NATIONALITY and ORGANIZATION; scores 0.85 for a title, 0.7 for a cue or a list, 0.65 for a form."""

    def __init__(self) -> None:
        super().__init__(supported_entities=list(KINDS), name="named", supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:  # noqa: ARG002
        wanted = set(entities)
        return [
            RecognizerResult(kind, start, end, score)
            for kind, start, end, score in (*_people(text), *_places(text), *_organisations(text))
            if kind in wanted
        ]


_Found = Iterator[tuple[str, int, int, float]]


def _people(text: str) -> _Found:
    for match in _TITLED.finditer(text):
        yield "TITLE", *match.span(1), 0.85
        yield "PERSON", *match.span(2), 0.85
    for pattern in (_CUED, _SAID):
        for match in pattern.finditer(text):
            if match.group(1).split()[0].lower() not in _NO_NAMES:
                yield "PERSON", *match.span(1), 0.7
    for match in _ALONE.finditer(text):
        group = 1 if match.group(1) else 2
        if match.group(group).split()[0].lower() not in _NO_NAMES | PLACES | PEOPLES:
            yield "PERSON", *match.span(group), 0.65
    words = list(_WORD.finditer(text))
    for place, match in enumerate(words):
        if match.group().lower() in FIRST_NAMES:
            yield "PERSON", match.start(), _last_name(text, words[place:]), 0.7


def _last_name(text: str, words: list[re.Match[str]]) -> int:
    """Where a name ends that begins with the first of the words: up to two more capitalised words right after it."""
    end = words[0].end()
    for match in words[1:3]:
        if not _BETWEEN.fullmatch(text, end, match.start()) or match.group().lower() in _NO_NAMES | PLACES | PEOPLES:
            break
        end = match.end()
    return end


def _places(text: str) -> _Found:
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if word in PLACES:
            yield "LOCATION", *match.span(), 0.7
        elif word in PEOPLES:
            yield "NATIONALITY", *match.span(), 0.7
    for match in PLACES_OF_WORDS.finditer(text):
        yield "LOCATION", *match.span(), 0.7
    for match in _PLACED.finditer(text):
        if match.group(1).split()[0].lower() not in _NO_NAMES:
            yield "LOCATION", *match.span(1), 0.65


def _organisations(text: str) -> _Found:
    for match in _ORGANISATION.finditer(text):
        yield "ORGANIZATION", *match.span(1 if match.group(1) else 2), 0.65
