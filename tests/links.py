"""Checks the links of the documentation: every relative link and every anchor exists, in the repository and after
installation.

    tests/links.py TREE    exits 1 and names each dead link of the pages in TREE"""

import pathlib
import re
import sys


def without_code(text):
    return re.sub(r"^```[\s\S]*?^```|^ {4}.*$", "", text, flags=re.M)


def anchors_of(text):
    """Yields the anchors that GitHub gives to the headings, and those written as <a id="...">."""
    yield from re.findall(r'<a id="([^"]+)">', text)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        yield re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def pages_of(tree):
    return [*tree.glob("*.md"), *(tree / "docs").rglob("*.md")]


def dead_links(tree):
    for page in pages_of(tree):
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
            file, _, anchor = target.partition("#")
            if ":" in file:
                continue
            to = (page.parent / file).resolve() if file else page
            if not to.exists():
                yield f"{page.relative_to(tree)}: there is no {target}"
            elif anchor and to.suffix == ".md" and anchor not in set(anchors_of(without_code(to.read_text()))):
                yield f"{page.relative_to(tree)}: {file or 'this page'} has no heading for #{anchor}"


def main():
    tree = pathlib.Path(sys.argv[1]).resolve()
    dead = list(dead_links(tree)) if pages_of(tree) else [f"{tree} has no pages"]
    print("\n".join(dead) if dead else f"{len(pages_of(tree))} pages: every link leads somewhere")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
