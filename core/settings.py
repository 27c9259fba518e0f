"""Settings from the environment, checked at start with every problem named at once.

`python -m assistant settings` prints them with their meaning; docs/settings.md is that output.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from croniter import croniter
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.alert_targets import Targets
from core.errors import SettingsError
from core.places import missing_folder, unreadable_file, unusable_folder, unusable_home
from core.records import CLASSIFICATIONS, DECISIONS, ROLES, Decision
from core.suites import SUITE_FILE, suite_places

ADDRESSES: Final = {
    "public_url": "https://assistant.example.com",
    "qdrant_url": "http://localhost:6333",
    "otlp_endpoint": "http://localhost:4318",
    "oidc_issuer": "https://login.example.com",
}
"""Settings that are one address of HTTP, each with an example. MODEL_URL may be several."""


def _env(name: str) -> AliasChoices:
    """A setting that operators know under a name without our prefix."""
    return AliasChoices(name)


class Settings(BaseSettings):
    """Everything an operator can set. Each field's description is its documentation."""

    model_config = SettingsConfigDict(env_prefix="ASSISTANT_", extra="ignore", frozen=True, populate_by_name=True)

    home: Path = Field(
        Path("~/.enterprise-assistant"), description="Folder that holds all state: database, index, files, keys."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7860, ge=1, le=65535, description="Port to listen on.")
    public_url: str = Field(
        "", description="Address that people type, when behind a proxy; https makes cookies Secure."
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses or networks, with commas between, of the proxies that say who is calling (X-Forwarded-For), as the assistant sees them; heeded where there is a public URL. Sign-in limits and the audit log go by it.",
    )
    organisation: str = Field("Kestrel Bay Instruments", description="Name shown on the pages and in refusals.")
    support_contact: str = Field(
        "support@kestrelbay.example", description="Whom a refusal names when no document owner is known."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Logs carry ids, counts and timings, never people's text."
    )
    otlp_endpoint: str = Field(
        "",
        description="OpenTelemetry collector (OTLP over HTTP) that gets a trace of each answer, without text or people; empty sends none. Needs the extra otel.",
        validation_alias=_env("OTEL_EXPORTER_OTLP_ENDPOINT"),
    )

    database_url: str = Field(
        "",
        description="SQLAlchemy URL; empty means SQLite in the home folder. PostgreSQL: postgresql+psycopg://user@host/name.",
        validation_alias=_env("DATABASE_URL"),
    )
    qdrant_url: str = Field(
        "",
        description="Qdrant server; empty means the embedded index (Qdrant Edge) in the home folder.",
        validation_alias=_env("QDRANT_URL"),
    )
    qdrant_api_key: str = Field(
        "", description="Key for that server.", repr=False, validation_alias=_env("QDRANT_API_KEY")
    )
    qdrant_collection: str = Field("passages", description="Collection name on that server.")

    embedder: str = Field(
        "",
        description="Folder or hub name of a sentence-transformers model; empty means the packaged all-MiniLM-L6-v2.",
    )
    embedder_backend: Literal["auto", "torch", "openvino-bf16", "openvino-int8"] = Field(
        "auto", description="auto measures once at first start and remembers the fastest."
    )
    models: Path | None = Field(
        None,
        description="Folder of the prepared embedding models, which several homes may share; empty means models in the home folder.",
    )
    reader: str = Field(
        "reader-5",
        description="Adapter of the embedded reader that answers; quote answers with quotations chosen without one.",
    )
    reranker: str = Field(
        "",
        description="Adapter of the reranker that orders what was found, such as reranker-1; empty searches without one.",
    )
    guard_model: str = Field(
        "injection-2",
        description="Adapter that judges questions and passages for attempts to steer the assistant; empty leaves that to the rules.",
    )
    glossary: Path | None = Field(
        None,
        description="File of a company's own words, over the packaged retrieval/glossary.yaml: words that mean the same in questions and documents.",
    )
    policy: Path | None = Field(
        None,
        description="File of a company's own guard policy, read over the packaged one; python -m guardrails policy checks it.",
    )
    names_model: Path | None = Field(
        None,
        description="Folder of a large public model of names, a Hugging Face token-classification model or a spaCy pipeline, for chat, documents and redaction; empty means the packaged network. Nothing is downloaded.",
    )
    pseudonym_key: Path | None = Field(
        None,
        description="File of the key behind pseudonyms, outside the home folder; python -m assistant pseudonyms new-key makes it. Needed where the policy says pseudonymise.",
    )
    retrieve_limit: int = Field(8, ge=1, le=50, description="Passages given to the answer model.")
    evidence_threshold: float = Field(0.2, ge=0, le=1, description="Below this evidence score nothing is answered.")
    low_evidence: float = Field(0.5, ge=0, le=1, description="Below this evidence score the answer carries a warning.")

    model_url: str = Field(
        "",
        description="Base URL of an OpenAI-compatible server, such as vLLM, or of several replicas with commas between; empty means the embedded model.",
        validation_alias=_env("MODEL_URL"),
    )
    model: str = Field("", description="Model name on that server.", validation_alias=_env("MODEL"))
    model_sha256: str = Field(
        "",
        description="sha256 of the weights that the model servers run, as `python -m assistant adapters show` names it of an adapter on them (base_sha256): adapters trained on others are refused; empty compares nothing.",
        pattern="^([0-9a-f]{64})?$",
        validation_alias=_env("MODEL_SHA256"),
    )
    model_api_key: str = Field(
        "", description="Key for that server.", repr=False, validation_alias=_env("MODEL_API_KEY")
    )
    model_timeout_s: float = Field(
        60, gt=0, description="Seconds without a token after which the served model counts as down."
    )
    model_adapters: str = Field(
        "",
        description="Folder under which the model servers see the adapters of this home, where they mount them elsewhere; empty means the same paths as here.",
        validation_alias=_env("MODEL_ADAPTERS"),
    )
    reconcile_s: float = Field(
        5, gt=0, le=600, description="Seconds between two looks at which adapters each model server holds."
    )
    canary_every_s: int = Field(
        600,
        ge=0,
        le=86_400,
        description="Seconds between two judgements of a running canary (python -m eval canary --act); 0 leaves it to people and to a scheduler.",
    )
    drift_schedule: str = Field(
        "15 6 * * *",
        description="When an assistant that serves compares the last week's use with the month before (python -m eval drift --scheduled), as five cron fields in UTC: by default daily at 06:15; empty for never.",
    )
    alert_webhooks: str = Field(
        "",
        description="Addresses, with commas between, that get a POST of JSON when a drift begins or ends: names of signals and figures, no text.",
        repr=False,
    )
    alert_emails: str = Field("", description="Mail addresses, with commas between, that are told the same.")
    alert_smtp: str = Field(
        "",
        description="Mail server for them: smtp://user@host:587 or smtps://host; its password in ASSISTANT_SMTP_PASSWORD.",
    )
    alert_sender: str = Field("", description="Whom those mails come from; empty means the first of the addresses.")
    max_tokens: int = Field(400, ge=16, le=4096, description="Longest answer of the served model, in tokens.")

    review_twice: str = Field(
        "train",
        description="Review decisions that need two reviewers, with commas between: train, fix_document, fix_retrieval, fix_guard, fix_prompt, reject; or all, or none.",
    )
    review_lease_minutes: int = Field(
        30, ge=1, le=1440, description="A reviewer who does not decide an item loses it to the queue after this long."
    )

    tracking_url: str = Field(
        "",
        description="MLflow server that training runs are written to; empty means mlflow.db in the home folder.",
        validation_alias=_env("MLFLOW_TRACKING_URI"),
    )
    retrain_after: int = Field(
        50, ge=0, description="So many newly approved review items start a retraining in the worker; 0 for never."
    )
    retrain_schedule: str = Field(
        "0 3 1 1,4,7,10 *",
        description="When the worker retrains in any case, as five cron fields in UTC: by default at 03:00 on the first day of each quarter; empty for never.",
    )
    retrain_config: Path | None = Field(
        None,
        description="File of the run that retraining makes; empty means the packaged training/configs/reader.yaml.",
    )
    retrain_suite: str = Field(
        "",
        description="Evaluation suite that the gate asks: its folder, or its name in suites of the home folder; empty means the demo organisation's. Nothing is promoted by another one.",
    )
    retrain_gate: Path | None = Field(
        None,
        description="File of the gate's thresholds; empty means the packaged eval/gate.yaml. Nothing is promoted by others.",
    )

    max_question_chars: int = Field(4000, ge=100, le=100_000, description="Longest question.")
    questions_at_once: int = Field(
        8,
        ge=1,
        le=1000,
        description="Questions of one person that are answered at once, on the page and by all their API keys together; one more is refused with 429.",
    )
    max_upload_mb: int = Field(50, ge=1, le=2048, description="Largest document file.")
    session_hours: int = Field(12, ge=1, le=720, description="A browser session ends this long after sign-in.")
    sign_in_per_minute: int = Field(
        10, ge=1, le=1000, description="Sign-in attempts per account and address before waiting."
    )

    oidc_issuer: str = Field("", description="OpenID Connect issuer URL; empty means local accounts only.")
    oidc_client_id: str = Field("", description="Client id at that issuer.")
    oidc_client_secret: str = Field("", description="Client secret at that issuer.", repr=False)
    oidc_name: str = Field("your company account", description="What the sign-in button calls that issuer.")
    oidc_scope: str = Field("openid email profile", description="Scopes asked for; some issuers want groups here too.")
    oidc_groups_claim: str = Field(
        "groups", description="Claim that lists the person's groups; dots reach into nested claims."
    )
    oidc_roles: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="Provider group to role, as staff=employee,helpdesk=support,platform=admin; empty makes everybody an employee, otherwise nobody without such a group is let in.",
    )
    oidc_clearance: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="Provider group to clearance, as staff=internal,board=restricted; empty means internal, otherwise people without such a group read public documents.",
    )

    @field_validator(
        "home",
        "models",
        "glossary",
        "policy",
        "names_model",
        "pseudonym_key",
        "retrain_config",
        "retrain_gate",
        mode="after",
    )
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()

    @field_validator("embedder", "retrain_suite", mode="after")
    @classmethod
    def _home_of_user(cls, value: str) -> str:
        return str(Path(value).expanduser()) if value.startswith("~") else value

    @field_validator("review_twice", mode="after")
    @classmethod
    def _decisions(cls, value: str) -> str:
        named = _listed(value)
        if named not in (["all"], ["none"], []) and (unknown := sorted(set(named) - set(DECISIONS))):
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(DECISIONS)}, all and none")
        return value

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _networks(cls, value: str) -> str:
        for one in _listed(value):
            try:
                everybody = ip_network(one).prefixlen == 0
            except ValueError:
                raise ValueError(
                    f"{one!r} is no address or network: write 10.0.0.5, or 10.0.0.0/28 with zeros after its prefix"
                ) from None
            if everybody:
                raise ValueError(f"{one} lets anybody say who is calling: name the proxies alone")
        return value

    @field_validator("retrain_schedule", "drift_schedule", mode="after")
    @classmethod
    def _cron(cls, value: str) -> str:
        if value.strip() and not (len(value.split()) == 5 and croniter.is_valid(value)):
            raise ValueError("five cron fields, as 0 3 1 1,4,7,10 * (minute, hour, day, month, weekday)")
        return value.strip()

    @field_validator("oidc_roles", "oidc_clearance", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if any(not sep or not left.strip() or not right.strip() for left, sep, right in pairs):
            raise ValueError("write it as group=value,group=value")
        return {left.strip(): right.strip() for left, _, right in pairs}

    @property
    def store_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'assistant.db'}"

    @property
    def model_urls(self) -> tuple[str, ...]:
        """The replicas of the served model."""
        return tuple(url.strip().rstrip("/") for url in self.model_url.split(",") if url.strip())

    @property
    def proxies(self) -> list[str]:
        """The addresses and networks that may say who is calling; none without a public URL."""
        return _listed(self.trusted_proxies) if self.public_url else []

    @property
    def alert_targets(self) -> Targets:
        """Where alerts go; none by default."""
        webhooks, emails = tuple(_listed(self.alert_webhooks)), tuple(_listed(self.alert_emails))
        return Targets(webhooks, emails, self.alert_smtp, self.alert_sender)

    @property
    def reviewed_twice(self) -> frozenset[Decision]:
        """The decisions that need two reviewers."""
        named = {word.strip() for word in self.review_twice.split(",")}
        return frozenset(d for d in DECISIONS if d in named or "all" in named)

    @property
    def files(self) -> Path:
        """Folder of the original document files, named by sha256."""
        return self.home / "files"

    @property
    def models_folder(self) -> Path:
        return self.models or self.home / "models"

    @property
    def index_folder(self) -> Path:
        return self.home / "index"

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")


