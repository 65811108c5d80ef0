"""Checks licences and sources of all dependencies, and what may not be among them, against deny.toml; with the path of a copy of
RustSec's advisory-db (a folder, or a bare git repository) known faults too. What `cargo deny check` does, without a network.

usage: check_dependencies.py [ADVISORY-DB]
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def packages(manifest):
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1", "--manifest-path", manifest]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]


def allowed(expression, names):
    """Whether a licence expression of SPDX, or of its forerunner with strokes, can be met by the names."""
    expression = expression.replace("/", " OR ")
    terms = re.sub(r"[\w.+-]+(?: WITH [\w.+-]+)?", lambda m: word(m.group(), names), expression)
    return eval(terms, {"__builtins__": {}})  # nothing but True, False, and, or, brackets is left


def word(found, names):
    return {"OR": "or", "AND": "and"}.get(found, str(found in names))


def version(text):
    """A key that sorts as semantic versions do."""
    numbers, _, pre = text.split("+")[0].partition("-")
    numbers = [int(n) for n in numbers.split(".")]
    return (*(numbers + [0] * (3 - len(numbers))), pre == "", pre)


def meets(found, requirement):
    """Whether a version meets a requirement of Cargo's, such as `>= 1.2, < 2` or `^0.3.1`."""
    for part in requirement.split(","):
        sign, wanted = re.fullmatch(r"\s*(>=|<=|>|<|=|\^|~)?\s*(\S+)\s*", part).groups()
        low, here = version(wanted), version(found)
        if sign in (None, "^", "~"):
            numbers = [int(n) for n in wanted.split("-")[0].split(".")]
            fixed = 2 if sign == "~" else next((k + 1 for k, n in enumerate(numbers) if n), len(numbers))
            ok = low <= here and here[:fixed] == (*numbers, 0, 0)[:fixed]
        else:
            ok = {">=": here >= low, "<=": here <= low, ">": here > low, "<": here < low, "=": here == low}[sign]
        if not ok:
            return False
    return True


def advisories(place):
    """The fields of every advisory on a crate."""
    place = Path(place)
    if (place / "crates").is_dir():
        texts = (path.read_text() for path in sorted(place.glob("crates/*/*.md")))
    else:
        git = ["git", f"--git-dir={place}"]
        listed = subprocess.run([*git, "ls-tree", "-r", "--name-only", "HEAD", "crates"], check=True, capture_output=True, text=True)
        names = [name for name in listed.stdout.splitlines() if name.endswith(".md")]
        batch = "\n".join(f"HEAD:{name}" for name in names)
        shown = subprocess.run([*git, "cat-file", "--batch"], input=batch.encode(), check=True, capture_output=True)
        texts = re.split(r"(?m)^[0-9a-f]{40} blob \d+$", shown.stdout.decode())[1:]
    for text in texts:
        found = re.search(r"```toml\n(.*?)\n```", text, re.S)
        if found:
            yield tomllib.loads(found.group(1))


def main():
    policy = tomllib.loads((ROOT / "deny.toml").read_text())
    names, banned = set(policy["licenses"]["allow"]), {entry["name"] for entry in policy["bans"]["deny"]}
    found = {}
    for manifest in ["Cargo.toml", "tests/fuzz/Cargo.toml", "tests/firmware/Cargo.toml", "tests/browser/Cargo.toml"]:
        for package in packages(ROOT / manifest):
            found[package["name"], package["version"]] = package
    theirs = {key: package for key, package in found.items() if package["source"]}
    assert len(theirs) > 100, f"only {len(theirs)} dependencies: not all were looked at"
    wrong = []
    for (name, number), package in theirs.items():
        if not package["license"] or not allowed(package["license"], names):
            wrong.append(f"{name} {number}: licence {package['license']}")
        if package["source"] != REGISTRY:
            wrong.append(f"{name} {number}: from {package['source']}")
        if name in banned:
            wrong.append(f"{name} {number}: not wanted")
    looked = 0
    for entry in advisories(sys.argv[1]) if len(sys.argv) > 1 else []:
        looked += 1
        advisory, versions = entry["advisory"], entry.get("versions", {})
        fine = versions.get("patched", []) + versions.get("unaffected", [])
        for name, number in theirs:
            if name != advisory["package"] or "withdrawn" in advisory or advisory["id"] in policy["advisories"]["ignore"]:
                continue
            if not any(meets(number, requirement) for requirement in fine):
                said = f"{name} {number}: {advisory['id']} {advisory.get('informational', 'fault')}"
                # that nobody looks after a crate is told, and is no fault
                print(said) if advisory.get("informational") in ("unmaintained", "notice") else wrong.append(said)
    print(f"{len(theirs)} dependencies, {looked} advisories")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    assert allowed("(MIT OR GPL-3.0) AND ISC", {"MIT", "ISC"}) and not allowed("MIT AND GPL-3.0", {"MIT"})
    assert meets("1.2.3", ">= 1.2, < 2") and not meets("0.3.9", "^0.4.1") and meets("0.4.5", "^0.4.1") and not meets("1.0.0-rc.1", ">= 1.0.0")
    main()
