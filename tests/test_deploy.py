"""The container files say what the program understands: they are written and checked here, not run."""

from __future__ import annotations

import re
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path

import yaml

from core.settings import Settings, setting_name

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COPIED = {word for line in DOCKERFILE.splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]}


def known_settings() -> set[str]:
    return {setting_name(field) for field in Settings.model_fields}


def test_compose_sets_only_what_the_program_reads() -> None:
    given = set(COMPOSE["services"]["assistant"]["environment"])
    assert given <= known_settings()
    image = {line.split("=")[0].split()[-1] for line in DOCKERFILE.splitlines() if "ASSISTANT_HOME=" in line}
    assert image <= known_settings()


def test_compose_trusts_the_one_address_from_which_a_proxy_on_the_host_comes() -> None:
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    gateway = re.sub(r"^\$\{GATEWAY:-(.+)\}$", r"\1", network["gateway"])
    subnet = re.sub(r"^\$\{SUBNET:-(.+)\}$", r"\1", network["subnet"])
    assert ip_address(gateway) in ip_network(subnet)
    trusted = COMPOSE["services"]["assistant"]["environment"]["ASSISTANT_TRUSTED_PROXIES"]
    assert trusted == f"${{TRUSTED_PROXIES:-{network['gateway']}}}"
    assert Settings(public_url="https://a.example", trusted_proxies=gateway).proxies == [gateway]


def test_image_holds_every_package_and_everything_that_is_installed() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= COPIED
    assert {"pyproject.toml", "constraints.txt", PROJECT["project"]["readme"]} <= COPIED
    assert all((ROOT / name).exists() for name in COPIED)
    sent = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == COPIED


def test_image_installs_extras_that_exist_as_nobody_with_rights() -> None:
    (extras,) = [line.split("=", 1)[1] for line in DOCKERFILE.splitlines() if line.startswith("ARG EXTRAS=")]
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    assert "\nUSER 10001\n" in DOCKERFILE


def test_every_extra_installs_something_of_its_own_and_what_is_pinned() -> None:
    def name(requirement: str) -> str:
        return re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0].lower()

    base = {name(one) for one in PROJECT["project"]["dependencies"]}
    pinned = {name(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"gpu", "vllm", "postgres", "ocr", "otel"} <= extras.keys()
    for extra in set(extras) - {"vllm"}:  # which has an environment of its own: scripts/vllm_env.sh
        own = {name(one) for one in extras[extra]} - base - {PROJECT["project"]["name"]}
        assert own, f"{extra} installs nothing"
        assert own <= pinned, extra


def test_compose_has_no_password_of_its_own() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "KEY" in name:
                assert ":?" in value, name
