#!/usr/bin/env python3
"""Checks the installed library from outside.
    tests/public_api.py HEADERS [LIBRARY.so]

- A designated initializer of any public struct compiles without a warning of -Wall -Wextra, with GCC and with clang.
- Each member of a public struct has an initializer.
- The shared library exports what the headers declare, and nothing else."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

STRUCT = re.compile(r"^(template <.*>\n)?struct (\w+)( : [^{]+)? \{\n(.*?)^\};", re.M | re.S)
MEMBER = re.compile(r"^    ([A-Za-z_][\w:<>,() &*]*) (\w+)( = [^;]+|\{[^;]*\})?;", re.M)
OTHER = ("return ", "using ", "friend ", "static ", "enum ", "[[")
ABI = re.compile(r"#define HOLDFAST_ABI (\w+)")


def members(body):
    for kind, name, value in MEMBER.findall(body):
        if not (kind + " ").startswith(OTHER):
            yield name, value


def structs(headers):
    for path in sorted(headers.glob("*.h")):
        for template, name, bases, body in STRUCT.findall(path.read_text()):
            yield path, bool(template), name, bool(bases), body


def uninitialized(headers):
    for path, _, struct, _, body in structs(headers):
        for name, value in members(body):
            if not value:
                yield f"{path.name}: {struct}::{name} has no initializer; write = {{}}"


def program(headers):
    """Returns a program that begins each struct by its first member alone, as a user's -Wextra sees it."""
    lines = [f"#include <holdfast/{path.name}>" for path in sorted(headers.glob("*.h"))]
    count = 0
    for _, template, name, derived, body in structs(headers):
        fields = [field for field, _ in members(body)]
        if template or derived or not fields:
            continue
        count += 1
        lines.append(f"holdfast::{name} first_of_{name}() {{ return {{.{fields[0]} = {{}}}}; }}")
        lines.append(f"holdfast::{name} last_of_{name}() {{ return {{.{fields[-1]} = {{}}}}; }}")
    if count < 20:
        sys.exit(f"tests/public_api: only {count} structs were found: the headers are not read correctly")
    return "\n".join(lines) + "\n"


def warnings(headers):
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / "structs.cc"
        source.write_text(program(headers))
        for compiler in ("g++", "clang++"):
            if not shutil.which(compiler):
                continue
            run = subprocess.run([compiler, "-std=c++20", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror",
                                  "-fsyntax-only", "-I", headers.parent, source], capture_output=True, text=True)
            if run.returncode:
                yield f"{compiler}: {run.stderr}"


def words_of(headers):
    return set(re.findall(r"\w+", "\n".join(path.read_text() for path in headers.glob("*.h"))))


def symbols(library):
    for form in ("--no-demangle", "--demangle"):
        yield subprocess.run(["nm", "-D", "--defined-only", form, library], capture_output=True, text=True, check=True).stdout.splitlines()


def exported(headers, library):
    """Yields each symbol that is no declaration of a header, and each function of a header that is no symbol."""
    abi = ABI.search((headers / "visibility.h").read_text()).group(1)
    place = f"holdfast::{abi}::"
    words = words_of(headers)
    seen = set()
    functions = set(re.findall(r"^HF_API .*?(\bhf_\w+)\(", (headers / "c.h").read_text(), re.M))
    for mangled, plain in zip(*symbols(library)):
        name = plain.split(" ", 2)[2]
        if name in functions:
            functions.discard(name)
            continue
        if f"8holdfast{len(abi)}{abi}" not in mangled.split(" ", 2)[2]:
            yield f"{name} is exported: {place} is the public API"
            continue
        own = re.findall(re.escape(place) + r"((?:~?\w+::)*(?:~?\w+|operator[^(]+))", name.replace("[abi:cxx11]", ""))[0]
        parts = own.split("::")
        seen.update(parts)
        if not own.count("operator") and not all(part.lstrip("~") in words for part in parts) or {"Impl", "State"} & set(parts[:-1]):
            yield f"{name} is exported, and no header declares it"
    yield from (f"c.h: {name}() is declared and not exported" for name in sorted(functions))
    for path in sorted(headers.glob("*.h")):
        for name in re.findall(r"^(?:\[\[nodiscard\]\] )?[\w:<>]+ (\w+)\([^;{]*\)(?: noexcept)?;", path.read_text(), re.M):
            if name not in seen:
                yield f"{path.name}: {name}() is declared and not exported"


def main():
    headers = pathlib.Path(sys.argv[1])
    faults = [*uninitialized(headers), *warnings(headers)]
    if len(sys.argv) > 2:
        faults += exported(headers, sys.argv[2])
    print("\n".join(faults[:40]), end="\n" if faults else "")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
