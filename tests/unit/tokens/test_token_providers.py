"""docs/tokens.md by name: what is to be pasted takes a token of that provider's shape
(``tests/providers.py``)."""

from __future__ import annotations

import re

import pytest

from schemas.tokens.causes import CAUSES
from schemas.tokens.forms import jwt_header
from schemas.tokens.identity import TokenRefusedError
from schemas.tokens.settings import TokenSettings
from schemas.tokens.verifiers import phone_verifier
from tests.providers import ASKED, FIXTURES, advice, paired, sections


def test_every_section_has_its_token_and_every_token_its_section() -> None:
    assert sections().keys() == FIXTURES.keys() | ASKED.keys()
    assert len(sections()) == 13


@pytest.mark.parametrize("provider", sorted(sections()))
def test_every_section_says_which_claim_is_the_user_and_what_to_do_at_logout(
    provider: str,
) -> None:
    pasted, told = sections()[provider], advice()[provider]
    assert list(told) == ["User", "At logout"]
    otherwise = "id" if "ROLLCALL_USERINFO_URL" in pasted else "sub"
    claim = pasted.get("ROLLCALL_USER_CLAIM", otherwise)
    assert re.match(rf"`{claim}`[.,; ]", told["User"])
    assert told["At logout"].startswith("send the logout")


@pytest.mark.parametrize("provider", sorted(FIXTURES))
async def test_the_settings_to_paste_take_the_providers_token(provider: str) -> None:
    found = FIXTURES[provider]
    pasted = sections()[provider]
    assert pasted.keys() == found["settings"].keys()
    for variable, value in pasted.items():
        if variable.endswith("_CLAIM"):
            assert found["settings"][variable] == value
    async with paired(provider) as (settings, token, user):
        by = phone_verifier(TokenSettings(**settings))
        identity = await by.verify(token)
        assert (identity.user, identity.name) == (user, found.get("name"))
        head, payload, signature = token.split(".")
        forged = signature[:-10] + ("A" * 10 if signature[-10:] != "A" * 10 else "B" * 10)
        with pytest.raises(TokenRefusedError) as caught:
            await by.verify(f"{head}.{payload}.{forged}")
        assert caught.value.code == "bad_signature"
        await by.close()


@pytest.mark.parametrize("provider", sorted(FIXTURES))
async def test_another_providers_token_is_refused_with_a_cause(provider: str) -> None:
    async with paired(provider) as (settings, _, _):
        by = phone_verifier(TokenSettings(**settings))
        others = {name: other["token"] for name, other in {**FIXTURES, **ASKED}.items()}
        del others[provider]
        for token in others.values():
            with pytest.raises(TokenRefusedError) as caught:
                await by.verify(token)
            assert caught.value.cause in CAUSES
        await by.close()


@pytest.mark.parametrize("provider", sorted(ASKED))
async def test_the_settings_to_paste_take_the_back_ends_answer(provider: str) -> None:
    async with paired(provider) as (settings, token, user):
        by = phone_verifier(TokenSettings(**settings))
        identity = await by.verify(token)
        assert (identity.user, identity.name) == (user, ASKED[provider].get("name"))
        await by.close()


def test_the_tokens_are_not_all_by_one_library() -> None:
    makers = {found["made_by"].split()[0] for found in FIXTURES.values()}
    assert makers == {"authlib", "djangorestframework-simplejwt", "jjwt", "jose", "jsonwebtoken"}
    algorithms = {(jwt_header(found["token"]) or {})["alg"] for found in FIXTURES.values()}
    assert algorithms == {"HS256", "HS512", "RS256", "ES256"}
