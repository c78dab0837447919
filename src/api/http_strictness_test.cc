// The bytes that clients send and the statuses that they get, against the server on real sockets: TCP, unix and TLS.
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "api/admin_server.h"
#include "testing/fake_control_plane.h"
#include "testing/made_certificates.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

const std::string path = "/v1/connections/7f2c91a0-1";
const std::string get = "GET /v1 HTTP/1.1\r\nHost: localhost\r\n";
const std::string post = "POST " + path + "/messages HTTP/1.1\r\nHost: localhost\r\n";
/// Sends a message if the server takes it for a request.
const std::string hidden = post + "Content-Length: 2\r\n\r\n{}";
const std::string last = "Connection: close\r\n\r\n";

struct Row {
    const char* name;
    std::string bytes;
    std::string statuses;      ///< of the answers in their order
    int sent = 0;              ///< messages that the gateway received
    std::string on_unix = {};  ///< the statuses there, if others: a unix socket has no names
};

std::string request_line(const std::string& line) { return line + "\r\nHost: localhost\r\n" + last; }
std::string target(const std::string& text) { return request_line("GET " + text + " HTTP/1.1"); }
std::string header(const std::string& line) { return get + line + "\r\n" + last; }
/// Returns a chunked body that one server reads as {} and another as the hidden request.
std::string chunked(const std::string& headers, const std::string& body) {
    return post + headers + "\r\n\r\n" + body + hidden;
}

