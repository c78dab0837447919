#!/usr/bin/env python3
"""No name is defined in two modules: the linker takes either one from their archives and says nothing.
    tests/symbols.py BUILD_DIRECTORY"""

import collections
import pathlib
import subprocess
import sys

STRONG = set("TDBR")  # nm(1): a definition that is not weak, not local


def definitions(archive):
    listing = subprocess.run(["nm", "--defined-only", "--demangle", "-A", archive], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        _, object_file, symbol = line.split(":", 2)
        _, kind, name = symbol.split(" ", 2)
        if kind in STRONG:
            yield name, f"{archive.name}({object_file})"


def main():
    collections_of_modules = {"libholdfast_gateway.a", "libholdfast_testing.a"}
    archives = sorted(path for path in pathlib.Path(sys.argv[1]).glob("libholdfast_*.a") if path.name not in collections_of_modules)
    if not archives:
        sys.exit(f"{sys.argv[1]} holds no libholdfast_*.a: build it first")
    places = collections.defaultdict(set)
    for archive in archives:
        for name, place in definitions(archive):
            places[name].add(place)
    twice = {name: where for name, where in places.items() if len(where) > 1}
    for name, where in sorted(twice.items()):
        print(f"{name} is defined in {', '.join(sorted(where))}: rename one, or put it into an unnamed namespace")
    sys.exit(bool(twice))


if __name__ == "__main__":
    main()