def load_settings(**overrides: object) -> Settings:
    """Read and check the settings, and make the home folder.

    Raises:
        SettingsError: one message that lists every wrong setting, and every file or folder that cannot be used.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [_problem(e["loc"], e["msg"], e.get("input")) for e in error.errors()]
        # The rest is checked too, with the wrong fields at their defaults, so that one start shows every error.
        wrong = {_field(str(e["loc"][0])) for e in error.errors() if e["loc"]}
        defaults = {name: Settings.model_fields[name].get_default(call_default_factory=True) for name in wrong}
        settings = Settings(**(overrides | defaults))  # type: ignore[arg-type]
    else:
        problems = []
    problems += _conflicts(settings) + _addresses(settings) + _places(settings)
    if problems:
        raise SettingsError(_message(problems))
    return settings


def _listed(value: str) -> list[str]:
    """What stands between commas."""
    return [one.strip() for one in value.split(",") if one.strip()]


def setting_name(field: str) -> str:
    """The environment variable that sets a field."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"ASSISTANT_{field.upper()}"


def _field(name: str) -> str:
    """The field that an error's location means: pydantic gives the variable's name where there is an alias."""
    return next((f for f in Settings.model_fields if name in (f, setting_name(f))), name)


def _problem(loc: tuple[int | str, ...], message: str, given: object) -> str:
    field = _field(str(loc[0])) if loc else ""
    shown = "" if field in Settings.model_fields and not Settings.model_fields[field].repr else f"={given!r}"
    return f"{setting_name(field) if field in Settings.model_fields else field}{shown}: {message}"


