"""Settings are checked at start: every address, file and folder, all that is wrong in one message that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Settings, load_settings, setting_name

PATHS = {
    "home", "models", "embedder", "glossary", "policy", "names_model", "pseudonym_key", "model_adapters", "retrain_config", "retrain_suite", "retrain_gate",
}  # fmt: skip
"""Every setting that is a file or a folder, or may be one."""


def wrong(monkeypatch: pytest.MonkeyPatch, **given: object) -> dict[str, str]:
    """What a start says of these settings: variable to complaint."""
    for field, value in given.items():
        monkeypatch.setenv(setting_name(field), str(value))
    with pytest.raises(SettingsError) as refused:
        load_settings()
    head, *lines = str(refused.value).split("\n  - ")
    assert head == ("1 setting is wrong:" if len(lines) == 1 else f"{len(lines)} settings are wrong:")
    return {line.partition("=")[0].split(" ")[0]: line for line in lines}


def test_no_setting_that_is_a_path_is_forgotten() -> None:
    typed = {name for name, field in Settings.model_fields.items() if "Path" in str(field.annotation)}
    told = {
        name
        for name, field in Settings.model_fields.items()
        if field.description and field.description.startswith(("Folder", "File"))
    }
    assert typed | told | {"retrain_suite"} == PATHS


def test_every_path_that_cannot_be_used_is_named_at_once_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    nosuch = tmp_path / "nosuch"
    given = {
        "home": file / "home",
        "models": file / "models",
        "embedder": nosuch,
        "glossary": nosuch / "words.yaml",
        "policy": tmp_path,
        "names_model": nosuch / "names",
        "pseudonym_key": nosuch / "key",
        "model_adapters": "adapters",
        "retrain_config": nosuch,
        "retrain_suite": "nosuch",
        "retrain_gate": nosuch,
    }
    assert given.keys() == PATHS
    told = wrong(monkeypatch, **given)
    assert told.keys() == {setting_name(field) for field in given}
    for field, expected in {
        "home": "name a folder that this user owns",
        "models": f"because {file} is no folder",
        "embedder": "there is no such folder; name one that holds a model",
        "glossary": "there is no such file; correct the path, or leave the setting empty for the packaged one",
        "policy": "is a folder; name the file in it",
        "names_model": "there is no such folder; name one that holds a model of names",
        "pseudonym_key": "python -m assistant pseudonyms new-key",
        "model_adapters": "must begin with /",
        "retrain_config": "there is no such file",
        "retrain_suite": "name a folder that holds suite.yaml",
        "retrain_gate": "there is no such file",
    }.items():
        assert expected in told[setting_name(field)]
        assert str(given[field]) in told[setting_name(field)]


def test_paths_that_can_be_used_are_taken_and_a_tilde_is_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("words.yaml", "policy.yaml", "key", "run.yaml", "gate.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "model").mkdir()
    (tmp_path / "home" / "suites" / "ours").mkdir(parents=True)
    (tmp_path / "home" / "suites" / "ours" / "suite.yaml").write_text("")
    given = {
        "home": "~/home", "models": "~/to/be/made", "embedder": "~/model", "glossary": "~/words.yaml", "policy": "~/policy.yaml", "pseudonym_key": "~/key",
        "names_model": "~/model", "model_adapters": "/adapters", "retrain_config": "~/run.yaml", "retrain_suite": "ours", "retrain_gate": "~/gate.yaml",
    }  # fmt: skip
    assert given.keys() == PATHS
    for field, value in given.items():
        monkeypatch.setenv(setting_name(field), value)
    settings = load_settings()
    assert settings.embedder == str(tmp_path / "model")
    assert settings.glossary == tmp_path / "words.yaml"
    for suite in ("demo", "~/home/suites/ours"):
        monkeypatch.setenv(setting_name("retrain_suite"), suite)
        load_settings()
    monkeypatch.setenv(setting_name("embedder"), "sentence-transformers/all-MiniLM-L6-v2")
    load_settings()


def test_a_key_of_pseudonyms_beside_the_data_is_refused_at_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "key").write_text("")
    told = wrong(monkeypatch, home=home, pseudonym_key=home / "key")
    assert "keep it elsewhere" in told["ASSISTANT_PSEUDONYM_KEY"]


@pytest.mark.parametrize("value", ["localhost:6333", "http://", "http://host:abc", "ftp://host", "http://[::1"])
def test_an_address_that_is_none_is_refused_without_being_repeated(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    told = wrong(monkeypatch, home=home, qdrant_url=value, public_url=value, otlp_endpoint=value)
    assert told.keys() == {"QDRANT_URL", "ASSISTANT_PUBLIC_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert "as http://localhost:6333" in told["QDRANT_URL"]


def test_alerts_that_could_not_be_sent_and_a_schedule_without_a_time_stop_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = wrong(
        monkeypatch,
        alert_webhooks="https://hooks.example/a, hooks.example/secret",
        alert_emails="ops@x.example",
        drift_schedule="61 6 * * *",
    )
    assert told.keys() == {"ASSISTANT_ALERT_WEBHOOKS", "ASSISTANT_ALERT_EMAILS", "ASSISTANT_DRIFT_SCHEDULE"}
    assert "secret" not in str(told)
    monkeypatch.setenv("ASSISTANT_ALERT_SMTP", "smtp://user:pass@mail.example")
    assert "ASSISTANT_SMTP_PASSWORD" in wrong(monkeypatch)["ASSISTANT_ALERT_SMTP"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("10.0.0.5, proxy", "'proxy' is no address"),
        ("172.18.0.1/16", "'172.18.0.1/16' is no address"),
        ("*", "'*' is no address"),
        ("0.0.0.0/0", "lets anybody say who is calling"),
        ("::/0", "lets anybody say who is calling"),
    ],
)
def test_proxies_are_addresses_or_networks_and_not_everybody(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: str, told: str
) -> None:
    (line,) = wrong(monkeypatch, home=home, trusted_proxies=given).values()
    assert told in line


def test_proxies_are_trusted_only_where_there_is_a_public_url() -> None:
    given = "10.0.0.5, 10.1.0.0/28,fd00::1,"
    assert Settings(trusted_proxies=given).proxies == []
    assert Settings(trusted_proxies=given, public_url="https://a.example").proxies == [
        "10.0.0.5",
        "10.1.0.0/28",
        "fd00::1",
    ]
