"""A small OpenID Connect provider for tests: discovery, authorisation code with PKCE, RS256 id tokens, JWKS.

It checks what a strict provider checks (redirect address, client secret, PKCE, one use of a code), and can be told to
misbehave in the ways that a client must notice.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "assistant", "not-a-real-secret"


@dataclass
class TestProvider:
    __test__ = False
    issuer: str
    claims: dict[str, Any] = field(default_factory=dict)
    """What the id token says of the person who signs in next."""
    override: dict[str, Any] = field(default_factory=dict)
    """Claims to falsify: iss, aud, nonce, exp."""
    signing: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    published: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    discoveries: int = 0

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, Any]:
            self.discoveries += 1
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
            }

        @app.get("/authorize")
        def authorize(request: Request) -> RedirectResponse:
            asked = dict(request.query_params)
            assert asked["client_id"] == CLIENT
            assert asked["response_type"] == "code"
            assert asked["code_challenge_method"] == "S256"
            assert "openid" in asked["scope"].split()
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            return RedirectResponse(
                f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302
            )

        @app.post("/token")
        def token(
            request: Request, code: str = Form(), redirect_uri: str = Form(), code_verifier: str = Form()
        ) -> JSONResponse:
            asked = self.codes.pop(code, None)
            challenge = urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
            if asked is None or asked["redirect_uri"] != redirect_uri or asked["code_challenge"] != challenge:
                return JSONResponse({"error": "invalid_grant"}, 400)
            if not request.headers.get("authorization", "").startswith("Basic "):
                return JSONResponse({"error": "invalid_client"}, 401)
            return JSONResponse({"access_token": "at", "token_type": "Bearer", "id_token": self.token(asked["nonce"])})

        @app.get("/jwks")
        def jwks() -> dict[str, Any]:
            return {"keys": [(self.published or self.signing).as_dict(private=False)]}

        return app

    def token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        return jwt.encode({"alg": "RS256", "kid": self.signing.kid}, claims | self.claims | self.override, self.signing)
