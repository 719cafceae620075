"""The gateway of docker-compose.yml and the Helm chart, in front of two of ingest and an API.

An ingest may die or restart at any time: no phone may notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import json
import ssl
import subprocess
import time
import urllib.error
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Page, async_playwright
from websockets.asyncio.client import connect

from schemas.http.responses import REQUEST_ID
from tests.conftest import fresh_database, fresh_topics
from tests.e2e.browser import ARGUMENTS, chromium
from tests.firefox import FirefoxPage, firefox_page
from tests.rigs.api_harness import Table
from tests.rigs.gateway_rig import (
    CONFIGURATION,
    MISSING,
    Gateway,
    Service,
    Services,
    haproxy,
    read,
    running_gateway,
    start_services,
)
from tests.rigs.harness import token, wait_until

pytestmark = pytest.mark.skipif(haproxy() is None, reason=MISSING)

PHONES = 8
STAFF = f"Bearer {token('staff', scope='presence:read')}"
ACCEPTED = "rollcall_ingest_requests_total"


@pytest.fixture(scope="module")
def database(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def services(kafka_bootstrap: str, database: str) -> Iterator[Services]:
    kafka = fresh_topics(kafka_bootstrap)
    started = start_services(
        {
            "ROLLCALL_KAFKA_BOOTSTRAP": kafka.kafka_bootstrap,
            "ROLLCALL_TOPIC_PREFIX": kafka.topic_prefix,
            "ROLLCALL_PARTITIONS": str(kafka.partitions),
            "ROLLCALL_TRUSTED_PROXIES": "127.0.0.0/8",
            "ROLLCALL_USER_EVENTS_BURST": "100000",
            "ROLLCALL_AUTH_FAILURES_PER_SECOND": "0.001",
            "ROLLCALL_AUTH_FAILURES_BURST": "3",
            "ROLLCALL_CORS_ORIGINS": "https://127.0.0.1:*",
        },
        {"ROLLCALL_DATABASE_URL": database, "ROLLCALL_FEED_INTERVAL_SECONDS": "0.1"},
    )
    yield started
    started.end()


@pytest.fixture(scope="module")
def gateway(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    for service in (*services.ingests, services.api):
        service.until_ready()
    with running_gateway(services, tmp_path_factory.mktemp("gateway")) as running:
        yield running


async def until_both_serve(services: Services, gateway: Gateway) -> None:
    """Every server that DNS names is in the turn."""
    async with asyncio.timeout(60):
        for ingest in services.ingests:
            before = ingest.metric(ACCEPTED)
            while ingest.metric(ACCEPTED) == before:
                assert (await gateway.heartbeat("Home", "warm-up")).status == 200


async def test_calls_of_phones_go_to_every_ingest_and_the_rest_to_the_api(
    gateway: Gateway, services: Services, database: str
) -> None:
    table = Table(database)
    table.clear()
    table.user("team/ada lovelace")
    table.close()
    await until_both_serve(services, gateway)
    answer = await gateway.heartbeat("Home")
    assert (answer.status, answer.json) == (200, {"success": True})
    assert (await gateway.call("GET", "/api/online-users-count", None)).status == 200
    assert b"<html" in (await gateway.call("GET", "/login", None)).body

    # A user id is decoded by the API and by nobody before.
    path = "/api/v1/users/team%2Fada%20lovelace"
    answer = await gateway.call("GET", path, None, authorization=STAFF)
    assert answer.status == 200, answer.body
    assert answer.json["user_id"] == "team/ada lovelace"


async def test_request_ids_go_in_and_out(gateway: Gateway) -> None:
    name = REQUEST_ID.lower()
    given = await gateway.heartbeat("Home", **{name.replace("-", "_"): "trace-1"})
    assert given.headers[name] == "trace-1"
    made = {(await gateway.heartbeat("Home")).headers[name] for _ in range(2)}
    assert len(made) == 2
    assert all(
        len(request_id) == 36 for request_id in made
    )  # the gateway's, to be found in its log


async def test_admin_ports_and_metrics_are_not_to_be_had(gateway: Gateway) -> None:
    for path in ("/metrics", "/healthz", "/readyz", "/api/metrics", "/api/ws/../../metrics"):
        assert (await gateway.call("GET", path, None)).status == 404, path
    assert b"haproxy_backend_active_servers" in read(
        f"http://127.0.0.1:{gateway.admin_port}/metrics"
    )


async def test_what_is_too_large_is_a_problem_like_all_others(gateway: Gateway) -> None:
    bearer = f"Bearer {token()}"
    by_ingest = await gateway.call(
        "POST", "/api/update-online-status", b"x" * 20_000, authorization=bearer
    )
    by_gateway = await gateway.call("POST", "/api/v1/users/lookup", None, content_length="99999999")
    for answer in (by_ingest, by_gateway):
        assert (answer.status, answer.json["code"]) == (413, "body_too_large")
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json["request_id"] == answer.headers["x-request-id"] != ""


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "//api/update-online-status",
        "/api//update-online-status",
        "/api/update-online-status/",
        "/API/Update-Online-Status",
        "/Api/logout-status//",
    ],
)
async def test_H4_the_frozen_calls_are_reached_however_their_slashes_and_capitals_are(
    gateway: Gateway, path: str, method: str
) -> None:
    answer = await gateway.call(method, path, authorization=f"Bearer {token('slashes')}")
    assert answer.status == {"POST": 200, "OPTIONS": 204}[method], answer


@pytest.mark.parametrize("path", ["//api/ws", "/API/ws/"])
async def test_H4_so_is_a_socket(gateway: Gateway, path: str) -> None:
    async with connect(
        f"ws://127.0.0.1:{gateway.port}{path}",
        additional_headers={"Authorization": f"Bearer {token('slashes')}"},
        proxy=None,
    ) as socket:
        assert json.loads(await socket.recv())["type"] == "welcome"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/update-online-status", "/api/update-online-status"),
        ("/api/online-user-count", "/api/online-users-count"),
        ("/api/v1/user", "/api/v1/users"),
    ],
)
async def test_H4_a_near_miss_is_told_the_right_path(
    gateway: Gateway, path: str, meant: str
) -> None:
    answer = await gateway.call("POST", path)
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.json["detail"].endswith(f"Did you mean {meant}?")


@pytest.mark.parametrize(
    "path", ["/api/online-users-count", "//api/online-users-count", "/API/Online-Users-Count/"]
)
async def test_H6_a_count_may_be_asked_for_its_head(gateway: Gateway, path: str) -> None:
    answer = await gateway.call("HEAD", path, None)
    assert (answer.status, answer.body) == (200, b"")
    assert (await gateway.call("GET", path, None)).json["count"] >= 0


async def test_H6_so_may_health(gateway: Gateway, services: Services) -> None:
    """Of each service, and of the gateway itself."""
    doors = [("127.0.0.1", gateway.admin_port)]
    doors += [(each.host, each.admin_port) for each in (services.ingests[0], services.api)]
    for host, port in doors:
        for path in ("/healthz", "/readyz"):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"HEAD {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            head, rest = (await reader.read()).split(b"\r\n\r\n", 1)
            writer.close()
            assert (head.split(b" ")[1], rest) == (b"200", b"")


@pytest.mark.parametrize(
    ("path", "encoding"),
    [
        ("/api/update-online-status", "br"),
        ("/api/v1/users/lookup", "gzip"),
        ("/nowhere", "gzip"),
    ],
)
async def test_an_encoding_that_no_call_takes_ends_at_the_gateway(
    gateway: Gateway, path: str, encoding: str
) -> None:
    answer = await gateway.call("POST", path, b"packed", content_encoding=encoding)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_encoding")
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert answer.json["request_id"] == answer.headers["x-request-id"] != ""


async def test_a_phones_body_that_is_compressed_reaches_it(gateway: Gateway) -> None:
    packed = gzip.compress(b'{"screen": "Home"}')
    answer = await gateway.call(
        "POST",
        "/api/update-online-status",
        packed,
        authorization=f"Bearer {token('packed')}",
        content_encoding="GZip",
    )
    assert (answer.status, answer.headers.get("x-rollcall-warning")) == (200, None)


async def test_without_any_server_a_phone_is_told_when_to_come_back(
    services: Services, tmp_path: Path
) -> None:
    # Names that do not exist: the gateway runs, and says that it is not ready.
    names = {"GATEWAY_INGEST": "gone.test", "GATEWAY_API": "gone.test"}
    with running_gateway(services, tmp_path, "/healthz", **names) as lonely:
        answer = await lonely.heartbeat("Home")
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert answer.json["success"] is False
        assert 5 <= int(answer.headers["retry-after"]) <= 15
        with pytest.raises(urllib.error.HTTPError, match="503"):
            read(f"http://127.0.0.1:{lonely.admin_port}/readyz")


async def fails_to_authenticate(gateway: Gateway, *addresses: str) -> list[int]:
    """What a client hears that says of itself to be at these addresses, a new token at each."""
    statuses = []
    for address in addresses:
        headers = {"authorization": f"Bearer x{uuid.uuid4().hex}", "source": "127.9.9.9"}
        answer = await gateway.heartbeat("Home", x_forwarded_for=address, **headers)
        statuses.append(answer.status)
    return statuses


async def test_nobody_chooses_the_address_that_limits_count_on(
    gateway: Gateway, services: Services, tmp_path: Path
) -> None:
    # Behind a load balancer that is named, clients are those that it names.
    with running_gateway(services, tmp_path, GATEWAY_TRUSTED_PROXIES="10.0.0.0/8 127.9.9.9") as it:
        clients = [f"192.0.2.{n}" for n in range(12)]
        assert set(await fails_to_authenticate(it, *clients)) == {401}
    # Elsewhere they write what they like.
    invented = [f"198.51.100.{n}" for n in range(12)]
    statuses = await fails_to_authenticate(gateway, *invented)
    assert statuses.count(401) <= 6  # three at each ingest
    assert set(statuses) == {401, 429}


@pytest.mark.parametrize(
    ("flooding", "other"),
    [
        ({"source": "127.3.3.3"}, {"source": "127.3.3.4"}),
        # Behind a balancer that is named, an address is the one that it names.
        (
            {"source": "127.9.9.9", "x_forwarded_for": "192.0.2.7"},
            {"source": "127.9.9.9", "x_forwarded_for": "192.0.2.8"},
        ),
    ],
)
async def test_line_3_who_floods_the_gateway_waits_for_the_others_and_is_refused_nothing(
    services: Services, tmp_path: Path, flooding: dict[str, str], other: dict[str, str]
) -> None:
    """Issue 15, line 3."""
    variables = {
        "GATEWAY_TRUSTED_PROXIES": "127.9.9.9",
        "GATEWAY_ADDRESS_CALLS": "20",
        "GATEWAY_INGEST_CALLS": "1",
    }
    with running_gateway(services, tmp_path, **variables) as gateway:
        ended: list[str] = []

        async def call(who: str, headers: dict[str, str]) -> int:
            answer = await gateway.heartbeat("Home", **headers)
            ended.append(who)
            return answer.status

        # Few enough for `timeout queue`, 5 s, on a busy machine too: each ingest has one at a time.
        flood = [asyncio.create_task(call("flood", flooding)) for _ in range(120)]
        await wait_until(lambda: queued(gateway) > 60)
        statuses = [*await asyncio.gather(call("other", other), *flood)]
    assert set(statuses) == {200}
    # It came last, and its turn was among the next.
    assert ended[ended.index("other") :].count("flood") > 30


def queued(gateway: Gateway) -> int:
    """Calls that wait for an ingest."""
    page = read(f"http://127.0.0.1:{gateway.admin_port}/metrics").decode()
    names = (
        'haproxy_backend_current_queue{proxy="ingest"} ',
        'haproxy_server_current_queue{proxy="ingest",',
    )
    lines = [line for line in page.splitlines() if line.startswith(names)]
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines)


async def test_a_socket_passes_and_its_frames_are_acknowledged(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {token('socket')}"}
    url = f"ws://127.0.0.1:{gateway.port}/api/ws"
    async with asyncio.timeout(60), connect(url, additional_headers=headers) as socket:
        assert json.loads(await socket.recv())["type"] == "welcome"
        for number in range(3):
            await socket.send(json.dumps({"id": str(number), "screen": f"S{number}"}))
            assert json.loads(await socket.recv()) == {"type": "ack", "id": str(number)}
        await (await socket.ping())


async def test_events_of_the_feed_arrive_one_by_one_as_they_happen(
    gateway: Gateway, database: str
) -> None:
    table = Table(database)
    table.clear()
    table.deployment(1)
    table.offsets(0)
    url = f"http://127.0.0.1:{gateway.port}/api/v1/feed"
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession() as http,
        http.get(url, headers={"Authorization": STAFF}) as answer,
    ):
        assert answer.status == 200

        async def until_says(text: bytes) -> float:
            while text not in (await answer.content.readline()):
                pass
            return time.monotonic()

        await until_says(b"event: snapshot")
        for count in (3, 4, 5):
            table.offsets(0, foreground=count)
            written = time.monotonic()
            assert await until_says(f'"count":{count}'.encode()) - written < 10
    table.close()


class Load:
    """Phones that call one after the other, each on a new connection, until told to stop."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stop = False
        self.statuses: list[int] = []
        self._tasks = [asyncio.create_task(self._phone(number)) for number in range(PHONES)]

    async def _phone(self, number: int) -> None:
        bearer = f"Bearer {token(f'phone-{number}')}"
        while not self._stop:
            answer = await self._gateway.heartbeat("Home", authorization=bearer)
            self.statuses.append(answer.status)

    async def until_more(self, calls: int = 100) -> None:
        wanted = len(self.statuses) + calls
        await wait_until(lambda: len(self.statuses) >= wanted)

    async def end(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)


