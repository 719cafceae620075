"""What the browser may do with our pages.

The policy allows our own files and nothing inline:

- No `unsafe-inline`: styles of elements go through the CSSOM, which no policy restricts; uPlot
  makes no `<style>` and brings its few rules as a file.
- No `unsafe-eval`: uPlot makes no functions of text.
- `data:` images only on the page of Swagger UI 5.32, whose marks are such. They fetch nothing.
"""

from __future__ import annotations

from typing import Final

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": _POLICY.format(images="'self'"),
    # Not `no-referrer`: with that browsers send `Origin: null` with our own form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Of the page of Swagger UI.
DOCS_HEADERS: Final = SECURITY_HEADERS | {
    "Content-Security-Policy": _POLICY.format(images="'self' data:"),
}
