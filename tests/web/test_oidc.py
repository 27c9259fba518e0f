"""Sign-in against a real OpenID Connect provider on the loopback: who is let in with what, and every forgery refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from joserfc.jwk import RSAKey

from assistant.web.api_keys import ApiKeys
from assistant.web.errors import install_errors
from assistant.web.oidc import Provider, claimed_groups, clearance_of, oidc_routes, roles_of
from assistant.web.passwords import Accounts
from assistant.web.security import Shield
from assistant.web.sessions import Identity, Sessions, current_person
from assistant.web.sign_in import sign_in_routes
from core.audit import Audit
from core.people import People
from core.settings import Settings
from core.store import Store
from tests.web.oidc_provider import CLIENT, SECRET, TestProvider
from tests.web.serving import free_port, served

NORA = {
    "sub": "u-1",
    "email": "nora.new@kestrelbay.example",
    "email_verified": True,
    "name": "Nora New",
    "preferred_username": "nora.new",
    "groups": ["staff", "board", "kbi-hamburg"],
}


@pytest.fixture
def provider() -> Iterator[TestProvider]:
    port = free_port()
    made = TestProvider(f"http://127.0.0.1:{port}", claims=dict(NORA))
    with served(made.app(), port):
        yield made


@pytest.fixture
def browser(provider: TestProvider, people: People, store: Store, audit: Audit, home: Path) -> Iterator[httpx2.Client]:
    """A browser at our sign-in, with the provider configured as an operator would."""
    settings = Settings(
        home=home,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_roles={"staff": "employee", "platform": "admin"},
        oidc_clearance={"staff": "internal", "board": "restricted"},
    )
    app = FastAPI()
    app.include_router(sign_in_routes(settings, Accounts(people, audit), audit))
    app.include_router(oidc_routes(settings, Provider(settings, people, audit, b"k" * 32), audit))

    @app.get("/where")
    def where(request: Request) -> str:
        return current_person(request).person_id

    install_errors(app, settings)
    identity = Identity(Sessions(store, 1), ApiKeys(store, audit), people, "session")
    app.add_middleware(Shield, settings=settings, identity=identity)
    with served(app) as address, httpx2.Client(base_url=address, follow_redirects=True, trust_env=False) as client:
        yield client


def sign_in(browser: httpx2.Client, **query: str) -> httpx2.Response:
    return browser.get("/sign-in/oidc", params={"next": "/where"} | query, headers={"accept": "text/html"})


def test_a_new_person_comes_in_with_groups_role_and_clearance_from_the_claims(
    browser: httpx2.Client, people: People, audit: Audit
) -> None:
    assert sign_in(browser).json() == "nora.new"
    nora = people.get("nora.new")
    assert (nora.name, nora.email) == ("Nora New", "nora.new@kestrelbay.example")
    assert nora.groups == {"staff", "board", "kbi-hamburg"}
    assert (nora.roles, nora.clearance) == ({"employee"}, "restricted")
    assert {"staff", "board", "kbi-hamburg"} <= people.groups(), "new groups of the provider are recorded"
    actions = [(row.actor, row.action, row.subject) for row in audit.rows()]
    assert ("oidc", "person.add", "nora.new") in actions
    assert ("nora.new", "sign_in.ok", "nora.new") in actions


def test_every_sign_in_brings_groups_roles_and_clearance_up_to_date(
    browser: httpx2.Client, provider: TestProvider, people: People
) -> None:
    sign_in(browser)
    provider.claims |= {"groups": ["staff", "platform"], "name": "Nora Newer"}
    browser.cookies.clear()
    sign_in(browser)
    nora = people.get("nora.new")
    assert (nora.name, nora.clearance, nora.roles) == ("Nora Newer", "internal", {"employee", "admin"})
    assert nora.groups == {"staff", "platform"}
    assert [p.person_id for p in people.all()].count("nora.new") == 1


def test_the_page_offers_the_provider_and_keeps_where_the_person_was_going(browser: httpx2.Client) -> None:
    page = browser.get("/where", headers={"accept": "text/html"})
    assert page.url.path == "/sign-in"
    assert 'href="/sign-in/oidc?next=%2Fwhere"' in page.text
    assert "Sign in with your company account" in page.text


def test_the_session_cookie_of_a_provider_sign_in_is_http_only_and_the_helper_cookie_is_gone(
    browser: httpx2.Client,
) -> None:
    sign_in(browser)
    assert [c.name for c in browser.cookies.jar] == ["session"]
    cookie = next(iter(browser.cookies.jar))
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"


def test_a_person_whose_groups_give_no_role_is_told_whom_to_ask(
    browser: httpx2.Client, provider: TestProvider, people: People
) -> None:
    provider.claims["groups"] = ["visitors"]
    refused = sign_in(browser)
    assert refused.status_code == 403
    assert "support@kestrelbay.example" in refused.text
    assert people.account("nora.new") is None


def test_a_deactivated_person_is_refused(browser: httpx2.Client, people: People) -> None:
    sign_in(browser)
    people.deactivate("nora.new", actor="test")
    browser.cookies.clear()
    assert sign_in(browser).status_code == 403


def test_an_existing_account_is_joined_by_a_verified_address_only(
    browser: httpx2.Client, provider: TestProvider, people: People
) -> None:
    provider.claims |= {"email": "Emma.Employee@kestrelbay.example", "email_verified": False}
    assert sign_in(browser).status_code == 409
    provider.claims["email_verified"] = True
    assert sign_in(browser).json() == "emma.employee"
    assert people.get("emma.employee").clearance == "restricted"


@pytest.mark.parametrize("refused", [{"groups": ["visitors"]}, {"email": "emma.employee"}])
def test_an_existing_account_whose_person_is_refused_is_not_tied_to_the_provider(
    browser: httpx2.Client, provider: TestProvider, people: People, refused: dict[str, object]
) -> None:
    before = people.account("emma.employee")
    provider.claims |= {"email": "emma.employee@kestrelbay.example"} | refused
    assert sign_in(browser).status_code in (403, 422)
    assert people.account("emma.employee") == before


def test_an_account_of_the_provider_cannot_be_taken_by_another_subject_with_its_address(
    browser: httpx2.Client, provider: TestProvider, people: People
) -> None:
    sign_in(browser)
    browser.cookies.clear()
    provider.claims["sub"] = "u-2"
    assert sign_in(browser).status_code == 409


def test_a_taken_id_gets_an_ending(browser: httpx2.Client, provider: TestProvider) -> None:
    provider.claims["preferred_username"] = "emma.employee"
    who = sign_in(browser).json()
    assert who.startswith("emma.employee-")


@pytest.mark.parametrize(
    "forged",
    [
        {"nonce": "another"},
        {"aud": "another-client"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
    ],
)
def test_a_token_for_another_question_client_issuer_or_time_is_refused(
    browser: httpx2.Client, provider: TestProvider, people: People, forged: dict[str, Any]
) -> None:
    provider.override = forged
    refused = sign_in(browser)
    assert refused.url.path == "/sign-in"
    assert "did not confirm who you are" in refused.text
    assert people.account("nora.new") is None


def test_a_token_signed_by_another_key_is_refused(
    browser: httpx2.Client, provider: TestProvider, people: People
) -> None:
    provider.published = RSAKey.generate_key(2048, {"kid": "k1"})
    assert "did not confirm" in sign_in(browser).text
    assert people.account("nora.new") is None


def test_a_rotated_key_is_fetched_anew(browser: httpx2.Client, provider: TestProvider) -> None:
    sign_in(browser)
    browser.cookies.clear()
    provider.signing = RSAKey.generate_key(2048, {"kid": "k2"})
    assert sign_in(browser).json() == "nora.new"


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(browser: httpx2.Client, people: People) -> None:
    """The attack of a stranger who sends a victim the address of his own finished sign-in."""
    with httpx2.Client(base_url=browser.base_url, trust_env=False) as attacker:
        at_provider = attacker.get("/sign-in/oidc").headers["location"]
        callback = httpx2.get(at_provider, trust_env=False).headers["location"]
    refused = browser.get(callback)
    assert "did not confirm" in refused.text
    assert "session" not in browser.cookies
    assert people.account("nora.new") is None


def test_a_changed_state_and_an_error_of_the_provider_are_refused(browser: httpx2.Client) -> None:
    browser.get("/sign-in/oidc", follow_redirects=False)
    for query in ({"code": "x", "state": "forged"}, {"error": "access_denied"}, {}):
        assert "did not confirm" in browser.get("/sign-in/oidc/callback", params=query).text


def test_a_callback_address_cannot_send_people_elsewhere(browser: httpx2.Client) -> None:
    for foreign in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        browser.cookies.clear()
        landed = sign_in(browser, next=foreign)
        assert landed.url.host == "127.0.0.1"
        assert landed.url.path == "/"


def test_a_provider_that_is_down_is_told_and_found_again(
    people: People, store: Store, audit: Audit, home: Path
) -> None:
    port = free_port()
    settings = Settings(
        home=home, oidc_issuer=f"http://127.0.0.1:{port}", oidc_client_id=CLIENT, oidc_client_secret=SECRET
    )
    app = FastAPI()
    app.include_router(sign_in_routes(settings, Accounts(people, audit), audit))
    app.include_router(oidc_routes(settings, Provider(settings, people, audit, b"k" * 32), audit))
    identity = Identity(Sessions(store, 1), ApiKeys(store, audit), people, "session")
    app.add_middleware(Shield, settings=settings, identity=identity)
    with served(app) as address, httpx2.Client(base_url=address, follow_redirects=True, trust_env=False) as client:
        assert "provider does not answer" in client.get("/sign-in/oidc").text
        provider = TestProvider(settings.oidc_issuer, claims=dict(NORA))
        with served(provider.app(), port):
            client.get("/sign-in/oidc")
            assert "session" in client.cookies
            provider.issuer = "https://another.example"
        client.cookies.clear()


def test_claims_are_read_as_list_text_or_nested() -> None:
    assert claimed_groups({"groups": ["a", " b "]}, "groups") == {"a", "b"}
    assert claimed_groups({"groups": "a"}, "groups") == {"a"}
    assert claimed_groups({"realm": {"roles": ["a"]}}, "realm.roles") == {"a"}
    assert claimed_groups({"https://x.example/groups": ["a"]}, "https://x.example/groups") == {"a"}
    assert claimed_groups({"groups": {"odd": 1}}, "groups") == frozenset()
    assert claimed_groups({}, "groups") == frozenset()


def test_without_a_map_everybody_is_an_employee_with_internal_clearance() -> None:
    assert roles_of(frozenset({"x"}), {}) == {"employee"}
    assert clearance_of(frozenset({"x"}), {}) == "internal"
    assert roles_of(frozenset({"x"}), {"y": "admin"}) == frozenset()
    assert clearance_of(frozenset({"x"}), {"y": "restricted"}) == "public"
    assert clearance_of(frozenset({"x", "y"}), {"x": "public", "y": "confidential"}) == "confidential"
