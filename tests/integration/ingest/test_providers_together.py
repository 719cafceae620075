"""Apps of every back end that docs/tokens.md names, in one deployment: an ingest of each one's
settings, one log, one dashboard."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright, expect

from schemas.log.settings import KafkaSettings
from tests.e2e.browser import ARGUMENTS, DEADLINE_SECONDS, chromium
from tests.providers import ASKED, FIXTURES, paired
from tests.rigs.api_harness import Api, api_settings, running_api, token
from tests.rigs.harness import ingest_settings, running_ingest
from tests.rigs.rig import ProcessorProcess, processor_environment


async def beat(kafka: KafkaSettings, provider: str) -> str:
    """A phone of the provider's app starts; whose it is."""
    body = json.dumps({"device_id": provider, "screen": "Home"}).encode()
    async with (
        paired(provider) as (settings, bearer, user),
        running_ingest(ingest_settings(kafka, **settings)) as ingest,
    ):
        await ingest.until_ready()
        answer = await ingest.heartbeat(body, authorization=f"Bearer {bearer}")
        assert (provider, answer.status, answer.body) == (provider, 200, b'{"success": true}')
    return user


async def online(api: Api, users: set[str], devices: int) -> dict[str, Any]:
    """The list of online users, once it has them with so many devices in all."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            people = {
                item["user_id"]: item
                for item in (await api.get("/api/v1/online-users")).json["items"]
            }
            seen = sum(person["device_count"] for person in people.values())
            if people.keys() >= users and seen >= devices:
                return people
            await asyncio.sleep(0.1)


async def test_phones_of_every_provider_s_section_appear_in_one_dashboard(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    providers = sorted(FIXTURES.keys() | ASKED.keys())
    environment = processor_environment(kafka_settings, database_url)
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    try:
        users = {provider: await beat(kafka_settings, provider) for provider in providers}
        async with running_api(api_settings(database_url)) as api:
            people = await online(api, set(users.values()), len(providers))
            # Two apps may call a user of theirs alike: here it is one, with a phone of each.
            assert sum(person["device_count"] for person in people.values()) == len(providers)
            for provider, user in users.items():
                found = (await api.call(f"/api/v1/users/{user.replace('|', '%7C')}")).json
                phone = next(d for d in found["devices"] if d["device"] == provider)
                assert (phone["state"], phone["screen"]) == ("foreground", "Home")
            await assert_shown(api, set(users.values()))
    finally:
        processor.kill()


async def assert_shown(api: Api, users: set[str]) -> None:
    """Each has a row in the dashboard's list."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=ARGUMENTS, chromium_sandbox=False
        )
        page = await browser.new_page()
        await page.goto(f"{api.origin}/login#token={token()}")
        await page.wait_for_url(f"{api.origin}/")
        await page.goto(f"{api.origin}/users")
        for user in sorted(users):
            row = page.locator("tbody tr").filter(has_text=user).first
            await expect(row).to_contain_text("foreground")
        await browser.close()
