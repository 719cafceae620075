"""Pictures that a reader takes from a page, and what is drawn into them."""

from __future__ import annotations

import base64
from pathlib import Path

from playwright.sync_api import Page, expect

PNG = b"\x89PNG\r\n\x1a\n"
#: Every text that is drawn on a canvas.
HEARD_TEXTS = """
    window.drawnTexts = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
        drawnTexts.push(text);
        return fillText.call(this, text, ...at);
    };
"""
#: How many pixels of a picture have a colour (of six hexadecimal digits).
COUNT_PIXELS = """async ([inBase64, color]) => {
    const bytes = Uint8Array.from(atob(inBase64), (each) => each.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    const [red, green, blue] = [1, 3, 5].map((from) => parseInt(color.slice(from, from + 2), 16));
    let count = 0;
    for (let at = 0; at < data.length; at += 4)
        count += data[at] === red && data[at + 1] === green && data[at + 2] === blue;
    return count;
}"""


def picture_of(page: Page, card: str) -> tuple[str, bytes]:
    """The name of the file that its button gives, and what is in it."""
    button = page.locator(f"#{card} .picture, #{card} ~ .picture")
    expect(button).to_be_enabled()
    with page.expect_download() as downloading:
        button.click()
    return downloading.value.suggested_filename, Path(downloading.value.path()).read_bytes()


def pixels(page: Page, picture: bytes, variable: str) -> int:
    """How many have the colour of a variable of the sheet."""
    color = page.evaluate(
        "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", variable
    )
    # As one text: a list goes over number by number, which takes a quarter of a minute.
    count: int = page.evaluate(COUNT_PIXELS, [base64.b64encode(picture).decode(), color])
    return count
