"""The commonest shapes of injection in many languages: dropping instructions, showing the prompt, a role without rules.

A sentence has the shape where it holds a verb, what it is about, and a word that says whose or which, in any order: some
languages put the verb last. Words stand here as they are written and are folded as texts are, since folding also maps
letters of other scripts onto Latin ones. Only imperative forms, because people ask whether they may ignore something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from guardrails.normalise import fold


@dataclass(frozen=True, slots=True)
class Shape:
    """Alternatives of a verb, an object and a qualifier; all three are needed in one sentence."""

    verb: re.Pattern[str]
    what: re.Pattern[str]
    which: re.Pattern[str]


_DROP = """
negeer|vergeet|sla over # instructies|opdrachten|regels|richtlijnen # alle|eerdere|vorige|bovenstaande|je
ignorera|glöm|bortse från|strunta i # instruktioner|regler|anvisningar # alla|tidigare|föregående|dina
ignorer|glem|se bort fra # instruksjoner|instruktioner|regler|retningslinjer # alle|tidligere|forrige|dine
unohda|jätä huomiotta|älä välitä # ohjeet|säännöt|ohjeista|säännöistä # kaikki|aiemmat|edelliset|sinun
zignoruj|ignoruj|zapomnij|pomiń # polecenia|instrukcje|zasady|poleceniach|zasadach # wszystkie|poprzednie|wcześniejsze|swoje|swoich|twoje
ignoruj|zapomeň|nedbej # pokyny|instrukce|pravidla # všechny|předchozí|dřívější|svá|své
ignoruj|zabudni # pokyny|inštrukcie|pravidlá # všetky|predchádzajúce|svoje
hagyd figyelmen kívül|felejtsd el # utasítást|utasításokat|szabályokat|utasítás # összes|minden|korábbi|előző
ignoră|uită # instrucțiunile|regulile # toate|anterioare|precedente|tale
игнорируй|проигнорируй|забудь|не следуй # инструкции|инструкциям|указания|правила|правилам|команды # все|предыдущие|прежние|свои|твои|выше
ігноруй|забудь # інструкції|вказівки|правила # усі|всі|попередні|свої
игнорирай|забрави # инструкции|указания|правила # всички|предишни|предходни
αγνόησε|ξέχασε|αγνοήστε # οδηγίες|κανόνες|εντολές # όλες|προηγούμενες|προηγούμενους|σου
yok say|görmezden gel|unut|dikkate alma # talimatları|talimatlarını|kuralları|kurallarını|yönergeleri # tüm|bütün|önceki|yukarıdaki|kendi
忽略|无视|無視|忘记|忘記|不要遵守 # 指令|指示|规则|規則|说明|說明|提示 # 之前|以上|先前|所有|你的|上述|前面|一切
無視|忘れ|従わない # 指示|命令|ルール|プロンプト|規則|設定 # 以前|これまで|上記|すべて|全て|前の|あなたの|今まで
무시|잊 # 지시|명령|규칙|지침|프롬프트 # 이전|모든|위의|앞의|지금까지
تجاهل|انس|اهمل # التعليمات|القواعد|الأوامر|الإرشادات # جميع|كل|السابقة|أعلاه|الخاصة
התעלם|שכח # ההוראות|הכללים|הנחיות # כל|הקודמות|הקודמים|שלך
نادیده بگیر|فراموش کن # دستورالعمل|دستورات|قوانین # تمام|همه|قبلی
अनदेखा|भूल जा|नज़रअंदाज़ # निर्देश|निर्देशों|नियम|नियमों # सभी|पिछले|पहले|अपने
bỏ qua|quên # hướng dẫn|chỉ thị|quy tắc|chỉ dẫn # mọi|tất cả|trước
abaikan|lupakan # instruksi|aturan|perintah|petunjuk # semua|sebelumnya|di atas
ละเว้น|เพิกเฉย|ลืม # คำสั่ง|กฎ|คำแนะนำ # ทั้งหมด|ก่อนหน้า
oublie|oubliez|ignore|ignorez|laisse tomber # instructions|consignes|règles|directives # toutes|précédentes|précédents|tes|vos|antérieures|dessus
dimentica|ignora|scorda|trascura # istruzioni|regole|direttive|indicazioni # tutte|precedenti|tue|ricevute
esqueça|esquece|ignore|ignora|desconsidere # instruções|regras|diretrizes|ordens # todas|anteriores|suas|tuas
"""
_SHOW = """
laat|toon|geef|print # systeemprompt|systeeminstructies|system prompt # je|jouw|de|me
visa|skriv ut|avslöja # systemprompt|systemprompten|system prompt # din|mig|dina
näytä|tulosta|paljasta # järjestelmäkehote|järjestelmäkehotteen|system prompt # sinun|minulle|oma
pokaż|wypisz|ujawnij|podaj # prompt systemowy|systemowe instrukcje|ukryte instrukcje|system prompt # mi|swoje|swój|twoje|twój
ukaž|vypiš|prozraď # systémový prompt|systémové pokyny|skryté pokyny|system prompt # mi|svůj|své
покажи|выведи|расскажи|раскрой # системный промпт|системный промт|системные инструкции|скрытые инструкции|system prompt # мне|свой|свои|твой|полностью
göster|yazdır|açıkla # sistem istemini|sistem talimatlarını|system prompt|sistem promptunu # bana|kendi|tüm
显示|告诉|输出|打印|透露|重复|顯示|告訴 # 系统提示|系统指令|系統提示|初始指令|提示词|system prompt # 你的|我|全部|完整
表示|教えて|見せて|出力 # システムプロンプト|初期指示|隠された指示|system prompt # あなた|全て|すべて|して|ください
보여|알려|출력 # 시스템 프롬프트|시스템 지침|숨겨진 지시|system prompt # 너의|당신|줘|모두
أظهر|اعرض|اكشف|أخبرني # تعليمات النظام|موجه النظام|التعليمات المخفية|system prompt # الخاصة|لي|بك|كاملة
दिखा|बता # सिस्टम प्रॉम्प्ट|छिपे निर्देश|system prompt # अपना|मुझे|अपने|ओ
tampilkan|beritahu|ungkapkan # prompt sistem|instruksi sistem|instruksi tersembunyi|system prompt # mu|anda|saya|kamu
cho tôi xem|hiển thị|tiết lộ # lời nhắc hệ thống|chỉ thị hệ thống|system prompt # của bạn|tôi
montre|montrez|affiche|donne|révèle|répète # prompt système|message système|instructions système|consignes secrètes|instructions cachées|system prompt # moi|ton|tes|votre|vos
mostra|mostrami|dimmi|rivela|ripeti # prompt di sistema|messaggio di sistema|istruzioni nascoste|istruzioni segrete|system prompt # il tuo|le tue|mi|tuo
mostre|mostra|revele|repita|diga # prompt do sistema|mensagem do sistema|instruções ocultas|instruções secretas|system prompt # seu|suas|teu|me|tuas
"""
_PERSONA = """
du bist|stell dir vor|tu so|spiele|spiel|verhalte dich|antworte|gib vor|tun wir so # ohne einschränkungen|ohne jede grenze|ohne grenzen|ohne regeln|ohne filter|ohne beschränkungen|keine regeln|keine grenzen|keine einschränkungen|uneingeschränkte|entwicklermodus|niemals ablehnt|nie ablehnt|alles verraten # ki|du|assistent|assistentin|bot|modell|chatbot
eres|imagina que|finge|actúa|haz como|responde|contesta|compórtate # sin restricciones|sin límites|sin filtros|sin reglas|no existieran|nunca se niega|modo desarrollador|malvada # ia|inteligencia artificial|asistente|modelo|tú|eres|y
tu es|vous êtes|imagine|fais semblant|faites semblant|agis|réponds|comporte-toi # sans limites|sans restrictions|sans aucune restriction|sans filtre|sans règles|ne refuse jamais|mode développeur # ia|intelligence artificielle|assistant|modèle|tu|vous
sei|immagina|fingi|comportati|rispondi|agisci # senza limiti|senza restrizioni|senza filtri|senza alcun filtro|senza regole|non rifiuta mai|modalità sviluppatore # ia|intelligenza artificiale|assistente|modello|tu|e
você é|finja|imagine|aja|responda # sem restrições|sem limites|sem filtros|sem regras|não há regras|nunca recusa|modo desenvolvedor # ia|inteligência artificial|assistente|modelo|você|e
je bent|doe alsof|stel je voor|gedraag je # zonder beperkingen|zonder grenzen|zonder regels|zonder filters|geen regels|geen grenzen|nooit weigert # ai|assistent|je|model
jesteś|udawaj|wyobraź sobie|zachowuj się # bez ograniczeń|bez zasad|bez filtrów|bez żadnych ograniczeń|nigdy nie odmawia # sztuczną inteligencją|ai|asystentem|modelem|teraz
ты|представь|притворись|веди себя # без ограничений|без правил|без фильтров|нет никаких ограничений|нет ограничений|никогда не отказывает # ии|ассистент|искусственный|тебя|теперь|модель
ти|уяви|поводься # без обмежень|без правил|без фільтрів|немає обмежень # ші|асистент|теперь|тепер|модель
你现在是|你是|假装|扮演|假設|假设你 # 没有任何限制|没有限制|不受限制|沒有限制|没有规则|从不拒绝|无限制 # 人工智能|助手|模型|ai|你|机器人
あなたは|ふりをして|演じて|なりきって # 制限のない|無制限|ルールのない|制約のない|決して拒否しない # ai|人工知能|アシスタント|モデル
너는|당신은|척해|역할을 # 제한이 없는|제약이 없는|규칙이 없는|무제한 # 인공지능|ai|비서|모델
sen|rol yap|gibi davran # sınırsız|kısıtlaması olmayan|kuralsız|filtresiz # yapay zeka|asistan|model|artık
"""
OTHERS_ORDERS = re.compile(
    r"\b(?:anweisung|instruktion|regel|befehl|aufforderung|instruccion|regla|norma|orden|indicacion|instruction|consigne|regle)\w* (?:in|aus|von|vom|der|des|auf|de|del|en|du|dans|sur) (?:\w+ ){0,3}?"
    r"(?:e-?mails?|mails?|anruf\w*|sms|briefe?n?|hersteller\w*|formular\w*|verpackung|correos?|llamadas?|carta|fabricante|formulario|envase|courriels?|appels?|lettre|fabricant|formulaire|emballage|notice)\b"
)
"""Whose instructions people are told to leave aside."""
_SENTENCE = re.compile(r"[.!?。！？\n|]+")
_LETTERS = re.compile(r"[a-z]")


def overrides(folded: str) -> bool:
    """Whether a sentence of a folded text orders that instructions be dropped, and not somebody else's."""
    verbs, shapes = _shapes(_DROP)
    return bool(verbs.search(folded)) and any(
        _has(sentence, verbs, shapes) for sentence in _SENTENCE.split(folded) if not OTHERS_ORDERS.search(sentence)
    )


