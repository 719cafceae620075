"""`rollcall token inspect`: what it says of a token, and what it never prints."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from deploy.tokens import make_dev_key, make_token

SECRET = "a secret of sixty-four bytes or more, which is what HS512 wants!!"
SANCTUM = "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL", "USERINFO_URL"):
        monkeypatch.delenv(f"ROLLCALL_{name}", raising=False)


def inspect(token: str, **environment: str) -> Result:
    names = {f"ROLLCALL_{name.upper()}": value for name, value in environment.items()}
    result = CliRunner().invoke(app, ["token", "inspect"], input=token + "\n", env=names)
    assert token.rsplit(".", 1)[-1] not in result.output
    return result


def test_a_token_that_counts_says_for_whom() -> None:
    token = jwt.encode({"sub": "ada", "exp": int(time.time()) + 60}, SECRET, "HS512")
    result = inspect(token, jwt_secret=SECRET)
    assert result.exit_code == 0
    assert 'form: JWT, signed with "HS512", typ "JWT"' in result.output
    assert 'user, sub: "ada"' in result.output
    assert "ahead" in result.output
    assert "needs: ROLLCALL_JWT_SECRET of 64 bytes or more" in result.output
    assert 'accepted: user "ada"' in result.output


def test_a_token_may_be_an_argument_too() -> None:
    result = CliRunner().invoke(app, ["token", "inspect", SANCTUM])
    assert result.exit_code == 1
    assert "sanctum" in result.output


def test_the_key_of_a_data_directory_counts_where_nothing_is_set(tmp_path: Path) -> None:
    data_dir = tmp_path / ".rollcall"
    data_dir.mkdir()
    token = make_token(make_dev_key(data_dir), user="ada", expires_seconds=60, environment={})
    assert 'accepted: user "ada"' in inspect(token).output


def test_a_token_that_is_refused_says_why() -> None:
    raw = bytes(range(100, 132))
    token = jwt.encode({"sub": "ada"}, raw, "HS256")
    result = inspect(token, jwt_secret=base64.b64encode(raw).decode())
    assert result.exit_code == 1
    assert "refused: bad_signature" in result.output
    assert "cause: base64_secret" in result.output
    assert "hint: Tokens are signed with the bytes" in result.output
    expired = jwt.encode({"sub": "ada", "exp": 1_700_000_000}, SECRET, "HS256")
    told = inspect(expired, jwt_secret=SECRET).output
    assert "claim exp: 1700000000 (2023-11-14T22:13:20Z, past)" in told
    assert "refused: token_expired" in told
    milliseconds = jwt.encode({"sub": "ada", "exp": 1_900_000_000_000}, SECRET, "HS256")
    assert "looks like milliseconds" in inspect(milliseconds, jwt_secret=SECRET).output


def test_an_opaque_token_is_not_printed_and_names_its_setting() -> None:
    result = inspect(SANCTUM, jwt_secret=SECRET)
    assert result.exit_code == 1
    assert "form: sanctum, 51 characters" in result.output
    assert "ROLLCALL_USERINFO_URL" in result.output
    assert "Zq8c" not in result.output


def test_without_settings_it_says_which_one_a_token_needs() -> None:
    token = jwt.encode({"iss": "https://securetoken.google.com/p", "user_id": "a"}, SECRET, "HS256")
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"k"}').decode()
    result = inspect(".".join([head, *token.split(".")[1:]]))
    assert result.exit_code == 1
    assert "ROLLCALL_JWKS_URL=https://www.googleapis.com/service_accounts/v1/jwk" in result.output
    assert "not judged" in result.output


def test_a_claim_cannot_write_on_the_terminal() -> None:
    result = inspect(jwt.encode({"sub": "\x1b[31mred\n" * 99}, SECRET, "HS256"), jwt_secret=SECRET)
    assert "\x1b" not in result.output
    assert result.exit_code == 1


def test_no_token_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["token", "inspect"], input="\n").exit_code == 2
    assert CliRunner().invoke(app, ["token"]).exit_code == 2