std::vector<Row> rows() {
    std::vector<Row> all{
        {"plain", get + last, "200"},
        {"health", target("/healthz"), "200"},
        {"health behind another", get + "\r\n" + target("/readyz"), "200 200"},
        {"a message", post + "Content-Length: 2\r\n" + last + "{}", "202", 1},
        // Request smuggling
        {"CL and TE", chunked("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), "400"},
        {"TE and CL", chunked("Transfer-Encoding: chunked\r\nContent-Length: 2", "0\r\n\r\n"), "400"},
        {"two CLs that differ", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} " + hidden, "400"},
        {"two CLs that agree", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + hidden, "400"},
        {"two CLs in a list", post + "Content-Length: 2, 2\r\n\r\n{}" + hidden, "400"},
        {"CL with a sign", post + "Content-Length: +2\r\n\r\n{}" + hidden, "400"},
        {"CL below zero", post + "Content-Length: -1\r\n\r\n{}" + hidden, "400"},
        {"CL in hexadecimal", post + "Content-Length: 0x2\r\n\r\n{}" + hidden, "400"},
        {"CL past 64 bits", post + "Content-Length: 99999999999999999999999\r\n\r\n{}" + hidden, "400"},
        {"CL of nothing", post + "Content-Length:\r\n\r\n{}" + hidden, "400"},
        {"CL with a space within", post + "Content-Length: 2 2\r\n\r\n{}" + hidden, "400"},
        {"chunked", chunked("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"), "411"},
        {"chunk size that is none", chunked("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"), "411"},
        {"chunk size past 64 bits", chunked("Transfer-Encoding: chunked", "fffffffffffffffff\r\n{}"), "411"},
        {"chunk size below zero", chunked("Transfer-Encoding: chunked", "-2\r\n{}\r\n0\r\n\r\n"), "411"},
        {"chunk extension", chunked("Transfer-Encoding: chunked", "2;a=\"\n\"\r\n{}\r\n0\r\n\r\n"), "411"},
        {"TE other than chunked", chunked("Transfer-Encoding: gzip", ""), "411"},
        {"TE identity", chunked("Transfer-Encoding: identity", ""), "411"},
        {"TE in a list", chunked("Transfer-Encoding: identity, chunked", "0\r\n\r\n"), "411"},
        {"TE twice", chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"), "400"},
        {"TE with a vertical tab", chunked("Transfer-Encoding:\vchunked", "0\r\n\r\n"), "400"},
        {"TE with a space before its colon", chunked("Transfer-Encoding : chunked", "0\r\n\r\n"), "400"},
        {"obs-fold", get + "X: a\r\n b\r\n" + last + hidden, "400"},
        {"obs-fold with a tab", get + "X: a\r\n\tb\r\n" + last + hidden, "400"},
        {"obs-fold of TE", chunked("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), "400"},
        {"obs-fold first", "GET /healthz HTTP/1.1\r\n Host: localhost\r\n" + last + hidden, "400"},
        {"bare LF behind a header", get + "X: a\nY: b\r\n" + last + hidden, "400"},
        {"bare LF behind the first line", "GET /healthz HTTP/1.1\nHost: localhost\r\n" + last + hidden, "400"},
        {"bare CR", get + "X: a\rY: b\r\n" + last + hidden, "400"},
        {"bare LFs at the end", post + "Content-Length: 2\n\n{}\r\n\r\n" + hidden, "400"},
        {"space before the colon", header("X : a") + hidden, "400"},
        {"tab before the colon", header("X\t: a") + hidden, "400"},
        {"no colon", header("X") + hidden, "400"},
        {"no name", header(": a") + hidden, "400"},
        {"a name that is no token", header("X(: a") + hidden, "400"},
        {"empty line first", "\r\n" + get + last + hidden, "400"},
        {"a body that is too long by a request", post + "Content-Length: 2\r\n\r\n{}" + get + last, "202 200", 1},
        {"a body with GET is no second request",
         get + "Content-Length: " + std::to_string(hidden.size()) + "\r\n" + last + hidden, "200"},
        {"an error of the API does not end the connection", "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n" + get + last,
         "400 200"},
        // Versions
        {"HTTP/0.9", "GET /healthz\r\n\r\n", "400"},
        {"HTTP/1.0", "GET /v1 HTTP/1.0\r\n\r\n", "200"},
        {"HTTP/1.0 has one request", "GET /v1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /v1 HTTP/1.0\r\n\r\n",
         "200"},
        {"HTTP/1.0 ends otherwise", "GET /v1 HTTP/1.0\r\n\r\n" + hidden, "200"},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
        {"h2c upgrade is passed over",
         get + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\r\n",
         "200"},
        {"HTTP/9.9", request_line("GET / HTTP/9.9"), "400"},
        {"HTTP/1.10", request_line("GET / HTTP/1.10"), "400"},
        {"http/1.1", request_line("GET / http/1.1"), "400"},
        {"TLS", "\x16\x03\x01\x02\x00\x01\r\n\r\n"s, "400"},
        {"nonsense", "NONSENSE\r\n\r\n", "400"},
        {"no Host", "GET /healthz HTTP/1.1\r\n\r\n", "400"},
        {"two Hosts", header("Host: localhost"), "400"},
        // Methods
        {"lower case", request_line("get / HTTP/1.1"), "405"},
        {"TRACE", request_line("TRACE / HTTP/1.1"), "405"},
        {"CONNECT", request_line("CONNECT localhost:22 HTTP/1.1"), "400"},
        {"unknown", request_line("FOO / HTTP/1.1"), "405"},
        {"PUT", request_line("PUT /v1/status HTTP/1.1"), "405"},
        {"OPTIONS", request_line("OPTIONS /v1/status HTTP/1.1"), "405"},
        {"X-HTTP-Method-Override", header("X-HTTP-Method-Override: DELETE"), "200"},
        {"X-Method-Override", request_line("POST " + path + " HTTP/1.1\r\nX-Method-Override: DELETE"), "405"},
        {"_method", target("/v1/status?_method=DELETE"), "400"},
        // Targets
        {"absolute form", target("http://localhost/healthz"), "400"},
        {"absolute form of another host", target("http://evil.example/healthz"), "400"},
        {"asterisk form", request_line("OPTIONS * HTTP/1.1"), "400"},
        {"..", target("/v1/../healthz"), "400"},
        {".. at the start", target("/../etc/passwd"), "400"},
        {".. in %2e", target("/v1/%2e%2e/healthz"), "400"},
        {".. in .%2E", target("/dashboard/.%2E/secret"), "400"},
        {".", target("/./healthz"), "400"},
        {"..%2f is one segment", target("/v1/..%2f..%2fetc"), "404"},
        {"%252e is not decoded twice", target("/v1/%252e%252e/healthz"), "404"},
        {"backslash", target("/v1\\..\\healthz"), "400"},
        {"%5c is no separator", target("/dashboard/..%5c..%5cetc"), "404"},
        {"two slashes are not one", target("//healthz"), "404"},
        {"%2f is no separator", target("/v1%2fstatus"), "404"},
        {"half a percent", target("/%2"), "400"},
        {"percent without digits", target("/%zz"), "400"},
        {"dots that are no segments", target("/v1/...//.x/..y/"), "404"},
        {".. in the query", target("/healthz?x=../y"), "400"},
        {"the longest target", target("/" + std::string(8191, 'a')), "404"},
        {"a target too long by one", target("/" + std::string(8192, 'a')), "414"},
        {"fragment", target("/healthz#x"), "400"},
        {"NUL in the target", target("/heal\0thz"s), "400"},
        {"%00", target("/v1/connections/%00"), "404"},
        {"byte beyond ASCII", target("/\xff\xfe"), "400"},
        {"too long", target("/" + std::string(9000, 'a')), "414"},
        {"two spaces", request_line("GET  /healthz HTTP/1.1"), "400"},
        {"tab", request_line("GET\t/healthz HTTP/1.1"), "400"},
        {"space behind the version", request_line("GET /healthz HTTP/1.1 "), "400"},
        {"four words", request_line("GET /healthz x HTTP/1.1"), "400"},
        // Headers
        {"NUL in a value", header("X: a\0b"s), "400"},
        {"control byte in a value", header("X: a\x01z"), "400"},
        {"DEL in a value", header("X: a\x7fz"), "400"},
        {"a tab in a value", header("X: a\tb"), "200"},
        {"bytes beyond ASCII in a value", header("X: \xc3\xa9"), "200"},
        {"NUL in a name", header("X\0: a"s), "400"},
        {"the longest header", header("X: " + std::string(8187, 'x')), "200"},
        {"a header too long", header("X: " + std::string(8188, 'x')), "431"},
        {"a head too long",
         header("X: " + std::string(8000, 'x') + "\r\nY: " + std::string(8000, 'y') +
                "\r\nZ: " + std::string(8000, 'z')),
         "431"},
        {"a head without an end", std::string(100'000, 'x'), "431"},
        {"compressed body", post + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "415"},
        {"a body too long", post + "Content-Length: 10000000\r\n\r\n", "413"},
        {"Range", header("Range: bytes=0-1"), "200"},
        {"a Range that is none", header("Range: bytes=x"), "416"},
        {"Accept-Encoding", header("Accept-Encoding: gzip, br"), "200"},
        {"a Range of nothing", header("Range: bytes=-"), "200"},
        {"a list of Ranges", header("Range: bytes=0-1, 3-4"), "200"},
        {"a Range with a space", header("Range: bytes= 0-1"), "416"},
        {"a Range backwards", header("Range: bytes=2-1"), "416"},
        {"a Range of another unit", header("Range: lines=1-2"), "416"},
        {"Expect", post + "Expect: 100-continue\r\nContent-Length: 2\r\n" + last + "{}", "100 202", 1},
        {"Expect with nothing to expect", header("Expect: 100-continue"), "200"},
        {"Expect of another thing", post + "Expect: the-moon\r\nContent-Length: 2\r\n" + last + "{}", "202", 1},
        // Web pages
        {"another Host", "GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n" + last, "403", 0, "200"},
        {"a Host that begins as its own", "GET /v1/status HTTP/1.1\r\nHost: localhost.evil.example\r\n" + last, "403",
         0, "200"},
        {"an IP address as Host", "GET /v1/status HTTP/1.1\r\nHost: 192.0.2.1:80\r\n" + last, "200"},
        {"another Host for health", "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n" + last, "403", 0, "200"},
        {"its own Origin", header("Origin: http://localhost"), "200"},
        {"another Origin", header("Origin: https://evil.example"), "403"},
        {"no Origin", header("Origin: null"), "403"},
        {"cross-site", header("Sec-Fetch-Site: cross-site"), "403"},
        {"same-site", header("Sec-Fetch-Site: same-site"), "403"},
        {"same-origin", header("Sec-Fetch-Site: same-origin"), "200"},
        {"a link", header("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document"), "200"},
        {"a form is no link",
         post + "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: "
                "document\r\nContent-Length: 2\r\n\r\n{}",
         "403"},
        {"preflight",
         "OPTIONS /v1/status HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n"
         "Access-Control-Request-Method: DELETE\r\n\r\n",
         "403"},
        // Pipelines
        {"three at once", get + "\r\n" + post + "Content-Length: 2\r\n\r\n{}" + get + last, "200 202 200", 1},
        {"nothing behind Connection: close", get + last + hidden, "200"},
        // Cut off: the client ends after these bytes.
        {"nothing at all", "", ""},
        {"half a head", "GET /heal", ""},
        {"a head without its empty line", get, ""},
        {"half a body", post + "Content-Length: 5\r\n\r\n{}", "400"},
    };
    for (const char* name : {"Authorization", "Origin", "Sec-Fetch-Site"}) {
        all.push_back({"a header twice that decides", header(name + ": a\r\n"s + name + ": a"), "400"});
    }
    std::string max;
    for (int i = 0; i < 98; ++i) max += "X: y\r\n";
    all.push_back({"a hundred headers", get + max + last, "200"});
    all.push_back({"a hundred and one headers", get + max + "X: y\r\n" + last, "431"});
    std::string burst;
    for (int i = 0; i < 100; ++i) burst += get + "\r\n";
    std::string answers = "200";
    for (int i = 1; i < 100; ++i) answers += " 200";
    all.push_back({"a hundred requests of one client", burst + hidden, answers});
    return all;
}

std::string statuses_of(std::string_view bytes) {
    constexpr std::string_view version = "HTTP/1.1 ";
    std::string all;
    for (std::size_t at = bytes.find(version); at != std::string_view::npos; at = bytes.find(version, at + 1)) {
        const std::string_view status = bytes.substr(at + version.size(), 3);
        if (status.find_first_not_of("0123456789") != std::string_view::npos) continue;
        all += (all.empty() ? "" : " ") + std::string(status);
    }
    return all;
}

enum class Transport : std::uint8_t { tcp, unix_socket, tls };

class HttpStrictness : public testing::TestWithParam<Transport> {
protected:
    void SetUp() override {
        DoorOptions door;
        if (GetParam() == Transport::tls) door.secrets.tls = certified();
        const bool is_unix = GetParam() == Transport::unix_socket;
        auto started = AdminServer::start(is_unix ? "unix:" + path_ : "127.0.0.1:0", gateway_, {}, door);
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started).value();
    }

    [[nodiscard]] std::shared_ptr<const TlsContext> certified() const {
        const MadeCertificate made = make_certificate({.common_names = {"gateway"}});
        TlsConfig files;
        files.certificate = folder_.certificates("chain.pem", {&made});
        files.key = folder_.key("key.pem", made);
        return std::get<0>(TlsContext::load(files));
    }

    [[nodiscard]] RawClient client() const {
        if (GetParam() == Transport::unix_socket) return RawClient(path_);
        const std::uint16_t port = server_->address().port;
        return GetParam() == Transport::tls ? RawClient(port, *TlsContext::for_client({}).value()) : RawClient(port);
    }

    [[nodiscard]] std::string exchange(std::string_view bytes) const { return client().send(bytes).end().read_all(); }

    CertificateFolder folder_;
    const std::string path_ = folder_.path("admin.sock");
    FakeControlPlane gateway_;
    std::unique_ptr<AdminServer> server_;
};

TEST_P(HttpStrictness, GivesEachRowItsStatus) {
    for (const Row& row : rows()) {
        const std::string answer = exchange(row.bytes);
        const bool other = GetParam() == Transport::unix_socket && !row.on_unix.empty();
        EXPECT_EQ(statuses_of(answer), other ? row.on_unix : row.statuses) << row.name << "\n"
                                                                           << answer.substr(0, 2000);
        EXPECT_EQ(gateway_.sent.size(), static_cast<std::size_t>(row.sent)) << row.name;
        gateway_.sent.clear();
    }
    EXPECT_EQ(statuses_of(exchange(get + last)), "200");
}

/// Sends one byte after another until the server has had enough, and returns its answer.
std::string drip(RawClient client, const std::string& first) {
    client.send(first);
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - began < 4s) {
        client.send("x");
        std::this_thread::sleep_for(50ms);
    }
    return client.read_some();
}

TEST_P(HttpStrictness, RefusesSlowRequestsInTime) {
    std::string head;
    std::string body;
    {
        const std::jthread one([&] { head = drip(client(), get + "X: "); });
        const std::jthread other([&] { body = drip(client(), post + "Content-Length: 1000\r\n\r\n"); });
    }
    EXPECT_EQ(statuses_of(head), "408") << head;
    EXPECT_EQ(statuses_of(body), "408") << body;
    EXPECT_TRUE(gateway_.sent.empty());
}

INSTANTIATE_TEST_SUITE_P(On, HttpStrictness, testing::Values(Transport::tcp, Transport::unix_socket, Transport::tls));

}  // namespace
}  // namespace holdfast
