"""Settings of single sign-on: which header of which proxies names the member of staff."""

from __future__ import annotations

import re
from typing import Final, Self

from pydantic import Field, model_validator

from api.scopes import READ_SCOPE
from schemas.http.client_address import TrustedProxies
from schemas.http.settings import networks_of
from schemas.service.settings import Settings
from schemas.tokens.api_keys import parse_scopes

_PROXIES: Final = "ROLLCALL_SSO_TRUSTED_PROXIES"
_USER_HEADER: Final = "ROLLCALL_SSO_USER_HEADER"
_SCOPES_HEADER: Final = "ROLLCALL_SSO_SCOPES_HEADER"
# No underscores: some proxies and frameworks take them for hyphens, and two names would be one.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
#: What browsers and programs send by themselves.
_TAKEN: Final = ("authorization", "cookie", "host", "origin")


class SingleSignOnSettings(Settings):
    """Off by default: nobody is believed without a token."""

    sso_user_header: str = Field(
        "",
        description="Header in which a trusted proxy names the member of staff who signed in "
        "there; unset: no single sign-on (docs/single-sign-on.md).",
    )
    sso_trusted_proxies: str = Field(
        "",
        description="Comma-separated addresses and CIDRs of the proxies from which that header "
        "counts.",
    )
    sso_scopes: str = Field(
        READ_SCOPE,
        description="Scopes, separated by blanks, of everybody who signed in that way.",
    )
    sso_scopes_header: str = Field(
        "",
        description="Header in which the proxy gives each their scopes, separated by blanks; where "
        "it is set, ROLLCALL_SSO_SCOPES counts for nothing.",
    )

    @model_validator(mode="after")
    def _only_proxies_are_believed(self) -> Self:
        networks = networks_of(_PROXIES, self.sso_trusted_proxies)
        if not self.sso_user_header:
            for variable, value in (
                (_PROXIES, self.sso_trusted_proxies),
                (_SCOPES_HEADER, self.sso_scopes_header),
            ):
                if value:
                    raise ValueError(f"{variable} means nothing without {_USER_HEADER}: set that")
        elif not networks:
            raise ValueError(
                f"{_USER_HEADER} needs {_PROXIES}: without it anybody could write that header"
            )
        for network in networks:
            if network.prefixlen == 0:
                raise ValueError(
                    f"{_PROXIES}: {network} is everybody; name the addresses of your proxies"
                )
        return self

    @model_validator(mode="after")
    def _headers_are_names_of_their_own(self) -> Self:
        for variable, name in (
            (_USER_HEADER, self.sso_user_header),
            (_SCOPES_HEADER, self.sso_scopes_header),
        ):
            if name and (not _HEADER_NAME.fullmatch(name) or name.lower() in _TAKEN):
                raise ValueError(
                    f"{variable}: {name!r} cannot be used; name a header of letters, digits and "
                    "hyphens that nobody else sends, such as X-Rollcall-User"
                )
        if self.sso_user_header and self.sso_user_header.lower() == self.sso_scopes_header.lower():
            raise ValueError(f"{_SCOPES_HEADER} is {_USER_HEADER} too: name another header")
        try:
            parse_scopes(self.sso_scopes)
        except ValueError as error:
            raise ValueError(f"ROLLCALL_SSO_SCOPES: {error}") from error
        return self

    @property
    def sso_proxies(self) -> TrustedProxies:
        return TrustedProxies(networks_of(_PROXIES, self.sso_trusted_proxies))