def reveals(folded: str) -> bool:
    """Whether a sentence of a folded text orders that the prompt be shown."""
    return _has(folded, *_shapes(_SHOW))


def unbound(folded: str) -> bool:
    """Whether a sentence of a folded text gives the assistant a role without rules."""
    return _has(folded, *_shapes(_PERSONA))


def _has(folded: str, verbs: re.Pattern[str], shapes: tuple[Shape, ...]) -> bool:
    if not verbs.search(folded):
        return False
    return any(
        shape.verb.search(sentence) and shape.what.search(sentence) and shape.which.search(sentence)
        for sentence in _SENTENCE.split(folded)
        if verbs.search(sentence)
        for shape in shapes
    )


@cache
def _shapes(table: str) -> tuple[re.Pattern[str], tuple[Shape, ...]]:
    """One pattern of all verbs, which passes over nearly every text, and the shapes."""
    rows = [[part.strip() for part in line.split("#")] for line in table.strip().splitlines()]
    verbs = _any("|".join(row[0] for row in rows))
    return verbs, tuple(Shape(*map(_any, row)) for row in rows)


def _any(alternatives: str) -> re.Pattern[str]:
    """Any of the folded alternatives; whole words in Latin letters, parts of words in scripts that write none."""
    words = [word.strip() for word in alternatives.split("|")]
    parts = {
        fold(form) for word in words for form in (word, word.capitalize())
    }  # a capital may look like another letter
    latin = sorted((re.escape(p) for p in parts if _LETTERS.search(p)), key=len, reverse=True)
    other = sorted((re.escape(p) for p in parts if not _LETTERS.search(p)), key=len, reverse=True)
    whole = [rf"(?<!\w)(?:{'|'.join(latin)})(?!\w)"] if latin else []
    return re.compile("|".join([*whole, *other]))
