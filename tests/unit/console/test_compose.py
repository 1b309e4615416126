"""What can be checked of the compose file and the image without an engine to run them."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.cli.commands import COMMANDS
from schemas.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ROLES = {name: service for name, service in SERVICES.items() if service["image"].startswith("innsyn:")}
SERVERS = ("kafka", "registry", "clickhouse", "serve")
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
REQUIRED = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


def instructions(name: str) -> Iterator[list[str]]:
    """The words after each instruction of that name."""
    for line in DOCKERFILE:
        word, *rest = line.split() or [""]
        if word == name:
            yield rest


def is_pinned(image: str) -> bool:
    """Whether the reference has a tag that names a version."""
    _, _, tag = image.rpartition("/")[2].partition(":")
    return re.match(r"v?\d+(\.\d+)+", tag) is not None


def test_every_innsyn_variable_is_a_setting() -> None:
    """A misspelt variable would stop the container at start; the settings object knows them all."""
    named = set(re.findall(r"\bINNSYN_[A-Z_]+", TEXT)) | set(
        re.findall(r"\bINNSYN_[A-Z_]+", "\n".join(DOCKERFILE))
    )
    known = {f"INNSYN_{field.upper()}" for field in Settings.model_fields}
    # The comment names one setting and "its neighbours".
    assert named - known == set()
    assert {"INNSYN_KAFKA_BOOTSTRAP", "INNSYN_CLICKHOUSE_URL", "INNSYN_KEYS_DIR"} <= named


@pytest.mark.parametrize("name", ROLES)
def test_the_settings_object_accepts_what_each_role_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values parse as their types, once the shell has filled in what has to be given."""
    for variable in [variable for variable in os.environ if variable.startswith("INNSYN_")]:
        monkeypatch.delenv(variable)
    for variable, value in ROLES[name]["environment"].items():
        filled = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", REQUIRED.sub("given", value))
        monkeypatch.setenv(variable, filled)
    settings = Settings()
    assert settings.kafka_bootstrap == "kafka:9092"
    assert settings.index_url == "http://clickhouse:8123/innsyn"


def test_every_image_is_pinned() -> None:
    """No `latest`, no missing tag: the same file starts the same versions next year."""
    images = [service["image"] for service in SERVICES.values()]
    stages = {words[2] for words in instructions("FROM") if len(words) == 3}
    images += [words[0] for words in instructions("FROM") if words[0] not in stages]
    assert [image for image in images if not is_pinned(image)] == []


@pytest.mark.parametrize("image", ["kafka", "kafka:latest", "host:5000/kafka", "kafka:stable"])
def test_an_image_without_a_version_is_not_pinned(image: str) -> None:
    """The check above can fail: a port of a registry host is not a tag, a word is not a version."""
    assert not is_pinned(image)


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_has_a_health_check(name: str) -> None:
    """With a test, an interval and a limit of tries."""
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries"} <= check.keys()


def test_nothing_starts_before_what_it_needs() -> None:
    """Servers are awaited healthy, the migration is awaited done; every service named exists."""
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ("migrate", "keys") else "service_healthy"
            assert how == {"condition": wanted}, (name, needed)
            assert needed in ("migrate", "keys") or "healthcheck" in SERVICES[needed]
    for role in ("tag", "rights", "serve"):
        assert {"kafka", "clickhouse", "migrate", "keys"} <= SERVICES[role]["depends_on"].keys()


def test_the_content_of_every_image_from_outside_can_be_pinned() -> None:
    """Behind the tag stands a field for the digest; a tag alone may be moved to another content."""
    outside = [
        service["image"] for service in SERVICES.values() if not service["image"].startswith("innsyn:")
    ]
    bases = [words[0] for words in instructions("FROM")]
    assert len(outside) == 3
    assert [image for image in outside if not re.search(r":[\d.]+\$\{[A-Z]+_DIGEST:-\}$", image)] == []
    assert [base for base in bases if not re.search(r":[\w.-]+\$\{PYTHON_DIGEST\}$", base)] == []
    for role in ROLES.values():
        assert role["build"]["args"] == {"PYTHON_DIGEST": "${PYTHON_DIGEST:-}"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_takes_all_the_memory_or_processes_of_the_host(name: str) -> None:
    """Each has a limit of its own."""
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])
    assert SERVICES[name]["pids_limit"] > 0


def test_no_secret_stands_in_the_file() -> None:
    """A password or token comes from outside and has no default."""
    secrets = {
        (name, variable): value
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if re.search(r"PASSWORD|TOKEN|SECRET|CREDENTIAL", variable)
    }
    assert len(secrets) >= 6
    assert [where for where, value in secrets.items() if not REQUIRED.fullmatch(value)] == []


def test_every_volume_network_and_file_named_exists() -> None:
    """Named volumes and networks are declared and used; a mounted file is in the repository."""
    volumes = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [volume for volume in volumes if volume.startswith((".", "/"))]
    assert {volume for volume in volumes if volume not in files} == set(COMPOSE["volumes"])
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert {network for service in SERVICES.values() for network in service["networks"]} == set(
        COMPOSE["networks"]
    )


def test_ports_are_published_on_this_host_alone() -> None:
    """Nothing listens on an address other machines reach, and ClickHouse on none at all."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert SERVICES["clickhouse"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", ROLES)
def test_roles_run_without_rights_they_do_not_need(name: str) -> None:
    """No capabilities, no new privileges, nothing of the image can be written."""
    role = ROLES[name]
    assert role["read_only"] is True
    assert role["cap_drop"] == ["ALL"]
    assert role["security_opt"] == ["no-new-privileges:true"]
    assert "keys:/var/lib/innsyn/keys" in role["volumes"]


def test_taggers_can_be_scaled() -> None:
    """Several replicas, so neither a fixed name nor a published port."""
    tag = SERVICES["tag"]
    assert tag["deploy"]["replicas"] >= 2
    assert not {"ports", "container_name"} & tag.keys()


def test_every_role_is_a_command_of_innsyn() -> None:
    """The first word of each command line is one the command line knows."""
    assert {role["command"][0] for role in ROLES.values()} - set(COMMANDS) == set()
    assert {"migrate", "keys", "tag", "rights", "serve"} == {role["command"][0] for role in ROLES.values()}


def test_the_image_copies_what_is_there() -> None:
    """Each COPY source exists and is let through by .dockerignore."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source for words in instructions("COPY") if not words[0].startswith("--from") for source in words[:-1]
    ]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [
        source for source in sources if not any(fnmatch.fnmatch(source.split("/")[0], a) for a in allowed)
    ] == []


def test_the_image_does_not_run_as_root_and_installs_by_hash() -> None:
    """The last USER is innsyn; whatever pip brings in from outside has a hash."""
    assert list(instructions("USER"))[-1] == ["innsyn"]
    assert list(instructions("ENTRYPOINT")) == [['["innsyn"]']]
    installs = [
        part for words in instructions("RUN") for part in " ".join(words).split("&&") if "pip " in part
    ]
    assert len(installs) == 4
    assert [part for part in installs if "--require-hashes" not in part and "--no-index" not in part] == []


def test_docker_compose_reads_the_file() -> None:
    """The real parser agrees, where it is installed; it needs no engine. Without the secrets it refuses."""
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    config = [docker, "compose", "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("INNSYN_")}
    given = bare | {"INNSYN_CLICKHOUSE_PASSWORD": "given", "INNSYN_API_TOKEN": "given"}
    assert subprocess.run(config, env=given, capture_output=True, check=False).returncode == 0
    assert subprocess.run(config, env=bare, capture_output=True, check=False).returncode != 0
