"""`python -m supply_chain sbom FILE|licences|secrets|vulnerabilities`: what is shipped, and what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from supply_chain.shipped import REQUIREMENTS, ROOT, bill_of_materials, not_allowed, packages, vendored

# Examples in the documentation and in tests, not secrets.
EXAMPLES = r"user:password@host|me:secret@db\.example|0123456789abcdef0123456789abcdef01234567"
WITHOUT_DATA = "Dependency not found on"


def sbom(file: str) -> str:
    Path(file).write_text(json.dumps(bill_of_materials(), indent=2) + "\n")
    return ""


def licences() -> str:
    wrong = not_allowed(packages() + vendored())
    return f"Not on the list of licences in supply_chain/shipped.py: {'; '.join(wrong)}." if wrong else ""


def secrets(folder: Path = ROOT) -> str:
    """Keys, tokens and addresses with passwords; words that only sound like a secret are left to reviewers."""
    command = ("detect-secrets", "scan", "--no-verify", "--disable-plugin", "KeywordDetector")
    done = subprocess.run(
        (*command, "--exclude-lines", EXAMPLES), cwd=folder, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)["results"]
    places = [
        f"{name}:{each['line_number']} ({each['type']})" for name, each_file in found.items() for each in each_file
    ]
    return f"These lines look like secrets: {', '.join(places)}." if places else ""


def vulnerabilities() -> str:
    """Ask for known holes; an index that has no such data must not look like a good answer."""
    command = ("pip-audit", "--no-deps", "--disable-pip", "--strict", "--progress-spinner=off", "-r", str(REQUIREMENTS))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return ""
    if WITHOUT_DATA in said or "ConnectionError" in said or "ServiceError" in said:
        return "The data of known vulnerabilities cannot be reached, so nothing was audited. Run it with network."
    return said.strip() or f"pip-audit ended with {done.returncode}."


COMMANDS = {"sbom": sbom, "licences": licences, "secrets": secrets, "vulnerabilities": vulnerabilities}


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"Expected one of {', '.join(COMMANDS)}.\n")
        return 2
    wrong = COMMANDS[arguments[0]](*arguments[1:])  # type: ignore[operator]
    sys.stderr.write(f"{wrong}\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
