"""The mechanical rules of docs/CONTRIBUTING.md, "Style", for pages and commits. tests/tidy.py runs them."""

import re
import subprocess

from links import pages_of

# Pages that do not follow the rules yet. A page that follows them leaves this list; no page joins it.
UNCONVERTED = set()
BANNED = re.compile(r"\b(nobody|somebody|anew|whence|meanwhile|lest|therein)\b", re.I)
# Words of persons for what a program does.
PERSONS = re.compile(r"\b(everybody|anybody|tells?|told|asks|asking|dies|died|hung up|mend)\b", re.I)
BAD_START = re.compile(r"(It|Who|Whom|What|Of|One|That|The same)\b")
SENTENCE_WORDS = 25
CELL_WORDS = 15
SUBJECT_CHARACTERS = 72
SUBJECTS_SINCE = "2026-11-29T12:08:30Z"
REASONS_SINCE = "2026-11-30T17:00:00Z"


def plain(text):
    """Removes markup; a piece of code counts as one word."""
    text = re.sub(r"``.+?``|`[^`]+`", "Code", text)
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\*\*|<[^>]+>", "", text)


def words_in(text):
    return len([word for word in text.split() if re.search(r"\w", word)])


def blocks_of(text):
    """Yields (kind, text): the paragraphs, list items, table cells and headings of a page, without its code blocks."""
    text = re.sub(r"^```[\s\S]*?^```|<!--[\s\S]*?-->", "", text, flags=re.M)
    paragraph = []
    for line in [*text.splitlines(), ""]:
        item = re.match(r" *(?:[-*]|\d+\.) +(.*)", line)
        other = not line.strip() or line.startswith(("|", "#", "    "))
        if (item or other) and paragraph:
            yield "prose", " ".join(paragraph)
            paragraph = []
        if item:
            paragraph = [item[1]]
        elif line.startswith("|"):
            if not re.fullmatch(r"[|\-: ]+", line):
                yield from (("cell", cell) for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1]))
        elif line.startswith("#"):
            yield "heading", line.lstrip("# ")
        elif not other:
            paragraph.append(line.strip())


def sentences_of(text):
    return [sentence.strip() for sentence in re.split(r"(?<=[.?!])[\"')]?\s+(?=[\"'(]?(?:[A-Z0-9]|holdfast))", plain(text)) if sentence.strip()]


def faults_of_page(text):
    for kind, block in blocks_of(text):
        shown = block.strip()[:60]
        for word in BANNED.findall(plain(block)) + PERSONS.findall(plain(block)):
            yield f'"{word}" in: {shown}'
        if kind == "cell" and words_in(plain(block)) > CELL_WORDS:
            yield f"a table cell of {words_in(plain(block))} words, more than {CELL_WORDS}: {shown}"
        if kind == "heading":
            continue
        for sentence in sentences_of(block):
            if kind == "prose" and words_in(sentence) > SENTENCE_WORDS:
                yield f"a sentence of {words_in(sentence)} words, more than {SENTENCE_WORDS}: {sentence[:60]}"
            if BAD_START.match(sentence) and words_in(sentence) > 3:
                yield f"a sentence begins with {sentence.split()[0]}: {sentence[:60]}"


def page_faults(root):
    seen = set()
    for page in pages_of(root):
        name = str(page.relative_to(root))
        listed = next((entry for entry in UNCONVERTED if name == entry or name.startswith(entry + "/")), None)
        faults = [f"{name}: {fault}" for fault in faults_of_page(page.read_text())]
        if listed is None:
            yield from faults
        elif faults:
            seen.add(listed)
    for entry in sorted(UNCONVERTED - seen):
        yield f"{entry}: follows the rules, or is gone: take it off the list in tests/prose.py"


def commit_faults(root):
    log = subprocess.run(["git", "log", f"--since={SUBJECTS_SINCE}", "--no-merges", "--format=%h %s"], cwd=root, capture_output=True, text=True)
    for line in log.stdout.splitlines():
        commit, _, subject = line.partition(" ")
        if len(subject) > SUBJECT_CHARACTERS:
            yield f"commit {commit}: its subject has {len(subject)} characters, more than {SUBJECT_CHARACTERS}"
        if not re.match(r"[\w./{},+ -]+: \S", subject):
            yield f"commit {commit}: its subject has no area: {subject}"
    log = subprocess.run(["git", "log", f"--since={REASONS_SINCE}", "--no-merges", "--format=%h%x00%b%x01"], cwd=root, capture_output=True, text=True)
    for commit, _, body in (entry.partition("\0") for entry in log.stdout.split("\1")):
        if commit.strip() and not body.strip():
            yield f"commit {commit.strip()}: gives no reason below its subject"
