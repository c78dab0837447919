"""The mechanical rules of docs/CONTRIBUTING.md, "Style", for comments and string literals. tests/tidy.py runs them."""

import ast
import io
import re
import tokenize

from prose import BANNED, PERSONS, SENTENCE_WORDS, plain, words_in

CLASS_LINES = 4
PRONOUN = re.compile(r"(It|Who|Whom|What|Of|That|The same(?! \w)|One(?= (?:of|that|who|which|whose|is|was|has|had|can|may|by|to|at|from|with)\b))\b")
# Verbs in the third person without a final s, and words before the verb.
VERBS = {"Only", "Never", "Also", "See", "Called"}
# Words in s that begin a noun phrase.
NOT_VERBS = {"This", "Its", "Bytes", "Always", "Less", "Plus", "Status", "Address", "Process", "Access", "Class", "Is"}
TOKEN = re.compile(
    r"""R"(\w*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\b\d[\w']*|'(?:\\.|[^'\\\n])*'|(?P<comment>//[^\n]*|/\*(?:.|\n)*?\*/)"""
)
DIRECTIVE = re.compile(r"NOLINT|clang-format|SPDX|namespace\b|(static|inline|virtual)$|!|noqa|type:|pylint|fmt:|=+$|-+$|shellcheck")


# A question in place of a remedy, and the former form `why: remedy`.
QUESTION = re.compile(r"\w\)?\?(?: [a-z]|$)")
REMEDY = re.compile(r": (add|change|check|choose|correct|create|free|give|lower|make|name|raise|remove|renew|repair|restart|send|try|use|write) ")
NOT_PROSE = re.compile(r"(ALTER|BEGIN|CREATE|DELETE|INSERT|SELECT|UPDATE)\b|.*\$\{", re.S)


class Comment:
    """A block of adjacent comment lines."""

    def __init__(self, line, text, doc=False, follows=""):
        self.line, self.text, self.doc, self.follows = line, text, doc, follows


def blocks_of_cpp(source):
    """Yields the comments of a C++ file: adjacent lines of one kind are one block."""
    lines = source.splitlines()
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found = []  # (line, column, alone, kind, text)
    number = 0
    for match in TOKEN.finditer(source):
        if match["comment"] is None:
            continue
        while starts[number + 1] <= match.start():
            number += 1
        column = match.start() - starts[number]
        kind, text = re.match(r"(///?<?!?|/\*+)([\s\S]*)", match["comment"]).groups()
        found.append((number, column, not lines[number][:column].strip(), kind, text))
    block = []
    for comment in [*found, None]:
        if block:
            last = block[-1]
            joined = comment and comment[0] == last[0] + 1 and comment[2] and comment[3] == last[3] and (last[2] or comment[1] == last[1])
            if not joined:
                doc = block[0][3] == "///" and block[0][2]
                yield Comment(block[0][0] + 1, "\n".join(entry[4] for entry in block), doc, code_after(lines, last[0] + 1) if doc else "")
                block = []
        if comment:
            block.append(comment)


def code_after(lines, index):
    """Returns the declaration that follows a doc comment, up to its body or its end."""
    code = ""
    for line in lines[index : index + 12]:
        code += " " + line.split("//")[0].strip()
        if re.search(r"[;{}]", line.split("//")[0]) or not line.strip():
            break
    return code.strip()


def blocks_of_python(source):
    """Yields the comments and the docstrings of a Python file."""
    block = []
    for token in [*tokenize.generate_tokens(io.StringIO(source).readline), None]:
        if token is not None and token.type not in (tokenize.COMMENT, tokenize.ENDMARKER):
            continue
        alone = token is not None and not token.line[: token.start[1]].strip()
        if block and not (token and alone and token.start[0] == block[-1].start[0] + 1):
            yield Comment(block[0].start[0], "\n".join(entry.string[1:] for entry in block))
            block = []
        if token and token.type == tokenize.COMMENT:
            block.append(token)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            function = isinstance(node, ast.FunctionDef) and not node.name.startswith("test_")
            kind = "class" if isinstance(node, ast.ClassDef) else "def(" if function else ""
            yield Comment(node.body[0].lineno, ast.get_docstring(node), True, kind)


def blocks_of_script(source):
    """Yields the comments of a CMake file or a shell script."""
    block, start = [], 0
    for number, line in enumerate([*source.splitlines(), ""], 1):
        comment = re.match(r"\s*#(?!!)(.*)", line)
        if comment:
            start = start if block else number
            block.append(comment[1])
        elif block:
            yield Comment(start, "\n".join(block))
            block = []


