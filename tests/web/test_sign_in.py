"""Signing in and out in a browser's way, over a real connection to a real server."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from assistant.serve_command import behind
from assistant.web.sessions import Sessions, cookie_name
from assistant.web.sign_in import address
from core.settings import Settings
from tests.conftest import make_person
from tests.web.conftest import PASSWORD, Site, SiteMaker
from tests.web.serving import served

PAGE = {"accept": "text/html"}


def test_a_stranger_is_led_to_the_sign_in_page_and_back_to_where_they_were_going(site: Site) -> None:
    with site.client(follow_redirects=True) as client:
        page = client.get("/library?x=1", headers=PAGE)
        assert page.url.path == "/sign-in"
        assert 'name="next" value="/library?x=1"' in page.text
        form = {"name": "emma.employee", "password": PASSWORD, "next": "/library?x=1"}
        landed = client.post("/sign-in", data=form, headers=PAGE)
        assert (landed.url.path, landed.url.query) == ("/library", b"x=1")
        assert landed.status_code == 200


def test_a_program_without_a_session_gets_401_and_no_page(site: Site) -> None:
    with site.client() as client:
        for path in ("/conversations", "/v1/models", "/documents", "/metrics"):
            refused = client.get(path)
            assert refused.status_code == 401, path
            assert refused.json()["error"]["code"] == "not_signed_in"
            assert refused.headers["www-authenticate"] == "Bearer"


def test_the_session_cookie_is_http_only_and_lax_and_lasts_for_the_session(site: Site) -> None:
    with site.client() as client:
        done = client.post("/sign-in", data={"name": "emma.employee", "password": PASSWORD})
        assert done.status_code == 303
        cookie = done.headers["set-cookie"]
        assert cookie.startswith("assistant_session=")
        for flag in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"):
            assert flag in cookie
        assert "Secure" not in cookie, "this site is plain http on the loopback"


def test_a_wrong_password_shows_the_form_again_with_the_name_kept(site: Site) -> None:
    with site.client() as client:
        again = client.post("/sign-in", data={"name": 'emma"><b>', "password": "wrong"}, headers=PAGE)
        assert again.status_code == 401
        assert "The name or the password is not right." in again.text
        assert "emma&#34;&gt;&lt;b&gt;" in again.text
        assert "set-cookie" not in again.headers


def test_signing_out_ends_the_session_on_the_server_too(site: Site) -> None:
    with site.signed_in("emma.employee") as client:
        token = client.cookies["assistant_session"]
        assert client.get("/conversations").status_code == 200
        assert client.post("/sign-out").status_code == 303
        assert "assistant_session" not in client.cookies
    with site.client(cookies={"assistant_session": token}) as thief:
        assert thief.get("/conversations").status_code == 401


@pytest.mark.parametrize(
    "next_path",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/sign-in?next=/", "javascript:alert(1)"],
)
def test_signing_in_never_leads_to_another_site_or_round_in_circles(site: Site, next_path: str) -> None:
    with site.client() as client:
        done = client.post("/sign-in", data={"name": "emma.employee", "password": PASSWORD, "next": next_path})
        assert done.headers["location"] == "/"


def test_a_person_of_a_sign_in_provider_is_told_where_the_password_is_changed(site: Site) -> None:
    site.assistant.people.add(make_person("nora.new"), actor="test")
    cookie = cookie_name(site.assistant.settings.secure_cookies)
    with site.client(cookies={cookie: Sessions(site.assistant.store, 1).start("nora.new")}) as client:
        shown = client.get("/password", headers=PAGE).text
    assert "is changed there, not here" in shown
    assert "<form" not in shown


def test_a_person_changes_the_password_and_is_signed_out_everywhere(site: Site) -> None:
    new = "another-long-password"
    with site.signed_in("carl.contractor") as here, site.signed_in("carl.contractor") as elsewhere:
        assert "At least 12 characters" in here.get("/password", headers=PAGE).text
        wrong = here.post("/password", data={"current": "wrong", "new": new})
        assert (wrong.status_code, "current password is not right" in wrong.text) == (422, True)
        assert here.post("/password", data={"current": PASSWORD, "new": "short"}).status_code == 422
        assert here.post("/password", data={"current": PASSWORD, "new": new}).headers["location"].startswith("/sign-in")
        assert elsewhere.get("/conversations").status_code == 401
    with site.client() as client:
        assert client.post("/sign-in", data={"name": "carl.contractor", "password": PASSWORD}).status_code == 401
        assert client.post("/sign-in", data={"name": "carl.contractor", "password": new}).status_code == 303
    site.assistant.people.set_password("carl.contractor", site.accounts.hash(PASSWORD), actor="test")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_change_asked_for_by_another_site_is_refused(site: Site, headers: dict[str, str]) -> None:
    with site.signed_in("emma.employee") as client:
        for refused in (
            client.post("/sign-out", headers=headers),
            client.request("DELETE", "/conversations", headers=headers),
            client.post("/sign-in", data={"name": "x", "password": "y"}, headers=headers),
            client.post("/gradio_api/queue/join", json={}, headers=headers),
        ):
            assert refused.status_code == 403, refused.url
        assert client.get("/conversations").status_code == 200


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}, {"origin": "{own}"}]
)
def test_a_change_asked_for_by_our_own_page_is_done(site: Site, headers: dict[str, str]) -> None:
    own = {name: value.replace("{own}", site.url) for name, value in headers.items()}
    with site.signed_in("emma.employee") as client:
        assert client.post("/sign-out", headers=own).status_code == 303


def test_every_answer_carries_the_headers_that_keep_foreign_hosts_out(site: Site) -> None:
    with site.signed_in("emma.employee", follow_redirects=True) as client:
        for path in ("/", "/sign-in", "/health", "/nosuch", "/conversations"):
            headers = client.get(path, headers=PAGE).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert "http" not in headers["content-security-policy"], path
            assert "frame-ancestors 'none'" in headers["content-security-policy"], path


def test_the_sign_in_page_loads_nothing_from_elsewhere_and_its_style_is_served(site: Site) -> None:
    with site.client() as client:
        page = client.get("/sign-in", headers=PAGE)
        assert "http://" not in page.text.replace("http://www.w3.org", "")
        assert "https://" not in page.text
        style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert client.get(style).headers["content-type"].startswith("text/css")
        assert '<label for="name">' in page.text
        assert 'autocomplete="current-password"' in page.text


def test_with_a_public_https_address_cookies_are_secure(own_site: SiteMaker) -> None:
    with own_site(public_url="https://assistant.kestrelbay.example") as site, site.client() as client:
        done = client.post(
            "/sign-in",
            data={"name": "emma.employee", "password": PASSWORD},
            headers={"origin": "https://assistant.kestrelbay.example"},
        )
        cookie = done.headers["set-cookie"]
        assert cookie.startswith("__Host-assistant_session=")
        assert "Secure" in cookie
        assert "max-age=" in done.headers["strict-transport-security"]


def test_a_page_that_is_not_there_is_told_in_the_form_that_was_asked_for(site: Site) -> None:
    with site.signed_in("emma.employee") as client:
        page = client.get("/documents/none/1", headers=PAGE)
        assert page.status_code == 404
        assert "<h1>There is nothing here</h1>" in page.text
        assert client.get("/documents/none/1").json()["error"]["code"] == "not_found"
        assert client.get("/v1/nosuch", headers=PAGE).json()["error"]["code"] == "not_found"


def test_a_request_larger_than_the_limit_is_refused_declared_or_streamed(site: Site) -> None:
    def stream():  # type: ignore[no-untyped-def]
        for _ in range(50):
            yield b"x" * 100_000

    with site.keyed("emma.employee", "chat") as client:
        declared = client.post("/v1/chat/completions", content=b"x" * 5_000_000)
        assert declared.status_code == 413
        assert "4 MB" in declared.json()["error"]["message"]
        streamed = client.post("/v1/chat/completions", content=stream())
        assert streamed.status_code == 413
        assert {done.json()["error"]["code"] for done in (declared, streamed)} == {"too_large"}


def test_the_server_tells_no_stranger_what_it_is(site: Site) -> None:
    with httpx2.Client(base_url=site.url, trust_env=False) as client:
        for path in ("/docs", "/redoc"):
            assert client.get(path).status_code in (401, 404)


@pytest.mark.parametrize(
    ("trusted", "public_url", "seen"),
    [
        ("127.0.0.0/8", "https://a.example", "203.0.113.7"),
        ("172.30.250.1, 127.0.0.1", "https://a.example", "203.0.113.7"),
        ("172.30.250.1", "https://a.example", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_a_trusted_proxy_says_from_which_address_somebody_signs_in(
    trusted: str, public_url: str, seen: str
) -> None:
    app = FastAPI()

    @app.get("/address")
    def seen_from(request: Request) -> str:
        return address(request)

    settings = Settings(trusted_proxies=trusted, public_url=public_url)
    with served(app, **behind(settings)) as url:
        forged = {
            "x-forwarded-for": "198.51.100.1, 203.0.113.7"
        }  # the proxy adds the last one, a caller sent the first
        assert httpx2.get(f"{url}/address", headers=forged, trust_env=False).json() == seen