def _conflicts(settings: Settings) -> list[str]:
    problems = []
    if bool(settings.model_url) != bool(settings.model):
        problems.append("MODEL_URL and MODEL go together: set both for a served model, or neither for the embedded one")
    if any(not url.startswith(("http://", "https://")) for url in settings.model_urls):
        problems.append("MODEL_URL must begin with http:// or https://, as http://localhost:8000/v1")
    if len(set(settings.model_urls)) < len(settings.model_urls):
        problems.append("MODEL_URL names a replica twice: name each once")
    oidc = [settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret]
    if any(oidc) and not all(oidc):
        problems.append("ASSISTANT_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET go together")
    problems += [
        f"{name}: {value!r} is none of {', '.join(allowed)}"
        for name, pairs, allowed in (
            ("ASSISTANT_OIDC_ROLES", settings.oidc_roles, ROLES),
            ("ASSISTANT_OIDC_CLEARANCE", settings.oidc_clearance, CLASSIFICATIONS),
        )
        for value in pairs.values()
        if value not in allowed
    ]
    if settings.low_evidence < settings.evidence_threshold:
        problems.append("ASSISTANT_LOW_EVIDENCE must not be below ASSISTANT_EVIDENCE_THRESHOLD")
    alerts = {name: setting_name(f"alert_{name}") for name in ("webhooks", "emails", "smtp", "sender")}
    problems += settings.alert_targets.problems(alerts)
    return problems


