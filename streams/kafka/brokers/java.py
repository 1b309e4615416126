"""Java and Kafka's jars: looked for, and fetched with Maven once for all homes of this user."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from schemas.errors import BrokerUnavailable

KAFKA_VERSION = "4.4.0"
MIN_JAVA = 17
RESOURCES = Path(__file__).parent
CHECKSUMS = RESOURCES / "jars.sha256"
"""SHA-256 and name of every jar, as sha256sum writes them; `make lock` makes it anew."""


def find_java() -> Path:
    """The Java 17+ of JAVA_HOME, else of PATH. Raises BrokerUnavailable."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise BrokerUnavailable(f"no java on PATH or in JAVA_HOME: install a JDK {MIN_JAVA} or newer")
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    major = java_major(shown)
    if major is None or major < MIN_JAVA:
        raise BrokerUnavailable(
            f"{found} is Java {major or '?'}: install a JDK {MIN_JAVA} or newer, or set JAVA_HOME to one"
        )
    return Path(found)


def java_major(version_output: str) -> int | None:
    """The major version in what `java -version` prints (1.8 is 8); None if there is none."""
    match = re.search(r'version "(?:1\.)?(\d+)', version_output)
    return int(match.group(1)) if match else None


def jar_folder() -> Path:
    """Where the jars of exactly this pom and these checksums belong, whether or not they are there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = (RESOURCES / "pom.xml").read_bytes() + CHECKSUMS.read_bytes()
    digest = hashlib.sha256(named).hexdigest()[:8]
    return cache / "innsyn" / f"kafka-{KAFKA_VERSION}-{digest}"


def resolve_jars() -> Path:
    """The folder with Kafka's jars, fetched with Maven if it is not there yet. Raises BrokerUnavailable.

    They are those of the checksums, also where they lay there before: raises otherwise.
    Two processes may do this at once: each fills a folder of its own, the first rename wins.
    """
    target = jar_folder()
    if target.is_dir():
        if wrong := unlike(target, CHECKSUMS):
            raise BrokerUnavailable(f"{target} is damaged ({wrong}): remove the folder, it is fetched anew")
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable(
            f"Kafka {KAFKA_VERSION} is not in {target} and there is no mvn on PATH: install Maven"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as scratch:
        jars = Path(scratch) / "jars"
        command = [maven, "-q", "-B", "-f", str(RESOURCES / "pom.xml"), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={jars}", "-Dstyle.color=never"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0 or not any(jars.glob(f"kafka_*-{KAFKA_VERSION}.jar")):
            cause = first_error(done.stdout + done.stderr)
            raise BrokerUnavailable(
                f"Maven could not fetch Kafka {KAFKA_VERSION} (network, proxy or settings.xml?): {cause}"
            )
        if wrong := unlike(jars, CHECKSUMS):
            raise BrokerUnavailable(
                f"Maven fetched other jars than those of {CHECKSUMS.name} ({wrong}): see where it fetches from, and do "
                "not run them"
            )
        try:
            jars.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


def unlike(jars: Path, checksums: Path) -> str | None:
    """The first jar that is missing, not named or has another content than the checksums say; None: there is none."""
    lines = checksums.read_text("utf-8").splitlines()
    known = {name: digest for digest, name in map(str.split, lines)}
    found = {path.name: path for path in jars.iterdir()}
    for name in sorted(known.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in known:
            return f"{name} is not named there"
        with found[name].open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != known[name]:
                return f"{name} has another content"
    return None


def first_error(output: str) -> str:
    """The first exception with its message, else the first line that names an error, else the last line.

    At most 200 characters.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for telling in (r"^(Caused by: )?[\w.$]+(Exception|Error): ", r"\b(ERROR|FATAL)\b|Exception|Error:"):
        for line in lines:
            if re.search(telling, line):
                return line[:200]
    return lines[-1][:200] if lines else "nothing was printed"