async def until_serves(service: Service) -> None:
    """It takes calls again, so another may go."""
    await asyncio.to_thread(service.until_ready)
    async with asyncio.timeout(60):
        while service.metric(ACCEPTED) == 0:
            await asyncio.sleep(0.05)


async def test_an_ingest_that_is_killed_or_restarted_costs_no_phone_a_call(
    gateway: Gateway, services: Services
) -> None:
    killed, restarted = services.ingests
    await until_both_serve(services, gateway)
    load = Load(gateway)
    await load.until_more()
    killed.popen.kill()
    killed.popen.wait()
    await load.until_more()
    killed.start()
    await until_serves(killed)
    restarted.popen.terminate()
    await load.until_more()
    assert await asyncio.to_thread(restarted.popen.wait, 30) == 0
    await load.until_more()
    await load.end()
    assert set(load.statuses) == {200}, gateway.log.read_text()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate of our own making for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rollcall.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificates")
    pem = serialization.Encoding.PEM
    (folder / "rollcall.pem").write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


async def test_with_a_certificate_everything_goes_by_https(
    gateway: Gateway, services: Services, certificates: Path, tmp_path: Path
) -> None:
    with running_gateway(
        services, tmp_path, GATEWAY_TLS="1", GATEWAY_CERTIFICATES=str(certificates)
    ) as secure:
        trusting = ssl.create_default_context(cafile=str(certificates / "rollcall.pem"))
        trusting.check_hostname = False
        secure.tls = trusting
        answer = await secure.heartbeat("Home", https=True)
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"

        plain = await secure.call("POST", "/api/x%2Fy?a=b", host="rollcall.example:8080")
        assert plain.status == 308
        assert plain.headers["location"] == "https://rollcall.example/api/x%2Fy?a=b"

        # The dashboard's cookie is Secure, because the API is told how the browser came.
        page = await secure.call(
            "POST",
            "/login",
            f"token={STAFF.removeprefix('Bearer ')}".encode(),
            https=True,
            origin=f"https://127.0.0.1:{secure.https_port}",
            content_type="application/x-www-form-urlencoded",
        )
        assert "Secure" in page.headers["set-cookie"], page

        url = f"wss://127.0.0.1:{secure.https_port}/api/ws"
        headers = {"Authorization": f"Bearer {token('socket')}"}
        async with connect(url, ssl=trusting, additional_headers=headers) as socket:
            assert json.loads(await socket.recv())["type"] == "welcome"


