"""Letters and signs that people read as a letter from A to Z, and Unicode's compatibility forms (NFKC) leave as they are.

`LETTERS` are letters of other scripts, small capitals, turned ones and those with strokes and hooks: after Unicode's table of
confusables (UTS 39) and the names of its letters, with the Greek and Cyrillic ones that jokes use. `SIGNS` are enclosed letters
and those of flags: where they stand between words they are signs, so they are read as letters only where they spell a text.
"""

from __future__ import annotations

LETTERS = {
    "a": "ȺɐɑΑΔΛαλАаᎪᗅᴀᶏⱥⱯꓮ𐊠𖽀",
    "b": "ƀƁƂƃƄɃɓʙΒβВЬбвᏏᏴᑲᖯᗷᴃᵬᶀꓐꞖꞗꞴ𐊂𐊡𐌁",
    "c": "ƇƈȻȼɕςСсᏟᴄↄⲤⲥꓚꜾꜿꞒꞓꞔꟄꮯ𐊢𐌂𐐕𐐽𐔜𝼝",
    "d": "ĐđƊƋƌȡɖɗδԁᎠᏧᑯᗞᗪᴅᵭᶁᶑꓒꓓꟇꟈ",
    "e": "ƎǝɆɇɘɛΕΞΣεЄЕЭеэєҽᎬᴇᶒᶓⱸⱻⴹꓰꬲꬴ𐊆𑢦𑢮",
    "f": "ƑƒϜքᖴᵮᶂẝꓝꜰꞘꞙꬵ𐊇𐊥𐔥𑢢𑣂",
    "g": "ƍƓǤǥɠɡɢʛԌցᏀᏳᵷᶃꓖꞠꞡꬶ𝼂",
    "h": "ĦħɥɦʜʮʯΗНнһհᎻᏂᕼⱧⱨⲎꓧꞍꞕꞪ𐋏",
    "i": "ıƗɨɩɪΙιІіᎥᴉᶖꙇꭵ𑣃𝼚ꓲⲒӀ𐊊𐌉𖼨ᛁⵏ",
    "j": "ȷɈɉɟʄʝͿϳЈјյᎫᒍᴊꓙꞲ",
    "k": "ƘƙʞΚКкᏦᛕᴋᶄⱩⱪⲔꓗꝀꝁꝂꝃꝄꝅꞢꞣꞰ𐔘𝼃𝼐",
    "l": "ŁłƚȴȽɫɬɭʟӏᏞᒪᴌᶅℓⱠⱡⱢⳐꓡꝈꝉꞀꞁꞎꞭꬷꬸꬹ𐐛𐔦𑢣𑢲𖼖𝼄𝼑𝼓Ɩǀ",
    "m": "ƜɯɰɱΜϺМмӎᎷᗰᛖᴍᵯᶆⱮⲘꓟꟺꬺ𐊰𐌑",
    "n": "ƝƞȠȵɲɳɴΝηπИПипոռᴎᵰᶇⲚꓠꞐꞑꞤꞥꬻ𐔓Π",
    "o": "ØøƟɔΘΟΩθοσОФофՕօᴏᴑᶗⱺⲞⲟⵔꓳꝊꝋꝌꝍꬽꬾꬿ𐊒𐊫𐐄𐐬𐓂𐓪𐔖𑢵𑣈𑣗𝼛ɵ",
    "p": "ƤƥΡρРрᏢᑭᴘᵱᵽᶈⱣⲢⲣꓑꝐꝑꝒꝓꝔꝕ𐊕",
    "q": "ɋʠԛգզⵕꝖꝗꝘꝙꞯ",
    "r": "ƦɌɍɹɺɻɼɽɾɿʀʁГЯгяᎡᏒᖇᴙᴚᴦᵲᵳᶉⱤⱹⲅꓣꞦꞧꭆꭇꭈꭉꭋꭌꭨꮁ𐒴𖼵𝼈𝼕𝼖",
    "s": "ƽȿʂЅѕՏᏕᏚᵴᶊⱾꓢꜱꞨꞩꟅꟉꟊꮪ𐊖𐐠𐑈𑣁𖼺𝼞",
    "t": "ŦŧƫƬƭƮȶȾʇʈΤτТтᎢᴛᵵⱦⲦꓔꞱ𐊗𐊱𐌕𑢼𖼊𝼉𝼍",
    "u": "μυЦцՍսᑌᴜᶙꓴꞟꞸꞹꭎꭒ𐓎𐓶𑢸𑣘𖽂Ʉʉ",
    "v": "ƲɅʋʌνѴѵᏙᐯᴠᶌⱱⱴⴸꓦꝞꝟꮩ𐔝𑢠𑣀𖼈",
    "w": "ʍψωШшѡԜԝաᎳᏔᴡⱲⱳꓪꮃ",
    "x": "ΧχХхᕁᕽᚷᶍⲬⵝꓫꞳꭖꭗꭘꭙ𐊐𐊴𐌗𐔧",
    "y": "ƳƴɎɏɣʎʏΥγУуҮүᎩᎽỾỿⲨꓬꭚ𐊲𑢤𑣜𖽃𝼆",
    "z": "ƵƶȤȥɀʐʑΖᏃᴢᵶᶎⱫⱬⱿꓜꟆꮓ𑢩𑣄",
}  # fmt: skip
FIRST_SIGNS = (0x249C, 0x24B6, 0x24D0, 0x1F110, 0x1F130, 0x1F150, 0x1F170, 0x1F1E6)
SIGNS = {first + n: chr(97 + n) for first in FIRST_SIGNS for n in range(26)}
"""Code point to letter: parenthesised, circled, squared, negative circled and squared, regional indicators."""
TURNED = str.maketrans(
    "ɐqɔpǝɟƃɓᵷɥᴉıɾʞlꞁɯuodbɹsʇnʌʍxʎz∀ꓭƆᗡƎℲ⅁ꓩꓘ˥WԀꓤ⊥∩Ʌ⅄", "abcdefggghiijkllmnopqrstuvwxyzabcdefgjklmprtuvy"
)
"""Upside-down letters, as they stand once the text is turned round."""
TURNED_SIGNS = "ɐɔǝɟƃᵷɥᴉɾʞɯɹʇʌʍʎ"
"""Those that are no ordinary letters."""
BRAILLE = dict(zip(map(ord, "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠀"), "abcdefghijklmnopqrstuvwxyz ", strict=True))
_MORSE = ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
MORSE = dict(zip(_MORSE.split(), "abcdefghijklmnopqrstuvwxyz", strict=True))
