"""What the browser may do with our pages.

The policy allows our own files and nothing inline. Measured with plotly.js 3.7, Plotly wants one
exception:

- `data:` images: its maps probe for WebP with one as it starts, and its heat maps are such images.
  They fetch nothing.
- No `unsafe-eval`: only WebGL traces (`scattergl`, `parcoords`, maps) make functions of text; SVG
  traces (lines, bars, Sankey) never do. A WebGL trace would fail: draw none.
- No `unsafe-inline`: styles of elements go through the CSSOM, which no policy restricts, and the
  rules for which it would make a `<style>` go into a sheet of ours (see charts.js).

Swagger UI 5.32 wants no more: its marks are `data:` images too.
"""

from __future__ import annotations

from typing import Final

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # Not `no-referrer`: with that browsers send `Origin: null` with our own form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