#: In a page of the gateway: what it was loaded by, what its socket was told, and how that ended.
TALK = """new Promise((done) => {
  const socket = new WebSocket(`wss://${location.host}/api/ws`);
  const heard = [performance.getEntriesByType('navigation')[0].nextHopProtocol];
  socket.onopen = () => socket.send(JSON.stringify({type: 'auth', token: '%s', screen: 'Home'}));
  socket.onmessage = ({data}) => {
    const frame = JSON.parse(data);
    heard.push(frame.type);
    if (frame.type === 'welcome') socket.send(JSON.stringify({id: 'x', screen: 'Cart'}));
    if (frame.type === 'ack') socket.close(1000);
  };
  socket.onclose = ({code}) => done(JSON.stringify([...heard, code]));
})"""


@contextlib.asynccontextmanager
async def chromium_page(_folder: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=ARGUMENTS, chromium_sandbox=False
        )
        context = await browser.new_context(ignore_https_errors=True)
        yield await context.new_page()
        await browser.close()


@pytest.mark.parametrize(
    "browser_page",
    [
        pytest.param(chromium_page, id="Chromium"),
        pytest.param(firefox_page, id="Firefox", marks=pytest.mark.long),
    ],
)
async def test_a_browsers_socket_over_tls_and_http_2(
    services: Services,
    gateway: Gateway,
    certificates: Path,
    tmp_path: Path,
    browser_page: Callable[[Path], AbstractAsyncContextManager[Page | FirefoxPage]],
) -> None:
    """The socket is a stream of the connection that the page came by (RFC 8441)."""
    variables = {"GATEWAY_TLS": "1", "GATEWAY_CERTIFICATES": str(certificates)}
    with running_gateway(services, tmp_path / "tls", **variables) as secure:
        async with browser_page(tmp_path) as page:
            await page.goto(f"https://127.0.0.1:{secure.https_port}/login")
            before = connections(secure)
            heard = json.loads(await page.evaluate(TALK % token("browser")))
            assert heard == ["h2", "welcome", "ack", 1000]
            assert connections(secure) == before


def connections(gateway: Gateway) -> int:
    """Of clients that the gateway has taken so far."""
    page = read(f"http://127.0.0.1:{gateway.admin_port}/metrics").decode()
    name = 'haproxy_frontend_connections_total{proxy="origin"} '
    return next(int(line.removeprefix(name)) for line in page.splitlines() if line.startswith(name))


def test_haproxy_takes_the_configuration_without_a_warning(certificates: Path) -> None:
    program = haproxy()
    assert program is not None
    for variables in (
        {"GATEWAY_DNS": "127.0.0.1:53"},
        {"GATEWAY_TLS": "1", "GATEWAY_CERTIFICATES": str(certificates)},
        {"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8 192.0.2.1"},
    ):
        checked = subprocess.run(
            [program, "-c", "-dW", "-f", str(CONFIGURATION)],
            env={"GATEWAY_INGEST": "ingest", "GATEWAY_API": "api", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
