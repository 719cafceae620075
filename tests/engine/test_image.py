"""The image by itself: its Python runs the suite, against Kafka and PostgreSQL in containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from tests.engine.engine import ROOT, docker
from tests.engine.images import Images
from tests.unit.deploy.compose_file import base_images

IMAGE: Final = "rollcall:0.0.1-image-test"
SUITE_IMAGE: Final = "rollcall-suite:0.0.1-image-test"
#: What is installed, without Python and Debian.
LARGEST_MB: Final = 200
#: About how an image is built, with a linter and pip, which it has not.
NOT_IN_THE_IMAGE: Final = ("tests/unit/deploy/test_deploy_dockerfile.py",)


@pytest.fixture(scope="module")
def image(images: Images) -> Iterator[str]:
    assert "python" not in images.missing
    docker("build", "--quiet", "--file", "deploy/Dockerfile", "--tag", IMAGE, ".")
    yield IMAGE
    docker("rmi", IMAGE, check=False)


def in_image(*command: str) -> subprocess.CompletedProcess[str]:
    return docker("run", "--rm", "--read-only", "--tmpfs", "/tmp", IMAGE, *command, check=False)


def test_it_holds_what_services_need_and_no_more(image: str) -> None:
    measured = in_image("du", "--summarize", "--block-size=1M", "/opt/rollcall")
    assert int(measured.stdout.split()[0]) <= LARGEST_MB, measured.stdout
    assert in_image("python", "-m", "pip", "--version").returncode != 0


@pytest.mark.parametrize("service", ["ingest", "api"])
def test_each_service_starts_far_enough_to_say_what_is_missing(image: str, service: str) -> None:
    refused = in_image("python", "-m", service)
    missing = "set exactly one of ROLLCALL_JWT_SECRET"
    assert (refused.returncode, missing in refused.stderr) == (2, True), refused.stderr


def test_the_processor_and_the_commands_find_all_that_they_import(image: str) -> None:
    """The processor would wait for its servers."""
    loaded = in_image(
        "python", "-c", "import processor.__main__, deploy.cli, deploy.roles.compose_roles"
    )
    assert loaded.returncode == 0, loaded.stderr


def test_the_unit_and_contract_tests_pass_on_its_python(
    image: str, kafka_bootstrap: str, postgres_url: str
) -> None:
    """On what users run, not on what developers have."""
    arguments = [
        *("--build-arg", f"PYTHON_IMAGE={base_images()['python']}"),
        *("--build-arg", f"ROLLCALL_IMAGE={image}"),
        *("--file", "tests/engine/suite.Dockerfile", "--tag", SUITE_IMAGE),
    ]
    docker("build", "--quiet", *arguments, ".")
    ignored = [f"--ignore={path}" for path in NOT_IN_THE_IMAGE]
    done = docker(
        *("run", "--rm", "--network", "host", "--volume", f"{ROOT}:/suite:ro"),
        *("--workdir", "/suite", "--env", "HOME=/tmp", "--env", "PYTHONDONTWRITEBYTECODE=1"),
        *("--env", f"ROLLCALL_TEST_KAFKA={kafka_bootstrap}"),
        *("--env", f"ROLLCALL_TEST_POSTGRES={postgres_url}"),
        SUITE_IMAGE,
        *("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *ignored),
        *("tests/unit", "tests/contract"),
        check=False,
    )
    docker("rmi", SUITE_IMAGE, check=False)
    [*_, last] = done.stdout.strip().splitlines()
    sys.stdout.write(f"{last}\n")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\d{4,} passed", last), last


def test_kafka_and_postgres_of_the_suite_are_containers_of_the_images_that_we_name(
    images: Images, kafka_bootstrap: str, postgres_url: str
) -> None:
    running = docker("ps", "--format", "{{.Image}}").stdout.split()
    assert {base_images()["kafka"], base_images()["postgres"]} <= set(running)


@pytest.mark.parametrize(
    "tests",
    [
        "tests/integration/processor/test_migrations.py",
        "tests/integration/ingest/test_ingest_publisher.py",
    ],
)
def test_the_suite_runs_on_containers(
    images: Images, kafka_bootstrap: str, postgres_url: str, tests: str
) -> None:
    variables = {
        "ROLLCALL_TEST_KAFKA": kafka_bootstrap,
        "ROLLCALL_TEST_POSTGRES": postgres_url,
    }
    done = run_pytest(tests, **variables)
    assert done.returncode == 0, done.stdout[-3000:]


def test_where_an_image_cannot_be_had_the_suite_runs_on_the_embedded_servers() -> None:
    done = run_pytest(
        "tests/integration/processor/test_schema.py",
        ROLLCALL_TEST_SERVERS="containers",
        DOCKER_HOST="unix:///nowhere/docker.sock",
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "the embedded postgres instead: no container of postgres:" in done.stderr


def run_pytest(tests: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", tests],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
