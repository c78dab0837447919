"""Compares the table of endpoints with the gateway's answers: every path, method, right, status, error code and example
of docs/reference/openapi.json and http.md."""

import http.client
import json
import pathlib
import re
import secrets

import pytest

from gateway import Gateway

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"
METHODS = {"get": "GET", "post": "POST", "delete": "DELETE"}
# Values for the braces of a path, and required bodies and parameters.
PLACES = {"id": "ffffffff-1", "group": "billing"}
QUERIES = {("delete", "/v1/connections"): "?peer=10.99.0.0/16", ("post", "/v1/probe"): "?peer=10.99.0.0/16"}
BODIES = {"/v1/alarms/{id}/acknowledgement": {"note": "Anna"},
          "/v1/drain": {"over": "1s", "peer": "10.99.0.0/16"}, "/v1/spool/groups/{group}": {"position": 0}}
# Statuses that precede the table; 404 and 503 of any path are rows of it.
FRONT = {400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 416, 431, 500, 503}


@pytest.fixture(scope="module")
def document():
    return json.loads((PAGES / "openapi.json").read_text(encoding="utf-8"))


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def target(method, path):
    return re.sub(r"\{(\w+)\}", lambda brace: PLACES[brace[1]], path) + QUERIES.get((method, path), "")


def body_of(method, path, operation):
    return BODIES.get(path, {}) if method == "post" and "requestBody" in operation else None


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_document_is_openapi(document):
    """Rules of OpenAPI 3.1, 4.8, beyond JSON."""
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"]) and set(document["info"]) >= {"title", "version"}
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 30
    for method, path, operation in operations(document):
        assert method in METHODS and path.startswith("/")
        places = {(one["name"], one["in"]) for one in operation["parameters"]}
        assert len(places) == len(operation["parameters"]), (path, "a parameter is there twice")
        assert {name for name, where in places if where == "path"} == set(re.findall(r"\{(\w+)\}", path))
        for parameter in operation["parameters"]:
            assert parameter["required"] or parameter["in"] == "query"
            assert parameter["schema"]["type"] in {"string", "boolean", "integer", "array"}
        assert any(status.startswith("2") for status in operation["responses"])
        assert all(response["description"] for response in operation["responses"].values())
        for requirement in operation["security"]:
            assert set(requirement) <= set(document["components"]["securitySchemes"])
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def allowed_codes(page, method, path):
    """Returns the codes of a section of http.md, and those that any request may get."""
    section = page.split(f"\n## {METHODS[method]} {path}\n")[1].split("\n## ")[0]
    own = {(int(status), code) for status, code in re.findall(r"(\d{3}) `(\w+)`", section)}
    anywhere = re.findall(r"^\| (\d{3}) \| `(\w+)` \| .* \| yes \|$", page, re.M)
    return own | {(int(status), code) for status, code in anywhere}


def check_answer(document, page, method, path, answer):
    status, body = answer
    operation = document["paths"][path][method]
    where = f"{METHODS[method]} {path}: {status} {body}"
    if status < 300:
        assert str(status) in operation["responses"], where
        example = re.search(rf"\n## {METHODS[method]} {re.escape(path)}\n(?:(?!\n## )[\s\S])*?\n    (\{{.*\}})\n", page)
        if example:
            shown = json.loads(example[1])
            assert set(shown) == set(body), (where, example[1])
        return
    assert (status, body["error"]["code"]) in allowed_codes(page, method, path), where


@pytest.mark.parametrize("sink", ["none", "spool"])
def test_every_request_is_answered_as_the_table_says(document, sink, tmp_path):
    page = (PAGES / "http.md").read_text(encoding="utf-8")
    flags = ["--sink", "none" if sink == "none" else f"spool:{tmp_path}/spool"]
    with Gateway(*flags) as gateway:
        for method, path, operation in operations(document):
            asked = target(method, path)
            if path != "/v1/events":  # its answer does not end
                check_answer(document, page, method, path,
                             gateway.request(METHODS[method], asked, body_of(method, path, operation)))
            mark = "&" if "?" in asked else "?"
            status, body = gateway.request(METHODS[method], f"{asked}{mark}no_such_parameter=1")
            if path != "/":  # the dashboard's page accepts any
                assert (status, body["error"]["code"]) == (400, "bad_query"), (path, body)
        for path, methods in document["paths"].items():
            others = [METHODS[method] for method in METHODS if method not in methods]
            for other in others:
                status, body = gateway.request(other, target("", path))
                assert (status, body["error"]["code"]) == (405, "method_not_allowed"), (other, path)
                allowed = set(body["error"]["message"].split("; use ")[1].split(", ")) - {"HEAD"}
                assert allowed == {METHODS[method] for method in methods}, (path, body)
        assert gateway.request("GET", "/v1/no_such_path")[0] == 404
        listed = re.findall(r"^(GET|POST|DELETE) +(/\S*)", gateway.ask("GET", "/v1"), re.M)
        assert sorted(listed) == sorted((METHODS[method], path) for method, path, _ in operations(document))