def prose_of(text):
    """Yields the paragraphs, list items and last columns of tables of a comment, without code and directives."""
    paragraph, depth = [], 0
    for line in [*text.splitlines(), ""]:
        stripped = line.strip().removeprefix("* ")
        indent = len(line) - len(line.lstrip())
        item = re.match(r"(?:[-*]|\d+\.|\w+:) +(.*)", stripped) or indent > 1 and re.match(r".*? {2,}(.*)", stripped)
        over = not stripped or DIRECTIVE.match(stripped) or indent > 4
        if paragraph and (over or item or indent != depth):
            yield " ".join(paragraph)
            paragraph = []
        if not over:
            paragraph.append(item[1] if item else stripped)
            depth = indent + 2 if item else indent


def is_type(code):
    return re.match(r"(template\b.*?> ?)?(class|struct|enum|union|concept)\b", code)


def is_function(code):
    before = re.split(r"=(?!=)|\{", re.sub(r"\[\[.*?\]\]|alignas\(\w+\)|decltype\(.*?\)|operator\s*\S+?(?=\()|std::function<.*>", "", code))[0]
    return "(" in before and not re.match(r"(using|#|static_assert|namespace|typedef|TEST|INSTANTIATE|BENCHMARK|constexpr \w+ \w+\()", before)


def faults_of(comment):
    """Yields what breaks a rule in one comment."""
    first = True
    for paragraph in prose_of(comment.text):
        for word in BANNED.findall(paragraph) + PERSONS.findall(plain(paragraph)):
            yield f'"{word}" in: {paragraph[:60]}'
        for sentence in re.split(r"(?<=[.?!])[\"')]?\s+", plain(paragraph)):
            if words_in(sentence) > SENTENCE_WORDS:
                yield f"a sentence of {words_in(sentence)} words, more than {SENTENCE_WORDS}: {sentence[:60]}"
            if PRONOUN.match(sentence) and words_in(sentence) > 2:
                yield f"a sentence begins with {sentence.split()[0]}: {sentence[:60]}"
        if first and comment.doc and comment.follows and not is_type(comment.follows) and is_function(comment.follows):
            word = re.match(r"\W*([\w']*)", paragraph)[1]
            if word not in VERBS and (not word.endswith("s") or word in NOT_VERBS):
                yield f"a function's comment does not begin with a verb in the third person: {paragraph[:60]}"
        first = False
    lines = comment.text.strip().split("\n\n")[0].count("\n") + 1
    if comment.doc and is_type(comment.follows) and lines > CLASS_LINES:
        yield f"a comment of {lines} lines on a type, more than {CLASS_LINES}"


def literals_of(source):
    """Yields (line, text) of the string literals of a C++ or JavaScript file; adjacent ones are one text."""
    parts, start, end = [], 0, 0
    for match in [*TOKEN.finditer(source), None]:
        if match and not match[0].startswith(('"', "`", "'", 'R"')):
            continue
        if parts and not (match and not source[end : match.start()].strip()):
            yield source.count("\n", 0, start) + 1, "".join(parts).replace("\\n", "\n").replace('\\"', '"')
            parts = []
        if match:
            start = start if parts else match.start()
            raw = match[0].startswith("R")
            parts.append(match[0][match[0].index("(") + 1 : -2 - len(match[1])] if raw else match[0][1:-1])
            end = match.end()


def faults_of_literal(text):
    """Yields what breaks a rule in one string literal: a message, a help or a page of the reference."""
    if words_in(text) < 3 or NOT_PROSE.match(text):
        return
    for word in BANNED.findall(text) + PERSONS.findall(text):
        yield f'"{word}" in: {text[:60]}'
    for sentence in re.split(r"(?<=[.?!])[\"')]?\s+|\n", plain(text)):
        if words_in(sentence) > SENTENCE_WORDS:
            yield f"a sentence of {words_in(sentence)} words, more than {SENTENCE_WORDS}: {sentence[:60]}"
        if PRONOUN.match(sentence) and words_in(sentence) > 3:
            yield f"a sentence begins with {sentence.split()[0]}: {sentence[:60]}"
        if QUESTION.search(sentence) and not sentence.startswith("|"):
            yield f"a question, where a message has a remedy in the imperative: {sentence[:60]}"
        if REMEDY.search(sentence) and not sentence[:1].isupper():
            yield f"a remedy behind a colon: write `what failed: why; remedy`: {sentence[:60]}"


