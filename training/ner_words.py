"""The word lists that training sentences are filled from, beside Faker's names."""

from __future__ import annotations

LATIN = (
    "en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_IN", "en_NZ", "en_NG", "en_PK", "en_KE", "de_DE", "de_AT", "de_CH", "es_ES", "es_MX", "es_AR", "es_CO", "es_CL",
    "fr_FR", "fr_BE", "fr_CH", "fr_CA", "it_IT", "pt_PT", "pt_BR", "nl_NL", "nl_BE", "pl_PL", "cs_CZ", "sk_SK", "sl_SI", "hr_HR", "hu_HU", "ro_RO", "fi_FI", "sv_SE",
    "da_DK", "no_NO", "is_IS", "et_EE", "lt_LT", "lv_LV", "tr_TR", "az_AZ", "id_ID", "vi_VN", "fil_PH", "ga_IE", "sq_AL", "zu_ZA", "yo_NG", "ha_NG", "ig_NG", "tw_GH", "mt_MT", "uz_UZ",
)  # fmt: skip
OTHER_SCRIPTS = ("el_GR", "ru_RU", "uk_UA", "bg_BG", "zh_CN", "ja_JP", "ko_KR", "hi_IN", "ar_SA", "he_IL")
TITLES = (
    "Mr.",
    "Mr",
    "Mrs.",
    "Mrs",
    "Ms.",
    "Ms",
    "Miss",
    "Dr.",
    "Dr",
    "Prof.",
    "Professor",
    "Sir",
    "Herr",
    "Frau",
    "Señor",
    "Sra.",
    "Madame",
    "Captain",
    "Judge",
    "Senator",
    "Mx",
    "Father",
)
COUNTRIES = tuple("""
Afghanistan|Albania|Algeria|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bhutan|Bolivia|Bosnia and Herzegovina|Botswana|Brazil|Brunei|
Bulgaria|Burundi|Cambodia|Cameroon|Canada|Chad|Chile|China|Colombia|Congo|Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Denmark|Dominica|Ecuador|Egypt|El Salvador|Estonia|Ethiopia|Fiji|Finland|France|Gabon|
Gambia|Georgia|Germany|Ghana|Greece|Greenland|Grenada|Guatemala|Guinea|Guyana|Haiti|Honduras|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Israel|Italy|Jamaica|Japan|Jordan|Kazakhstan|Kenya|Kuwait|Laos|
Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Mauritius|Mexico|Moldova|Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|Namibia|
Nepal|the Netherlands|New Zealand|Nicaragua|Niger|Nigeria|North Macedonia|Norway|Oman|Pakistan|Panama|Papua New Guinea|Paraguay|Peru|the Philippines|Poland|Portugal|Qatar|Romania|Russia|Rwanda|Samoa|
Saudi Arabia|Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Somalia|South Africa|South Korea|Spain|Sri Lanka|Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Togo|
Tonga|Tunisia|Turkey|Uganda|Ukraine|the United Arab Emirates|United Kingdom|the UK|United States|the USA|USA|UK|Uruguay|Uzbekistan|Venezuela|Vietnam|Yemen|Zambia|Zimbabwe|Deutschland|Österreich|España|Italia|France|Schweiz
""".replace("\n", "").split("|"))  # fmt: skip
REGIONS = tuple("""
Texas|Ohio|California|Florida|Nevada|Oregon|Alberta|Ontario|Quebec|Bavaria|Saxony|Hesse|Tyrol|Catalonia|Andalusia|Galicia|Tuscany|Lombardy|Sicily|Normandy|Brittany|Provence|Flanders|Wallonia|Scotland|Wales|Cornwall|Kent|Yorkshire|
Silesia|Bohemia|Moravia|Transylvania|Crimea|Siberia|Lapland|Scania|Jutland|Zealand|Gujarat|Punjab|Kerala|Bengal|Hokkaido|Okinawa|Tasmania|Queensland|Patagonia|Yucatan|Amazonas|Bahia|Africa|Asia|Europe|South America|the Balkans|Scandinavia|
Bayern|Sachsen|Castilla y León|Toscana|Bretagne|New York|Los Angeles|San Francisco|Paris|London|Berlin|Madrid|Rome|Vienna|Lisbon|Dublin|Tokyo|Seoul|Beijing|Mumbai|Nairobi|Cairo|Lagos|Sydney|Boston|Chicago|Denver|Kiel|Graz|Bern
""".replace("\n", "").split("|"))  # fmt: skip
NATIONALITIES = tuple("""
American|British|English|Scottish|Welsh|Irish|French|German|Spanish|Italian|Portuguese|Dutch|Belgian|Swiss|Austrian|Danish|Swedish|Norwegian|Finnish|Icelandic|Polish|Czech|Slovak|Hungarian|Romanian|Bulgarian|Greek|Turkish|Russian|Ukrainian|
Serbian|Croatian|Slovenian|Bosnian|Albanian|Estonian|Latvian|Lithuanian|Canadian|Mexican|Brazilian|Argentinian|Chilean|Colombian|Peruvian|Cuban|Venezuelan|Chinese|Japanese|Korean|Vietnamese|Thai|Indian|Pakistani|Bangladeshi|Nepali|Iranian|
Iraqi|Israeli|Lebanese|Syrian|Jordanian|Egyptian|Moroccan|Algerian|Tunisian|Nigerian|Ghanaian|Kenyan|Ethiopian|Australian|Filipino|Indonesian|Malaysian|Singaporean|Afghan|Armenian|Georgian|Kazakh|Cypriot|Maltese|Bolivian|Ecuadorian|
Catholic|Protestant|Muslim|Jewish|Christian|Hindu|Buddhist|Sikh|Lutheran|Europeans|Americans|Germans|Italians|Russians|African|Asian|European|Arab|Basque|Catalan
""".replace("\n", "").split("|"))  # fmt: skip
STREET_KINDS = (
    "Street", "Street", "St", "St.", "Road", "Road", "Rd", "Avenue", "Ave", "Lane", "Drive", "Dr.", "Close", "Way", "Court", "Place", "Square", "Terrace", "Crescent", "Gardens", "Parkway", "Boulevard", "Blvd", "Highway", "Alley",
    "Straße", "Weg", "Allee", "Platz", "Gasse", "Calle", "Avenida", "Plaza", "Via", "Piazza", "Rue", "Carrer", "Rua", "Strada", "ulica", "utca", "gata", "vej", "laan", "straat", "katu",
)  # fmt: skip
UNITS = ("Apt.", "Apt", "Suite", "Unit", "Flat", "Apartment", "Ste", "App.", "#", "Box")
NUMBERED = (
    "Ticket", "Order", "Invoice", "Case", "Ref.", "SSN", "ITIN", "NIE", "DNI", "NHS number", "badge", "PO", "serial", "part", "booking", "Form", "version", "Gateway", "policy", "claim", "extension", "ISO", "error",
    "Steuer-ID", "tax number", "employee number", "passport number", "account", "batch", "model", "KB", "firmware", "sort code",
)  # fmt: skip
PLACES_INSIDE = (
    "room",
    "floor",
    "hall",
    "gate",
    "desk",
    "bay",
    "aisle",
    "line",
    "shelf",
    "meeting room",
    "stairway",
    "level",
    "building",
    "locker",
)
LEGAL_FORMS = (
    "Inc",
    "Inc.",
    "Ltd",
    "Ltd.",
    "LLC",
    "LLP",
    "plc",
    "GmbH",
    "AG",
    "SE",
    "KG",
    "S.A.",
    "SL",
    "S.p.A.",
    "BV",
    "AB",
    "Oy",
    "A/S",
    "Corp",
    "Corporation",
    "Group",
    "Holdings",
    "Company",
    "Bank",
    "Partners",
    "Industries",
    "Systems",
    "Consulting",
    "Foundation",
    "Institute",
)
BRAND_STARTS = tuple("""
Nor|Vel|Qua|Zen|Tri|Omni|Lumi|Astra|Bolt|Cyber|Data|Eco|Flex|Geo|Hyper|Inno|Jet|Kine|Logi|Micro|Nano|Opti|Penta|Quick|Rapid|Sky|Terra|Ultra|Viva|Web|Xeno|Yel|Zap|Mega|Blue|Red|Green|Silver|North|West|Star|Sun|Moon|Stone|Iron|Fire|Snow|
Health|Credit|Money|Trade|Book|Music|Pix|Snap|Link|Cloud|Tele|Medi|Pharma|Agri|Aqua|Solar|Auto|Aero|Petro|Bio|Gen|Nutri|Home|Smart|Bright|Swift|True|Clear|Pure|Prime|Alpha|Beta|Delta|Sigma|Orion|Titan|Atlas|Apex|Vertex|Nexus|Pulse
""".replace("\n", "").split("|"))  # fmt: skip
BRAND_ENDS = (
    "ia",
    "ex",
    "on",
    "ix",
    "ora",
    "tech",
    "soft",
    "ware",
    "net",
    "port",
    "pocket",
    "nova",
    "corp",
    "mart",
    "works",
    "scape",
    "line",
    "bank",
    "path",
    "point",
    "wave",
    "lab",
    "lab",
    "hub",
    "flow",
    "gen",
    "max",
    "air",
    "um",
    "is",
    "Media",
    "Factory",
    "Insider",
    "set",
    "",
)
JOBS = (
    "engineer", "accountant", "nurse", "project manager", "sales director", "spokeswoman", "minister", "singer", "driver", "teacher", "chief executive", "head of finance", "lawyer", "surgeon", "clerk", "president", "producer", "songwriter",
    "tennis player", "goalkeeper", "data protection officer", "team lead", "office manager", "consultant", "journalist", "professor", "painter", "salesperson", "technician", "warehouse worker", "architect", "novelist", "mayor", "coach", "vice president",
)  # fmt: skip
NOUNS = (
    "bank", "bridge", "library", "station", "invoice", "printer", "car", "report", "savings", "bakery", "factory", "warehouse", "school", "museum", "contract", "badge", "laptop", "phone", "sensor", "gateway", "loan", "desk", "bicycle", "ticket",
    "holiday", "bonus", "pension", "hospital", "festival", "harbour", "tower", "novel", "film", "toaster", "valve", "shoe", "guitar", "football", "chess", "legal", "data",
)  # fmt: skip
PRODUCTS = (
    "Plover",
    "Kestrel",
    "Roost",
    "Windows",
    "Atlas Console",
    "Photon",
    "Excel",
    "Python",
    "Quickbooks",
    "Android",
    "Teams",
    "Outlook",
    "Harbour",
    "Lantern",
    "Beacon",
    "Compass",
    "Cobalt",
    "Marble",
    "Time Tracker",
    "Expense Tool",
    "Firefly",
    "Granite",
    "Linux",
    "Jira",
)
DOCUMENTS = (
    "Travel Policy", "Code of Conduct", "Annual Leave Policy", "Expense Guidelines", "Data Protection Notice", "Employee Handbook", "Terms and Conditions", "Works Agreement", "Safety Manual", "Information Security Policy", "Remote Work Policy",
    "Onboarding Guide", "Purchase Agreement", "Privacy Statement", "Quality Plan", "Fire Drill Instructions", "Reisekostenrichtlinie", "Urlaubsordnung", "Política de Viajes", "General Ledger", "Risk Register", "Service Catalogue",
)  # fmt: skip
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