def test_every_request_needs_the_right_of_its_row(document, tmp_path):
    tokens = {}
    for right, key in (("read", "read_token_file"), ("control", "token_file")):
        tokens[right] = secrets.token_hex(16)
        (tmp_path / key).write_text(tokens[right] + "\n", encoding="ascii")
        (tmp_path / key).chmod(0o600)
    admin = "".join(f'{key} = "{tmp_path / key}"\n' for key in ("token_file", "read_token_file"))
    config = f'[[listener]]\naddress = "127.0.0.1:0"\n[sink]\ntype = "none"\n[admin]\naddress = "127.0.0.1:0"\n{admin}'

    def status_with(gateway, right, method, path):
        connection = http.client.HTTPConnection(*gateway.admin, timeout=30)
        headers = {"Authorization": f"Bearer {tokens[right]}"} if right in tokens else {}
        # A parameter that does not exist: a request that passes the gate is refused after it, and changes nothing.
        connection.request(METHODS[method], target("", path) + "?no_such_parameter=1", headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    with Gateway(config=config) as gateway:
        for method, path, operation in operations(document):
            needed = operation["x-holdfast-right"]
            assert (operation["security"] == []) == (needed == "open")
            seen = {right: status_with(gateway, right, method, path) for right in ("none", "read", "control")}
            passed = 200 if path == "/" else 400
            assert seen["control"] == passed, (method, path, seen)
            assert seen["read"] == (403 if needed == "control" else passed), (method, path, seen)
            assert seen["none"] == (passed if needed == "open" else 401), (method, path, seen)


def test_every_error_of_the_source_is_in_the_table():
    page = (PAGES / "http.md").read_text(encoding="utf-8")
    table = {(int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", page, re.M)}
    found = set()
    for path in (ROOT / "src").rglob("*.cc"):
        if not path.stem.endswith("_test"):
            text = path.read_text(encoding="utf-8")
            found |= {(int(s), c) for s, c in re.findall(r"\b\w*error\(\s*(\d{3}),\s*\"(\w+)\"", text)}
    assert len(found) > 25 and found <= table, found - table


def test_the_sections_name_only_codes_of_the_table():
    page = (PAGES / "http.md").read_text(encoding="utf-8")
    endpoints, table = page.split("\n## Errors\n")
    known = set(re.findall(r"^\| \d{3} \| `(\w+)` \|", table, re.M))
    rows = (ROOT / "src" / "api" / "api_endpoints.cc").read_text(encoding="utf-8")
    named = {code for codes in re.findall(r"\.errors = \"([^\"]+)\"", rows) for code in codes.split()}
    assert named and named <= known, named - known
    assert all(f"`{code}`" in endpoints for code in named)


def test_the_dashboard_requests_only_paths_of_the_table(document):
    known = {re.sub(r"\{\w+\}", "{}", path) for path in document["paths"]}
    requested = set()
    for path in (ROOT / "src" / "api" / "dashboard").glob("*.js"):
        code = re.sub(r"//.*", "", path.read_text(encoding="utf-8")).replace("${onePath(id)}", "/v1/connections/${id}")
        requested |= {re.sub(r"\$\{.*?\}", "{}", found) for found in re.findall(r"['\"`](/v1/[\w/{}$()]*)", code)}
    assert len(requested) >= 10 and requested <= known, requested - known


def test_a_path_is_written_in_one_place():
    """Holds the number of files of docs/CONTRIBUTING.md, "Add an endpoint"."""
    places = {}
    for folder in ("api", "client", "cli", "daemon", "top"):
        for path in (ROOT / "src" / folder).glob("*.[hc]*"):
            if not re.search(r"_test\.", path.name):
                code = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
                for literal in re.findall(r'"(/v1(?:/[\w{}/]*)?)', code):
                    places.setdefault(literal, set()).add(path.name)
    assert len(places) > 15
    assert all(len(files) == 1 and files <= {"api_endpoint.h", "api_endpoints.cc"} for files in places.values()), places
    handlers = re.findall(r"\.handler = &Api::(\w+)", (ROOT / "src/api/api_endpoints.cc").read_text(encoding="utf-8"))
    declared = re.findall(r"ApiAnswer (\w+)\(const ApiCall& call\);", (ROOT / "src/api/api.h").read_text(encoding="utf-8"))
    assert set(handlers) == set(declared) and len(declared) == len(set(declared))