READERS = {".py": blocks_of_python} | dict.fromkeys((".h", ".cc", ".c", ".go", ".js", ".css"), blocks_of_cpp)

# Each rule with comments that break it and that follow it; the number of faults, unless it is one.
SAMPLES = [
    (".h", "/// The size.\n[[nodiscard]] int size();\n/// Returns the size.\nint size() const;\n", "third person"),
    (".h", "/// This counts.\nint size();\n/// Is called by OpenSSL.\nvoid f(int) {\n", "third person", 2),
    (".h", "/// Size in bytes.\nstd::function<int(int)> size;\n/// Value.\nint x = f();\n", "", 0),
    (".h", "/// Counts.\n/// b\n/// c\n/// d\n/// e\nclass A {\n/// Counts.\nclass B {\n", "5 lines"),
    (".cc", "// It is over. The socket is closed.\nint x;  // of one\n", "begins with It"),
    (".cc", "x();  // Who is late, is closed.\n// One of them ends. One thread. What?\n", "begins with", 2),
    (".cc", 'f("// nobody");\n// Runs meanwhile.\n', '"meanwhile"'),
    (".cc", "// " + "word " * 25 + ". " + "word " * 26 + ".\n", "26 words"),
    (".cc", "//   x = f;\n//     " + "code " * 30 + "\n", "", 0),
    (".py", '"""Nobody knows."""\nx = "# anew"\n', '"Nobody"'),
    (".py", 'def f():\n    """The size."""\ndef test_f():\n    """The size."""\n', "third person"),
    (".py", "x = 1  # That is all of it.\n", "begins with That"),
    ("", "#!/bin/sh\n# Whom it concerns, reads this.\n", "begins with Whom"),
]


LITERAL_SAMPLES = [
    ('f("the file is missing; write one today");', "", 0),
    ('f("the file is missing: write one today");', "colon"),
    ('f("is this file " "a spool?");\nint x = 1;\n// "nobody is here"', "question"),
    ('f("nobody \\"is\\" here");', '"nobody"'),
    ('f("the gateway asks for a token");', '"asks"'),
    ('f("It may be an address");', "begins with It"),
    ('f(R"(' + "word " * 26 + ')");', "26 words"),
    ('f("SELECT ' + "word " * 26 + '");', "", 0),
    ("say(`has it ended? ${x}`);", "", 0),
]


def untested_rules():
    """Yields the samples in which the rules above do not find what they must."""
    for text, wanted, *count in LITERAL_SAMPLES:
        found = [fault for _, literal in literals_of(text) for fault in faults_of_literal(literal)]
        if len(found) != (count[0] if count else 1) or not all(wanted in fault for fault in found):
            yield f"tests/comments.py: the literal {text!r} has the faults {found}"
    for suffix, text, wanted, *count in SAMPLES:
        found = [fault for comment in READERS.get(suffix, blocks_of_script)(text) for fault in faults_of(comment)]
        if len(found) != (count[0] if count else 1) or not all(wanted in fault for fault in found):
            yield f"tests/comments.py: the sample {text!r} has the faults {found}"


def dead_names(comment, root):
    """Yields the files of this tree that a comment names and that do not exist. `net/` is the kernel's, too."""
    for name in re.findall(r"(?<![\w./])(\w+/[\w/]+\.(?:cc|h|md|py))\b", comment.text):
        own = any((root / top / name.split("/")[0]).is_dir() for top in ("", "src", "tests")) and not name.startswith(("net/", "build/"))
        if own and not any((root / top / name).exists() for top in ("", "src", "include", "tests")):
            yield f"names {name}, which does not exist"


def comment_faults(root, paths):
    """Yields the faults of all comments, and of the string literals of src/, by file and line."""
    yield from untested_rules()
    if not list(dead_names(Comment(1, "See tests/gone.h."), root)):
        yield "tests/comments.py: dead_names() does not find tests/gone.h"
    for path in paths:
        if path.is_relative_to(root / "src") and path.suffix in (".h", ".cc", ".js") and "_test." not in path.name:
            for line, text in literals_of(path.read_text()):
                for fault in faults_of_literal(text):
                    yield f"{path.relative_to(root)}:{line}: {fault}"
        for comment in READERS.get(path.suffix, blocks_of_script)(path.read_text()):
            for fault in (*faults_of(comment), *dead_names(comment, root)):
                yield f"{path.relative_to(root)}:{comment.line}: {fault}"
