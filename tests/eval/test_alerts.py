"""Alerts reach a real webhook and a real mail server, and say what is wrong where they do not."""

from __future__ import annotations

import argparse

import pytest

from core.alert_targets import Targets
from core.errors import BadInput, Unavailable
from eval.alerts import Alert, add_options, deliver, targets_of
from tests.eval.receivers import mail_server, webhook

ALERT = Alert("drift", "Drift in refusal_rate", ("refusal_rate: 0.04 before, 0.16 now",), ({"signal": "refusal_rate"},))


def given(*words: str) -> Targets:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return targets_of(parser.parse_args(words))


def test_an_alert_reaches_the_webhook_and_every_mail_address() -> None:
    with webhook() as hook, mail_server() as post:
        targets = given(
            "--webhook", hook.url, "--smtp", post.url, "--email", "ops@x.example", "--email", "ml@x.example"
        )
        deliver(ALERT, targets)
    assert hook.bodies == [{"alert": "drift", "text": ALERT.text, "figures": [{"signal": "refusal_rate"}]}]
    (mail,) = post.mails
    assert (mail["Subject"], mail["From"]) == ("Drift in refusal_rate", "ops@x.example")
    assert post.recipients == ["ops@x.example", "ml@x.example"]
    assert "0.04 before, 0.16 now" in str(mail.get_payload())


def test_a_webhook_that_refuses_does_not_keep_the_mail_back() -> None:
    with webhook(status=500) as hook, mail_server() as post:
        targets = given("--webhook", hook.url, "--smtp", post.url, "--email", "ops@x.example")
        with pytest.raises(Unavailable, match="HTTP 500") as failed:
            deliver(ALERT, targets)
    assert len(post.mails) == 1
    assert "secret-path" not in str(failed.value)


def test_servers_that_are_down_are_both_named() -> None:
    targets = given("--webhook", "http://127.0.0.1:9/x", "--smtp", "smtp://127.0.0.1:9", "--email", "ops@x.example")
    with pytest.raises(Unavailable, match=r"webhook at 127\.0\.0\.1.*mail server 127\.0\.0\.1"):
        deliver(ALERT, targets)


def test_a_password_is_never_sent_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_SMTP_PASSWORD", "hunter2-hunter2")
    with mail_server() as post:
        targets = given("--smtp", post.url.replace("//", "//user@"), "--email", "ops@x.example")
        with pytest.raises(Unavailable, match="SMTPNotSupportedError"):
            deliver(ALERT, targets)
    assert post.mails == []


def test_a_targets_name_holds_no_secret() -> None:
    targets = given(
        "--webhook", "https://hooks.example/T0/secret", "--smtp", "smtps://m.example", "--email", "a@x.example"
    )
    assert targets.names() == ["webhook hooks.example", "mail a@x.example"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--webhook", "hooks.example/x"), "begins with https"),
        (("--email", "ops@x.example"), "needs --smtp"),
        (("--email", "ops", "--smtp", "smtp://m.example"), "no mail address"),
        (("--email", "a@x.example\nBcc: b@x.example", "--smtp", "smtp://m.example"), "no mail address"),
        (("--smtp", "http://m.example"), "--smtp takes"),
        (("--smtp", "smtp://m.example:port"), "--smtp takes"),
        (("--smtp", "smtp://user:pass@m.example"), "ASSISTANT_SMTP_PASSWORD"),
    ],
)
def test_a_target_that_cannot_work_is_refused_before_anything_is_measured(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        given(*words)