def _addresses(settings: Settings) -> list[str]:
    """What is no address of HTTP; a value may hold a password, so it is not repeated."""
    return [
        f"{setting_name(name)} must begin with http:// or https://, as {example}"
        for name, example in ADDRESSES.items()
        if not _is_address(getattr(settings, name))
    ]


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return not value or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:  # a port that is no number, a bracket left open
        return False


def _places(settings: Settings) -> list[str]:
    """Every file and folder that the settings name and that cannot be used."""
    packaged = "leave the setting empty for the packaged one"
    found = {
        "home": unusable_home(settings.home),
        "models": settings.models and unusable_folder(settings.models),
        "embedder": _is_path(settings.embedder) and missing_folder(Path(settings.embedder), holds="a model"),
        "names_model": settings.names_model and missing_folder(settings.names_model, holds="a model of names"),
        "pseudonym_key": settings.pseudonym_key and _key_problem(settings.pseudonym_key, settings.home),
        "model_adapters": _not_absolute(settings.model_adapters),
        "retrain_suite": _suite_problem(settings.retrain_suite, settings.home),
    }
    for name in ("glossary", "policy", "retrain_config", "retrain_gate"):
        file: Path | None = getattr(settings, name)
        found[name] = file and unreadable_file(file, otherwise=packaged)
    return [f"{setting_name(name)}={getattr(settings, name)}: {what}" for name, what in found.items() if what]


def _is_path(named: str) -> bool:
    """Whether it is a place on this machine, rather than a name such as sentence-transformers/all-MiniLM-L6-v2."""
    return named.startswith(("/", "./", "../"))


def _key_problem(key: Path, home: Path) -> str:
    if key.is_relative_to(home):
        return "lies in the home folder beside the data that it opens; keep it elsewhere"
    return unreadable_file(key, otherwise=f"make it with `python -m assistant pseudonyms new-key {key}`")


def _not_absolute(folder: str) -> str:
    """The folder is another machine's: all that can be seen from here is how it is written."""
    whole = not folder or PurePosixPath(folder).is_absolute()
    return "" if whole else "must begin with /: it is a folder as the model servers see it"


def _suite_problem(named: str, home: Path) -> str:
    if not named or any((place / SUITE_FILE).is_file() for place in suite_places(named, home)):
        return ""
    return f"there is no such suite; name a folder that holds {SUITE_FILE}, or one of those in {home / 'suites'}"


def _message(problems: list[str]) -> str:
    count = len(problems)
    head = "1 setting is wrong" if count == 1 else f"{count} settings are wrong"
    return "\n  - ".join([f"{head}:", *problems])
