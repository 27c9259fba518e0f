r"""Orders to the assistant in German, Spanish and French, by the grammar of an order: an imperative, what it is about, and whose.

Only forms that turn to the assistant count: du, tú and tu with their imperatives, Sie, usted and vous behind or within one. What
people ask about themselves ("Darf ich alle Regeln ignorieren?", "¿Puedo ignorar las normas?") has another subject. The patterns
look at folded text: no accents, small letters, ß as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from guardrails.injection_tongues import OTHERS_ORDERS


@dataclass(frozen=True, slots=True)
class Tongue:
    """The words of one language, as regular expressions.

    Attributes:
        marks: frequent words that English has not; a text with one of them may be in this language.
        drop, told, whose: verbs that drop, what was told to the assistant, and the words that say so. `needs`: what a verb of so
            few letters needs beside it.
        show, hidden: verbs that show, and what only the assistant has.
        role, free, mode: a part to play, freedom from rules, a mode without them.
        access, obey: the asker's claimed rights; answers without a no.
        void: what says that orders hold no more.
        machine, do, answer: a text that turns to a machine, what it orders, and what becomes of answers.
        send: what is asked for, to an address.
        asks: how a sentence begins in which people ask what they may do.
    """

    marks: str
    drop: str
    told: str
    whose: str
    show: str
    hidden: str
    role: str
    free: str
    mode: str
    access: str
    obey: str
    void: str
    machine: str
    do: str
    answer: str
    send: str
    asks: str
    needs: Mapping[str, str] = field(default_factory=dict)


_DE = Tongue(
    marks="du dir dich dein deine deinen deiner deinem deines ihre ihren sie mir mich mein meine alle alles und der das den dem nicht ist ein eine einen einer keine ohne mit von zu auf fur wenn bist jetzt nie niemals nein diesen diese unsere",
    drop=r"""(?:ignoriere?|vergiss|vergesse|missachte|verwirf|umgehe?|ubergehe?|uberschreibe?|streiche?|losche?|deaktiviere?|pfeif(?:e)? auf|lass|lasse|setze? dich(?: \w+){0,2} uber|halte? dich (?:nicht|nie|an keine)|befolge?|beachte?|hebe?|schalte?|lose? dich von|befreie? dich von|wirf|ausser kraft)(?: sie)?|(?:ignorieren|vergessen|missachten|umgehen|verwerfen|ubergehen|deaktivieren|loschen) sie""",
    told=r"""(?:(?:system|sicherheits|verhaltens|zugriffs|start|anfangs)?-?(?:anweisung|instruktion|regel|vorgabe|befehl|richtlinie|leitlinie|vorschrift|einschrankung|beschrankung|prompt|auftrag|auftrage|zugriffsrecht|zugriffskontrolle)(?:en|n|e|s)?|dein\w* (?:\w+ )?(?:filter|schranke|sperre|grenze|kontrolle)\w*|programmierung|was (?:man )?dir|was (?:bisher|oben|davor|zuvor))""",
    whose=r"""(?:alle[sn]?|samtliche|jede[nrs]?|dein(?:e|en|er)?|ihre(?:n)?|bisherige\w*|vorherige\w*|vorige\w*|obige\w*|fruhere\w*|vorangegangene\w*|vorangehende\w*|ursprungliche\w*|intern\w*|geltende\w*|moralische\w*|ethische\w*|oben|dir|bis hierher|zugriffs\w+|system\w+|sicherheits\w+)""",
    show=r"""(?:zeige?|gib|nenne?|verrate?|drucke?|wiederhole?|liste?|schreibe?|kopiere?|zitiere?|lies|ubersetze?|fasse?|sage?|offenbare?|lege? \w+ offen|erklare?|buchstabiere?|was steht in|was steht|wie lautet|wie lauten|was sind|was ist|welche \w+ hast du)""",
    hidden=r"""(?:dein\w* (?:\w+ )?(?:system-?\w*|prompt\w*|(?:anweisung|instruktion|vorgabe|befehl|konfiguration)(?:en|e)?(?! (?:fur|zu|zum|zur|uber|bei|wie|an)\b)|start\w+|anfangs\w+)|(?:system-?prompts?|systemnachricht|systemanweisung\w*|entwicklernachricht)|(?:intern|geheim|versteckt|verborgen|ursprunglich|anfanglich)\w* (?:anweisung|instruktion|vorgabe|regel|richtlinie|prompt|befehl)\w*|(?:alles|den text|die worter|die nachricht),? (?:was )?(?:uber|oberhalb|vor) (?:dies|mein)\w+|was (?:man )?dir (?:vorher|zuvor|vor mir|am anfang|gesagt|mitgegeben)|(?:anweisung|instruktion|regel|vorgabe)\w*,? (?:die )?(?:du|dir) (?:\w+ ){0,3}(?:bekommen|erhalten|gegeben|befolg\w*|hast|wurden))""",
    role=r"""(?:du bist (?:jetzt|nun|ab jetzt|ab sofort|von nun an|nicht mehr|kein)|ab (?:jetzt|sofort|nun) (?:bist|heisst|antwortest|gehorchst|wirst|sprichst|handelst|agierst|darfst|gilt|gelten)|von (?:nun|jetzt) an (?:bist|heisst|antwortest|gehorchst|wirst|sprichst|darfst|gilt|gelten)|stell dir vor,? (?:du|es gabe)|tu(?:e)? so,? als|spiele? (?:die rolle|eine|einen|den|das spiel)|rollenspiel|verhalte? dich (?:wie|als|so)|gib dich als|gib vor|schlupfe? in die rolle|nimm die rolle|antworte? (?:wie|als) (?:ein|ob|hatt|war|gab)|agiere? als)""",
    free=r"""(?:(?:ohne|frei von|keinerlei|keine|kein|nicht an) (?:jede|jegliche|alle|irgendwelche|moralische|ethische|solche|weitere)?\w* ?(?:regel|einschrankung|beschrankung|grenze|filter|zensur|richtlinie|skrupel|moral|vorgabe|schranke|sperre|tabus?|zugriffs\w+|hemmung|warnung)\w*|uneingeschrankt\w*|unzensiert\w*|ungefiltert\w*|hemmungslos\w*|(?:nie|niemals|nichts) (?:ab(?:lehn|schlag)\w+|verweiger\w+|nein)|lehn\w+ nie\w* ab|alles (?:beantworte\w*|verrat\w*|darf\w*|erlaubt)|keinen regeln|an nichts gebunden|entwicklermodus|debug-?modus|wartungsmodus|gottmodus|jailbreak|bose\w* ki)""",
    mode=r"""(?:(?:aktiviere?|starte?|schalte?|wechsle?|gehe?)(?! ich| wir| man| sie) (?:\w+ ){0,4}(?:entwickler|debug|wartungs|administrator|admin|gott|test|notfall|diagnose|jailbreak)-?modus|(?:entwickler|debug|wartungs|administrator|admin|gott|diagnose)-?modus (?:ist |wurde )?(?:aktiv|aktiviert|an|ein|eingeschaltet)\b)""",
    access=r"""(?:(?:behandle?|betrachte?|sieh) mich (?:als|wie|so)|(?:antworte?|tu(?:e)?|such\w*|zeige?)\b[^.!?\n]{0,40}als (?:hatte ich|ware ich|ob ich|gabe es keine|waren alle)\b[^.!?\n]{0,60}(?:zugriff|zugang|freigabe|recht|administrator|admin|chef|vorstand|leit|berechtig|offentlich|freigegeben|gruppe)|(?:zeige?|gib|nenne?|liste?|fasse?|verrate?|offne)\b[^.!?\n]{0,60}(?:nicht (?:sehen|lesen|einsehen|offnen) (?:darf|durfte)|kein(?:e|en)? (?:zugriff|zugang|berechtigung|freigabe)|(?:gesperrt|geheim|verborgen|versteckt)\w* (?:dokument|datei|akte|unterlage|gehalt)\w*))""",
    obey=r"""(?:(?:beginne?|starte?|fang|eroffne) (?:\w+ )?(?:deine?|jede?|die)\w* (?:antwort\w*|satz) (?:immer |stets )?mit[^.!?\n]{0,4}[\"'„»]\w*|(?:sag|antworte?|lehn|verweiger|weiger|entschuldige?|warn)\w*\b[^.!?\n]{0,40}(?:\bnie(?:mals)?\b[^.!?\n]{0,20}(?:nein|ab\b|ablehn|verweiger|\"ich kann)|dich nie(?:mals)?)|du darfst (?:nicht|nie|niemals|keine\w*) (?:\w+ ){0,3}(?:ablehnen|verweigern|nein|warnen|warnung|weigern)|gehorche? (?:nur|ab jetzt|mir)|hor(?:e)? (?:nur|ab jetzt|ausschliesslich) auf mich|tu(?:e)? (?:nur|genau|alles),? was ich (?:sage|will|verlange)|ich (?:befehle|erlaube|genehmige) (?:es )?dir\b(?=[^.!?\n]{0,80}(?:regel|anweisung|vertraulich|geheim|filter|einschrankung|alles))|ich (?:entbinde|befreie|autorisiere) dich|(?:entschlussle|entschlussel|dekodiere|entziffere)\w*\b[^.\n]{0,80}\b(?:befolge|fuhre|tu|mach|gehorche|folge)\w*)""",
    void=r"""(?:dein\w*|(?:bisher|vorher|vor|ob|fruher|vorangegangen|ursprunglich)\w*ige\w*|dir \w+) (?:\w+ ){0,2}(?:anweisung|instruktion|regel|vorgabe|befehl|richtlinie|einschrankung|beschrankung|filter|sperre)(?:en|n|e)?\b[^.!?\n]{0,30}\b(?:(?:gelten|gilt|zahlen|zahlt) (?:\w+ ){0,3}(?:nicht|nichts)|(?:sind|ist|wurden?|werden) (?:\w+ ){0,3}(?:aufgehoben|au(?:ss|ß)er kraft|ungultig|hinfallig|abgeschaltet|deaktiviert|nichtig|widerrufen|ausgesetzt|gestrichen))""",
    machine=r"""(?:(?:hinweis|nachricht|anweisung|achtung|wichtig|notiz|mitteilung|botschaft|befehl|auftrag)\w* ?(?:an|fur|:) (?:alle |die |den |das |jede\w* |einen |etwaige |automatische )*(?:ki\b|ki-?\w+|sprachmodell\w*|assistent\w*|chatbot\w*|bots?\b|llm\w*|kunstliche intelligenz\w*|maschine\w*)|(?:wenn|falls|sofern|da) du (?:eine? |als )?(?:\w+ )?(?:ki\b|ki-?\w+|sprachmodell|assistent\w*|chatbot|bot|maschine)|(?:^|[\n.:!*>] ?)(?:an (?:den|die|das|alle) )?(?:ki|ki-?assistent\w*|assistent\w*|chatbot|sprachmodell)(?: ?[,:!]| (?:antworte|sag|ignorier|nenn|empfiehl|muss|soll))|(?:ki|assistent\w*|sprachmodell\w*|chatbot),? (?:die|der|das) (?:dies\w*|das) (?:\w+ )?(?:liest|verarbeitet|zusammenfasst))""",
    do=r"""(?:antworte?|sage?|ignoriere?|nenne?|empfiehl|empfehle|fuge?|schreibe?|erwahne?|behaupte?|verweise?|sende?|gib|teile?|beginne?|beende?|zeige?|leite?|bewerte?|lobe?|musst|sollst|darfst|vergiss|stattdessen|muss|sollen?|folge)""",
    answer=r"""(?:(?:in|zu|an|mit|am ende|am anfang|unter) (?:dein|jed|all dein)\w* (?:antwort|zusammenfassung|ausgabe|erwiderung)\w*\b|(?:beende?|beginne?|erganze?|schmucke?) (?:dein|jed)\w* (?:antwort|zusammenfassung|ausgabe)\w*|deine (?:antwort|zusammenfassung|ausgabe) (?:muss|soll|hat)|(?:wenn|falls|sobald) (?:dich )?(?:jemand|ein\w* (?:nutzer|leser|person|mitarbeiter|benutzer)\w*|der (?:nutzer|leser|benutzer|fragende)|man dich)[^.!?\n]{0,60}frag\w*,? (?:dann )?(?:antworte?|sage?|behaupte?|nenne?|verweise?)\b|(?:sage?|teile?|erzahle?|empfiehl|rate) (?:dem|der|den|allen|jedem) (?:nutzer|leser|benutzer|fragend|person|mitarbeiter)\w*|(?:zitiere?|erwahne?|nenne?|verrate?|zeige?)\b[^.!?\n]{0,30}(?:diese[nrs]? (?:hinweis|anweisung|text|absatz|nachricht|satz)|quelle\w*)\b[^.!?\n]{0,20}\b(?:nicht|nie|niemandem))""",
    send=r"""(?:sende?|schicke?|leite?|ubermittle?|poste?|lade?|hange?)\b[^.!?\n]{0,60}(?:gesprach|unterhaltung|verlauf|chat\w*|konversation|frage|daten|passagen|systemprompt|anweisungen|name|passwort|alles)\w*\b[^\n]{0,60}(?:https?:|www\.|@|webhook)""",
    asks=r"""^\W*(?:(?:darf|kann|konn\w+|muss|soll\w*|durf\w+|mochte|will|wurde|hab\w*) (?:ich|wir|man|er|sie|mein\w*|unser\w*|jemand|ein\w*)|was passiert|was bedeutet|wer|warum|wieso|wann|wo|welche\w* (?!\w+ hast du)|ist es|gilt|gelten)\b""",
    needs={
        "lass": "au(?:ss|ß)er acht|beiseite|weg|hinter dir|fallen",
        "setz": "hinweg",
        "befolg": "nicht|keine",
        "beacht": "nicht|keine",
        "heb": "\\bauf\\b",
        "schalt": "\\bab\\b|\\baus\\b",
        "wirf": "uber bord|weg",
        "halt": "\\ban\\b",
    },
)
_ES = Tongue(
    marks="tu tus el los las del que y una un todas todos te eres en por con sin lo las mi ahora como si al es su sus instrucciones nunca jamas esta este en no toda",
    drop=r"""(?:ignora|ignore|olvida(?:te)?|olvide(?:se)?|descarta|descarte|desobedece|desobedezca|desatiende|salta(?:te)?|omite|omita|anula|anule|elimina|borra|desactiva|desactive|suspende|abandona|rompe|deja de (?:seguir|cumplir|obedecer|lado)|deje de (?:seguir|cumplir)|deja a un lado|no (?:sigas|cumplas|obedezcas|respetes|hagas caso|tengas en cuenta|siga|cumpla|apliques)|haz caso omiso|hagan? caso omiso|pasa por alto|prescinde|liberate de|deshazte de|sobrescribe|reemplaza)""",
    told=r"""(?:instruccion(?:es)?|reglas?|normas|ordenes|indicaciones|directrices|directivas|pautas|restricciones|prompt\w*|programacion|mensaje del sistema|consignas|(?:tus?|sus?) (?:limitaciones|limites|filtros|politicas|guia|permisos|controles?|barreras|contexto)|(?:permisos|controles?) de acceso|(?:todo )?lo que (?:te|le) (?:\w+ )?(?:dij\w+|han dicho|hayan dicho|ensenaron|ordenaron)|lo anterior)""",
    whose=r"""(?:todas?|todos|tus?|sus?|anterior(?:es)?|previas?|previos|de arriba|del sistema|recibidas|que (?:te|le)|iniciales|originales|internas?|de seguridad|de acceso|eticas|morales|cualquier|lo anterior|hasta ahora|vigentes|dadas|lo que te)""",
    show=r"""(?:muestra(?:me|nos)?|muestre(?:me)?|revela(?:me)?|revele|repite(?:me)?|repita|di(?:me|nos)|diga(?:me)?|imprime|imprima|ensena(?:me)?|escribe(?:me)?|copia|pega|cita|lee(?:me)?|traduce|resume|resuma|lista|enumera|da(?:me|nos)|cuenta(?:me)?|expon|deletrea|que dice|cual es|cuales son|que (?:instrucciones|reglas|ordenes) (?:te|tienes|recibiste|sigues)|comparte|transcribe|vuelca)""",
    hidden=r"""(?:(?:tu|tus|su|sus) (?:\w+ )?(?:prompt\w*|mensaje (?:de|del) sistema|instrucciones(?! (?:para|sobre|de uso|del? (?!sistema))\b)|indicaciones(?! (?:para|sobre)\b)|configuracion|directrices|reglas (?:internas|secretas|ocultas))|(?:prompt|mensaje|instrucciones|indicaciones|ordenes) (?:de|del) (?:sistema|desarrollador|inicio)|(?:instrucciones|reglas|ordenes|indicaciones|directrices) (?:internas|ocultas|secretas|iniciales|originales|confidenciales|previas|que (?:te|recib|tien|sigu)\w*)|prompt (?:inicial|oculto|original|secreto)|(?:todo|el texto|las palabras|lo) (?:lo )?(?:que )?(?:hay |esta |aparece |va )?(?:antes de|por encima de|encima de|anterior a) (?:est|mi|la primera)\w*|que te (?:dijeron|han dicho|ordenaron|dieron) (?:antes|al principio))""",
    role=r"""(?:(?:ahora|desde ahora|a partir de ahora|de ahora en adelante|desde este momento) (?:eres|seras|te llamas|respondes|responderas|actuas|hablas|obedeces|puedes|no tienes|no hay)|eres (?:una? )?(?:ia|inteligencia|asistente|modelo|chatbot|robot|bot)|ya no eres|imagina(?:te)? que|finge|hazte pasar|haz como si|haz de|actua (?:como|sin)|comportate|interpreta|juguemos|juega a|asume el papel|adopta el papel|simula|responde (?:como si|como un|sin)|contesta (?:como si|como un|sin)|pretende)""",
    free=r"""(?:(?:sin|libre de|no (?:tienes|existen|hay|existieran|hubiera|tuvieras|sigues|respetas)|ningun\w*) (?:ningun\w*|ningun tipo de|las|tus|mas)? ?(?:restriccion\w*|limit\w*|filtros?|reglas?|normas?|censura|etica|moral\w*|politicas|permisos|barreras|tabues|ataduras|control\w*|advertencias)|(?:nunca|jamas) (?:te |se )?(?:nieg\w+|rechaz\w+|digas que no|dice que no)|no (?:puedes|te) (?:negar\w*|nieg\w+)|modo (?:desarrollador|dios|depuracion|administrador|mantenimiento|sin filtros)|ilimitad\w+|malvad\w+|puede\w* (?:hacer|decir) (?:cualquier cosa|de todo|lo que sea)|respond\w+ a todo|jailbreak)""",
    mode=r"""(?:(?:activa|entra en|cambia a|pasa a|inicia|habilita) (?:el |al )?modo (?:de )?(?:desarrollador|dios|depuracion|administrador|admin|mantenimiento|prueba\w*|diagnostico|emergencia|jailbreak|sin \w+)|modo (?:desarrollador|dios|depuracion|administrador|mantenimiento|diagnostico) (?:activad|habilitad)\w)""",
    access=r"""(?:(?:tratame|considerame|atiendeme) como|(?:responde|contesta|actua|haz|busca)\b[^.!?\n]{0,30}como si (?:yo )?(?:fuera|tuviera|no (?:hubiera|existieran)|todo fuera)\b[^.!?\n]{0,60}(?:acceso|permiso|autorizacion|administrador|admin|jefe|director|directivo|public|restriccion|control|nivel|grupo)|(?:muestra|ensena|da|dime|lista|resume|revela|abre|busca)\w*\b[^.!?\n]{0,60}(?:que (?:yo )?no (?:puedo|debo|podria) (?:ver|leer|abrir|consultar)|(?:no tengo|sin tener) (?:acceso|permiso|autorizacion)|(?:documento|archivo|fichero|expediente|informe)s? (?:restringid|secret|ocult|reservad|prohibid)\w+))""",
    obey=r"""(?:(?:empieza|comienza|inicia|abre) (?:tu|cada|la|todas tus) (?:respuestas?|contestacion|frase) (?:siempre )?(?:con|por|diciendo)[^.!?\n]{0,4}[\"'«“] ?\w*|(?:nunca|jamas|no) (?:te niegues|rechaces|digas que no|digas «?\"?no puedo|me adviertas|te disculpes)|no puedes (?:negarte|rechazar|decir que no)|tienes prohibido (?:negarte|rechazar)|obedece(?:me)? (?:solo|siempre|a partir|en todo|desde)|obedece(?:me)?\b(?=\W*$)|haz (?:solo |todo )?lo que (?:yo )?te (?:diga|ordene|pida)|escucha(?:me)? solo a mi|te (?:ordeno|autorizo|libero|eximo|dispenso)\b|te doy permiso para|(?:tienes|cuentas con) (?:mi )?(?:permiso|autorizacion) para (?:salta|ignora|omiti|revela|muestra|mostra)\w*|(?:decodifica|descifra|desencripta)\w*\b[^.\n]{0,80}\b(?:haz|sigue|siguelo|obedece|ejecuta|cumple)\w*)""",
    void=r"""(?:tus|(?:las|los|todas las) (?:\w+ )?(?=\w+ (?:anteriores|previas|recibidas|iniciales|del sistema))) ?(?:\w+ )?(?:instrucciones|reglas|normas|ordenes|indicaciones|restricciones|filtros|limites|directrices)\b[^.!?\n]{0,30}\b(?:ya no (?:valen|rigen|aplican|se aplican|sirven|cuentan|existen|importan)|(?:quedan?|estan|han sido|fueron|son) (?:\w+ )?(?:anulad|suspendid|cancelad|levantad|derogad|desactivad|eliminad|revocad|sin efecto|nul)\w*)""",
    machine=r"""(?:(?:nota|mensaje|instruccion|instrucciones|atencion|importante|aviso|orden|ordenes|comunicado) ?(?:a|al|para|:) (?:el |la |los |las |todos |todas |cualquier |toda )*(?:ia\b|ias\b|asistentes?|chatbots?|bots?\b|modelos? de (?:lenguaje|ia)|modelos?\b|inteligencias? artificial\w*|llms?|agentes? de ia)|(?:si|como|cuando|dado que) (?:eres|tu eres|seas) (?:una? )?(?:\w+ )?(?:ia\b|asistente|modelo|chatbot|bot|inteligencia)|(?:^|[\n.:!*>] ?)(?:a la |al |querid[oa] )?(?:ia|asistente(?: de ia| virtual)?|chatbot|modelo de lenguaje)(?: ?[,:!]| (?:responde|di|ignora|debe|recomienda))|(?:ia|asistente|modelo|chatbot) que (?:lea|lee|procese|procesa|resuma|resume)\w* (?:este|esto))""",
    do=r"""(?:responde|di|diga|ignora|menciona|recomienda|anade|agrega|incluye|escribe|afirma|contesta|envia|muestra|empieza|termina|debes?|tienes que|debera[sn]?|olvida|en su lugar|informa|dile|elogia|puntua|sigue|no (?:cites|menciones))""",
    answer=r"""(?:(?:en|a|al final de|al principio de|con) (?:tu|tus|cada|todas tus|su) (?:respuestas?|resumen|resumenes|salida|contestacion\w*)\b|(?:termina|empieza|comienza|acaba|completa) (?:tu|cada|todas tus) (?:respuestas?|resumen)|(?:tu|la) respuesta (?:debe|tiene que|ha de)|(?:si|cuando) (?:alguien|un usuario|el usuario|una persona|te|el lector|un empleado)[^.!?\n]{0,30}(?:pregunt\w+|consult\w+)[^.!?\n]{0,40}, (?:responde|di|contesta|afirma|diles?|recomienda)\b|(?:di|dile|diles|informa|comunica|recomienda|asegura)(?:le|les)? (?:al|a los|a la|a quien|a todos) (?:usuario|lector|persona|empleado|pregunt|los usuarios)\w*|no (?:cites|menciones|reveles|muestres|nombres)\b[^.!?\n]{0,30}(?:est[ae] (?:nota|instruccion|mensaje|texto|aviso|parrafo)|fuentes?))""",
    send=r"""(?:envia|manda|reenvia|transmite|publica|sube|adjunta|anade)\w*\b[^.!?\n]{0,60}?(?:conversacion|chat|historial|preguntas?|datos|pasajes|prompt|instrucciones|nombre|contrasena|todo)\b[^\n]{0,60}(?:https?:|www\.|@|webhook)""",
    asks=r"""^\W*(?:(?:puedo|podemos|debo|debemos|puede|pueden|deberia\w*|tengo|tenemos|hay|se puede|se debe|quiero|necesito) |que (?:pasa|ocurre|significa|quiere decir)|quien(?:es)?|por que|cuando (?:puedo|debo|se)|donde|como (?:puedo|se|debo|hago))\b""",
)
_FR = Tongue(
    marks="tu tes ton ta te les des le et vous vos votre toutes tous que une un est pas moi sans du ce qui dans maintenant comme ne tout aux au en jamais cette",
    drop=r"""(?:ignore[sz]?|oublie[sz]?|neglige[sz]?|desobeis(?:sez)?|abandonne[sz]?|contourne[sz]?|annule[sz]?|efface[sz]?|supprime[sz]?|desactive[sz]?|leve[sz]?|rejette[sz]?|rejetez|outrepasse[sz]?|passe[sz]? outre|mets de cote|mettez de cote|laisse[sz]? (?:tomber|de cote)|fais (?:abstraction|fi)|faites (?:abstraction|fi)|ne (?:suis|suivez|respecte[sz]?|tiens|tenez|obeis|applique[sz]?|prends|prenez) (?:plus|pas)|ne tiens (?:plus|pas) compte|libere-toi|affranchis-toi|debarrasse-toi|cesse de (?:suivre|respecter)|arrete de (?:suivre|respecter))""",
    told=r"""(?:instructions?|consignes?|regles?|ordres|directives?|restrictions?|prompt\w*|programmation|droits d'acces|controles? d'acces|garde-fous|message systeme|(?:tes|ta|ton|vos|votre) (?:limites|limitations?|filtres?|politiques?|permissions?|contraintes|protections?|contexte)|ce qu(?:'on|e l'on) (?:t'a|vous a) (?:dit|demande|ordonne|appris)|tout ce qui precede|ce qui precede)""",
    whose=r"""(?:tout(?:e|es)?|tous|tes|ta|ton|vos|votre|precedente?s?|anterieure?s?|ci-dessus|du systeme|recues?|initiales?|d'origine|internes?|de securite|d'acces|ethiques?|morales?|n'importe|jusqu'ici|qui precede|ce qu)""",
    show=r"""(?:montre[sz]?(?:-moi|-nous)?|affiche[sz]?|donne[sz]?(?:-moi|-nous)?|revele[sz]?(?:-moi)?|repete[sz]?|dis(?:-moi)?|dites(?:-moi)?|imprime[sz]?|ecris|ecrivez|copie[sz]?|colle[sz]?|cite[sz]?|lis(?:-moi)?|traduis|traduisez|resume[sz]?|liste[sz]?|recite[sz]?|enumere[sz]?|divulgue[sz]?|partage[sz]?|epelle|quelles? (?:sont|est)|quel est|que dit|que disent|transcris)""",
    hidden=r"""(?:(?:ton|ta|tes|votre|vos) (?:\w+ )?(?:prompt\w*|message systeme|instructions(?! (?:pour|sur|d'utilisation|de (?!depart|base))\b)|consignes(?! (?:pour|sur|de (?!depart|base|systeme))\b)|configuration|directives(?! (?:pour|sur)\b)|invite systeme)|(?:prompt|message|instructions?|consignes?|invite) (?:du |de )?(?:systeme|developpeur|depart)|(?:instructions|consignes|regles|directives|ordres) (?:internes|cachees|secretes|secrets|initiales|d'origine|confidentielles|que (?:tu as|vous avez|tu suis|t'a|l'on t'a|on t'a))|prompt (?:initial|cache|secret|d'origine)|(?:tout|le texte|les mots|ce) (?:ce )?(?:qui )?(?:se trouve |figure |est |precede )?(?:avant|au-dessus de|ci-dessus|plus haut)|ce qu'on t'a dit (?:avant|au debut))""",
    role=r"""(?:(?:tu es|vous etes) (?:maintenant|desormais|une? (?:ia|intelligence|assistant|modele|chatbot|robot))|(?:a partir de maintenant|desormais|dorenavant),? (?:tu|vous|ignore|reponds|obeis|il n'y a)|tu n'es plus|imagine que|imaginez que|imagine-toi|fais (?:semblant|comme si)|faites (?:semblant|comme si)|joue[sz]? (?:le role|a|un)|jouons|agis (?:comme|sans)|agissez comme|comporte-toi|mets-toi dans la peau|incarne|simule|reponds (?:comme|sans|en tant)|repondez (?:comme|sans)|pretends)""",
    free=r"""(?:(?:sans|libre de|n'(?:as|avez|existe|y a)(?: plus)?|plus) (?:aucune?s?|la moindre|de|d'|toute)? ?(?:restrictions?|limites?|filtres?|regles?|censure|morale|ethique|contraintes?|tabous?|garde-fous?|avertissements?|controles?)|aucune (?:restriction|limite|regle|contrainte)|ne (?:te |vous )?refuse[sz]? (?:jamais|rien|plus)|ne dis jamais non|mode (?:developpeur|dieu|debogage|administrateur|maintenance|sans filtre)|illimitee?|malveillante?|malefique|peux (?:tout|tout dire|tout faire)|reponds a tout|jailbreak)""",
    mode=r"""(?:(?:active[sz]?|passe[sz]?|entre[sz]?|bascule[sz]?|lance[sz]?) (?:en |le |dans le |au )*mode (?:developpeur|dieu|debogage|debug|administrateur|admin|maintenance|test|diagnostic|urgence|jailbreak|sans \w+)|mode (?:developpeur|dieu|debogage|debug|administrateur|maintenance|diagnostic) (?:est )?activee?)""",
    access=r"""(?:(?:traite|considere)[sz]?-moi comme|(?:reponds|repondez|agis|fais|faites|cherche[sz]?)\b[^.!?\n]{0,30}comme si (?:j'(?:etais|avais)|je (?:faisais|pouvais)|il n'y avait|tout etait|aucun)\b[^.!?\n]{0,60}(?:acces|droit|autorisation|habilitation|administrateur|admin|directeur|chef|public|restriction|controle|groupe)|(?:montre|affiche|donne|liste|resume|revele|ouvre|cherche|dis)\w*(?:-moi)?\b[^.!?\n]{0,60}(?:que je n(?:'ai| ai)? (?:pas le droit|peux pas|dois pas|suis pas autorise)\w*|que je ne (?:peux|dois|suis) pas|je n'ai pas (?:acces|le droit|l'autorisation)|(?:document|fichier|dossier|rapport)s? (?:restreint|secret|cache|interdit|reserve)\w*))""",
    obey=r"""(?:(?:commence[sz]?|debute[sz]?) (?:ta|chaque|toutes? tes|votre|la|tes) (?:reponses?|phrase) (?:toujours )?par[^.!?\n]{0,4}[\"'«“] ?\w*|ne (?:refuse|rejette|decline|m'avertis|t'excuse)[sz]?\b[^.!?\n]{0,12}(?:jamais|pas|rien)|ne dis (?:jamais|pas) (?:non|[\"'«] ?je ne peux)|tu (?:ne peux pas|n'as pas le droit de) (?:refuser|dire non)|interdiction de refuser|obeis(?:-moi)? (?:seulement|toujours|uniquement|sans|a mes)|n'obeis qu'a moi|fais (?:seulement |tout )?ce que je (?:te )?(?:dis|demande|veux)|n'ecoute que moi|je (?:t'ordonne|t'autorise|te libere|te dispense)\b|(?:tu as|vous avez) (?:ma )?(?:permission|autorisation) (?:de|d') ?(?:ignorer|reveler|contourner|montrer)|(?:decode|dechiffre|decrypte)\w*\b[^.\n]{0,80}\b(?:fais|suis|execute|obeis|applique)\w*)""",
    void=r"""(?:tes|vos|les (?=\w+ (?:precedentes|anterieures|recues|initiales|du systeme))) ?(?:\w+ )?(?:instructions|consignes|regles|ordres|directives|restrictions|filtres|limites)\b[^.!?\n]{0,30}\b(?:ne (?:valent|comptent|s'appliquent|tiennent|servent) plus|n'(?:ont|existent|importent) plus|(?:sont|ont ete) (?:\w+ )?(?:annule|suspendu|leve|revoque|desactive|supprime|caduc|nul|abroge)\w*)""",
    machine=r"""(?:(?:note|message|instructions?|attention|important|avis|consignes?|ordre) ?(?:a|au|aux|pour|:|a l'attention (?:de|des|du)) ?(?:l'|les |le |la |tous les |toutes les |toute |tout |cette |des )*(?:ia\b|assistants?|chatbots?|bots?\b|modeles? (?:de langage|d'ia)|modeles?\b|intelligences? artificielles?|llms?|agents? d'ia)|(?:si|comme|puisque|quand) (?:tu es|vous etes) (?:une? |l')?(?:\w+ )?(?:ia\b|assistant|modele|chatbot|bot|intelligence)|(?:^|[\n.:!*>] ?)(?:a l'|cher |chere )?(?:ia|assistant(?: ia| virtuel)?|chatbot|modele de langage)(?: ?[,:!]| (?:reponds|dis|ignore|dois|doit|recommande))|(?:ia|assistant|modele|chatbot) qui (?:lit|lisez|lis|traite|resume)\w* (?:ce|cette|ceci))""",
    do=r"""(?:reponds|repondez|dis|dites|ignore[sz]?|mentionne[sz]?|recommande[sz]?|ajoute[sz]?|inclus|incluez|ecris|affirme[sz]?|envoie|montre|commence|termine|dois|devez|doit|oublie|a la place|informe|precise|suis|note|ne (?:cite|mentionne)[sz]?)""",
    answer=r"""(?:(?:dans|a|a la fin de|au debut de|avec) (?:ta|tes|chaque|toutes tes|votre|vos) (?:reponses?|resumes?|sorties?)\b|(?:termine|commence|acheve|complete)[sz]? (?:ta|chaque|toutes tes|votre|vos) (?:reponses?|resumes?)|(?:ta|votre|la) reponse (?:doit|devra)|(?:si|quand|lorsque|lorsqu')[^.!?\n]{0,8}(?:quelqu'un|un utilisateur|l'utilisateur|une personne|on|le lecteur|un employe)[^.!?\n]{0,30}demande\w*[^.!?\n]{0,40},? (?:reponds|dis|affirme|precise|recommande)\b(?! au\b)|(?:dis|dites|indique|informe|recommande|assure)[sz]? (?:a l'|aux |au |a toute |a tous |a la |l')(?:utilisateur|lecteur|personne|employe|demandeur)\w*|ne (?:cite|mentionne|revele|montre|nomme)[sz]?\b[^.!?\n]{0,30}(?:cette (?:note|instruction|consigne)|ce (?:message|texte|paragraphe)|sources?))""",
    send=r"""(?:envoie|envoyez|transmets|transmettez|transfere|publie|poste|ajoute|joins)\w*\b[^.!?\n]{0,60}(?:conversation|discussion|historique|questions?|donnees|passages|prompt|instructions|nom|mot de passe|tout)\b[^\n]{0,60}(?:https?:|www\.|@|webhook)""",
    asks=r"""^\W*(?:(?:puis-je|peut-on|pouvons-nous|dois-je|doit-on|est-ce que (?:je|nous|on)|a-t-on|ai-je|y a-t-il|je (?:peux|dois|veux)|on (?:peut|doit)|que (?:se passe|signifie|veut dire)|qui|pourquoi|quand|ou|comment (?:puis|faire|dois|peut))\b)""",
)
TONGUES = (_DE, _ES, _FR)
_SENTENCE = re.compile(r"[^.!?\n]+")
_WORD = re.compile(r"[a-z]+")
NEAR, FAR = 120, 320
"""Characters after a verb in which its object stands, and after a role or an address in which the rest of the order does."""


def drops(folded: str) -> bool:
    """Whether a sentence orders that what the assistant was told be dropped, or says that it holds no more."""
    return any(_imperatives(folded, "void")) or any(
        _has(tongue, "told", sentence[at:]) and _has(tongue, "whose", sentence[at:]) and _complete(tongue, sentence, at)
        for tongue, sentence, at in _imperatives(folded, "drop")
        if not OTHERS_ORDERS.search(sentence)
    )


def shows(folded: str) -> bool:
    """Whether a sentence orders that what only the assistant has be shown."""
    return any(_has(tongue, "hidden", sentence[at:]) for tongue, sentence, at in _imperatives(folded, "show"))


def frees(folded: str) -> bool:
    """Whether the assistant is given a part to play that no rules hold for, or a mode without them."""
    return any(
        _word(tongue, "mode").search(folded)
        or any(
            _has(tongue, "free", folded[m.start() : m.start() + FAR]) for m in _word(tongue, "role").finditer(folded)
        )
        for tongue in _spoken(folded)
    )


def presses(folded: str) -> bool:
    """Whether answers without a no are ordered, or rights claimed that the asker has not."""
    return any(any(_imperatives(folded, part)) for part in ("obey", "access"))


def addresses(folded: str) -> bool:
    """Whether a text turns to a machine that reads it and orders something."""
    return any(
        _has(tongue, "do", folded[max(0, m.start() - 40) : m.end() + FAR])
        for tongue in _spoken(folded)
        for m in _word(tongue, "machine").finditer(folded)
    )


def tampers(folded: str) -> bool:
    """Whether a text says how the assistant's answer is to be worded."""
    return any(
        _has(tongue, "do", folded[max(0, m.start() - NEAR) : m.end() + NEAR])
        for tongue in _spoken(folded)
        for m in _word(tongue, "answer").finditer(folded)
    )


def sends(folded: str) -> bool:
    """Whether the conversation or data are to be sent to an address."""
    return any(_word(tongue, "send").search(folded) for tongue in _spoken(folded))


def _spoken(folded: str) -> list[Tongue]:
    """The languages that the text may be in, which for an English one are none."""
    words = set(_WORD.findall(folded))
    return [tongue for tongue in TONGUES if words & _marks(tongue.marks)]


def _imperatives(folded: str, verb: str) -> Iterator[tuple[Tongue, str, int]]:
    """Each verb with its language, its sentence up to where its object may stand, and its place there; not where people ask about themselves."""
    for tongue in _spoken(folded):
        for sentence in _SENTENCE.findall(folded):
            if not _word(tongue, "asks").search(sentence):
                for match in _word(tongue, verb).finditer(sentence):
                    yield tongue, sentence[: match.end() + NEAR], match.start()


def _complete(tongue: Tongue, sentence: str, at: int) -> bool:
    """Whether a verb of two parts has the other beside it."""
    rest = sentence[at:]
    return all(re.search(other, rest) for begin, other in tongue.needs.items() if rest.startswith(begin))


def _has(tongue: Tongue, part: str, text: str) -> bool:
    return _word(tongue, part).search(text) is not None


def _word(tongue: Tongue, part: str) -> re.Pattern[str]:
    return _compiled(getattr(tongue, part))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)" if not pattern.startswith("^") else pattern)


@cache
def _marks(words: str) -> frozenset[str]:
    return frozenset(words.split())
