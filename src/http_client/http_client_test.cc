#include "http_client/http_client.h"

#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/raw_server.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Kind = HttpFailure::Kind;

HttpPeer at(std::uint16_t port, bool keep = false) {
    HttpPeer peer;
    peer.host = "127.0.0.1";
    peer.port = port;
    peer.keep = keep;
    return peer;
}

/// Answers every request with the same bytes, and closes.
RawServer::Answer always(const std::string& bytes) {
    return [bytes](const RawServer::Request&, int connection) {
        RawServer::say(connection, bytes);
        return false;
    };
}

/// Repeats them until the client has closed.
RawServer::Answer without_end(const std::string& begin, const std::string& more) {
    return [begin, more](const RawServer::Request&, int connection) {
        RawServer::say(connection, begin);
        while (RawServer::say(connection, more)) continue;
        return false;
    };
}

HttpAnswer answer_of(HttpClient& client, const HttpQuestion& question) {
    auto said = client.request(question);
    if (const auto* failure = std::get_if<HttpFailure>(&said)) {
        ADD_FAILURE() << failure->cause;
        return {};
    }
    return std::get<HttpAnswer>(std::move(said));
}

HttpFailure failure_of(RawServer::Answer answer, const HttpQuestion& question = {}) {
    const RawServer server(std::move(answer));
    HttpClient client(at(server.port()));
    auto said = client.request(question);
    if (const auto* got = std::get_if<HttpAnswer>(&said)) {
        ADD_FAILURE() << "it answered " << got->status << " with " << got->body.size() << " bytes";
        return {};
    }
    return std::get<HttpFailure>(std::move(said));
}

TEST(HttpClient, SendsTheGivenRequest) {
    RawServer::Request seen;
    const RawServer server([&seen](const RawServer::Request& request, int connection) {
        seen = request;
        return RawServer::say(connection, RawServer::with_status(201, "done"));
    });
    HttpClient client(at(server.port()));
    const auto answer = answer_of(client, {.method = "PUT",
                                           .target = "/a/../b?c=%2F&d",
                                           .headers = {"Host: localhost", "Authorization: Bearer secret"},
                                           .body = "{\"x\":1}"});
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, "done");
    EXPECT_TRUE(answer.whole);
    EXPECT_THAT(seen.head, StartsWith("PUT /a/../b?c=%2F&d HTTP/1.1\r\n"));
    EXPECT_THAT(seen.head, HasSubstr("\r\nHost: localhost\r\n"));
    EXPECT_THAT(seen.head, HasSubstr("\r\nAuthorization: Bearer secret\r\n"));
    EXPECT_THAT(seen.head, HasSubstr("\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(seen.head, Not(HasSubstr("Expect")));
    EXPECT_EQ(seen.body, "{\"x\":1}");
}

TEST(HttpClient, AQuestionWithoutABodyHasNone) {
    RawServer::Request seen;
    const RawServer server([&seen](const RawServer::Request& request, int connection) {
        seen = request;
        return RawServer::say(connection, RawServer::with_status(404));
    });
    HttpClient client(at(server.port()));
    EXPECT_EQ(answer_of(client, {.target = "/x"}).status, 404);
    EXPECT_THAT(seen.head, StartsWith("GET /x HTTP/1.1\r\nHost: 127.0.0.1:"));
    EXPECT_THAT(seen.head, Not(HasSubstr("Content-")));
    EXPECT_EQ(answer_of(client, {.method = "DELETE", .target = "/x"}).status, 404);
    EXPECT_THAT(seen.head, StartsWith("DELETE /x HTTP/1.1\r\n"));
    EXPECT_THAT(seen.head, Not(HasSubstr("Content-Type")));
    EXPECT_EQ(answer_of(client, {.method = "POST", .target = "/x"}).status, 404);
    EXPECT_THAT(seen.head, HasSubstr("\r\nContent-Length: 0\r\n"));
}

TEST(HttpClient, KeepsItsConnectionIfConfigured) {
    const RawServer server([](const RawServer::Request& request, int connection) {
        return RawServer::say(connection, RawServer::with_status(200, std::to_string(request.connections)));
    });
    HttpClient kept(at(server.port(), true));
    EXPECT_EQ(answer_of(kept, {}).body, "1");
    EXPECT_EQ(answer_of(kept, {.method = "POST", .body = "x"}).body, "1");
}

TEST(HttpClient, AKeptConnectionThatHasEndedIsReplaced) {
    const RawServer server([](const RawServer::Request& request, int connection) {
        RawServer::say(connection, RawServer::with_status(200, std::to_string(request.connections)));
        return false;
    });
    HttpClient client(at(server.port(), true));
    for (const char* number : {"1", "2", "3"}) EXPECT_EQ(answer_of(client, {.method = "POST"}).body, number);
}

TEST(HttpClient, AnInvalidAnswerIsAnError) {
    for (const std::string& bytes :
         {std::string(), std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("HTTP/1.1 20x OK\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), std::string("HTTP/1.1 100 Continue\r\n\r\n"),
          std::string("\x16\x03\x01\x00\x05hello", 10), std::string("HTTP/1.1 "), std::string("\0\0\0\0\0\0\0\0", 8)}) {
        const HttpFailure failure = failure_of(always(bytes));
        EXPECT_EQ(failure.kind, Kind::no_http) << bytes << ": " << failure.cause;
        EXPECT_FALSE(failure.cause.empty());
    }
}

/// Each once took a megabyte of stack, all memory, or all time of a client.
TEST(HttpClient, AnAnswerWithoutEndTakesNeitherMemoryNorTime) {
    const HttpQuestion question{.target = "/", .timeout = 1s};
    const std::string megabyte(1'000'000, 'x');
    const auto all = {without_end("HTTP/1.1 200 ", megabyte), without_end("HTTP/1.1 200 OK\r\nX: ", megabyte),
                      without_end("HTTP/1.1 200 OK\r\n", "X: " + std::string(1'000, 'y') + "\r\n"),
                      without_end("", "HTTP/1.1 100 Continue\r\n\r\n"),
                      always("HTTP/1.1 200 " + megabyte + "\r\nContent-Length: 0\r\n\r\n")};
    std::vector<std::thread> side_by_side;
    for (const auto& answer : all) {
        side_by_side.emplace_back([&question, answer] {
            EXPECT_THAT(failure_of(answer, question).kind, AnyOf(Kind::no_http, Kind::too_slow));
        });
    }
    for (std::thread& one : side_by_side) one.join();
}

TEST(HttpClient, OfALongBodyTheBeginningIsRead) {
    const RawServer server(without_end("HTTP/1.1 200 OK\r\n\r\n", std::string(4'096, 'x')));
    HttpClient client(at(server.port()));
    const auto answer = answer_of(client, {.target = "/", .max_body = 10'000});
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.whole);
    EXPECT_EQ(answer.body, std::string(10'000, 'x'));
}

/// A complete answer counts, although its connection fails later.
TEST(HttpClient, OfABodyThatDoesNotEndTheBeginningIsRead) {
    const auto stays_open = [](const RawServer::Request&, int connection) {
        return RawServer::say(connection, "HTTP/1.1 204 OK\r\n\r\n") && RawServer::say(connection, "");
    };
    const std::vector<std::pair<RawServer::Answer, std::string>> all = {
        {always("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi"), "hi"},
        {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nxyz\r\n"), "hi"},
        {without_end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", std::string(1'000'000, 'x')), ""},
        {without_end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "T: y\r\n"), ""},
        {[](const RawServer::Request&, int connection) {
             return RawServer::say(connection, "HTTP/1.1 200 OK\r\n\r\nhi");  // and waits
         },
         "hi"}};
    for (const auto& [answer, body] : all) {
        const RawServer server(answer);
        HttpClient client(at(server.port()));
        const auto got = answer_of(client, {.target = "/", .timeout = 200ms});
        EXPECT_EQ(got.status, 200);
        EXPECT_FALSE(got.whole);
        EXPECT_EQ(got.body, body);
    }
    const RawServer server(stays_open);
    HttpClient client(at(server.port()));
    EXPECT_TRUE(answer_of(client, {}).whole) << "a 204 has no body to wait for";
}

/// Sends these bytes, and is silent until the client has closed.
RawServer::Answer then_silent(const std::string& begin) {
    return [begin](const RawServer::Request&, int connection) {
        if (!begin.empty()) RawServer::say(connection, begin);
        char byte = 0;
        while (::recv(connection, &byte, 1, 0) > 0) continue;
        return false;
    };
}

TEST(HttpClient, AServerThatFallsSilentEndsTheRequest) {
    const RawServer server(then_silent("HTTP/1.1 200 OK\r\n\r\n: one\n\n"));
    HttpClient client(at(server.port()));
    std::string taken;
    const HttpAnswer answer =
        answer_of(client, {.timeout = 0ms, .silence = 50ms, .on_piece = [&](std::string_view piece) {
                               taken += piece;
                               return true;
                           }});
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.whole);
    EXPECT_EQ(taken, ": one\n\n");
    const HttpFailure failure = failure_of(then_silent(""), {.timeout = 0ms, .silence = 50ms});
    EXPECT_EQ(failure.kind, Kind::too_slow);
    EXPECT_EQ(failure.cause, "no answer within 50ms");
}

TEST(HttpClient, FollowsNoRedirect) {
    const RawServer server(always("HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
    HttpClient client(at(server.port()));
    EXPECT_EQ(answer_of(client, {}).status, 302);
}

TEST(HttpClient, IgnoresProxiesOfTheEnvironment) {
    ::setenv("http_proxy", "http://127.0.0.1:1", 1);
    const RawServer server(always(RawServer::with_status(200)));
    HttpClient client(at(server.port()));
    EXPECT_EQ(answer_of(client, {}).status, 200);
    ::unsetenv("http_proxy");
}

TEST(HttpClient, ReportsWhyThereIsNoAnswer) {
    std::uint16_t gone = 0;
    {
        const RawServer server(always(""));
        gone = server.port();
    }
    const auto refused = HttpClient(at(gone)).request({});
    EXPECT_EQ(std::get<HttpFailure>(refused).kind, Kind::no_connection);
    EXPECT_EQ(std::get<HttpFailure>(refused).cause, "Connection refused");
    HttpPeer nameless = at(80);
    nameless.host = "no-such-host.invalid";
    EXPECT_EQ(std::get<HttpFailure>(HttpClient(nameless).request({})).kind, Kind::no_connection);
    const HttpFailure slow =
        failure_of([](const RawServer::Request&, int) { return true; }, {.target = "/", .timeout = 50ms});
    EXPECT_EQ(slow.kind, Kind::too_slow);
    EXPECT_EQ(slow.cause, "no answer within 50ms");
}

TEST(HttpClient, AUnixSocketIsAddressedByItsPath) {
    const TemporaryDirectory directory;
    HttpPeer peer;
    peer.socket = directory.in("sock");
    const auto none = HttpClient(peer).request({});
    EXPECT_EQ(std::get<HttpFailure>(none).cause, "No such file or directory");
    const RawServer server(always(RawServer::with_status(200, "here")), peer.socket);
    HttpClient client(peer);
    EXPECT_EQ(answer_of(client, {}).body, "here");
}

TEST(HttpClient, AFileOfAuthoritiesThatIsNoneIsSaid) {
    const RawServer server(always(""));
    const TemporaryDirectory directory;
    HttpPeer peer = at(server.port());
    peer.tls = true;
    peer.ca = directory.write("ca.pem", "nonsense");
    EXPECT_EQ(std::get<HttpFailure>(HttpClient(peer).request({})).kind, Kind::bad_ca_file);
}

TEST(HttpClient, AServerWithoutTlsIsSaid) {
    const RawServer server(always("HTTP/1.1 400 Bad Request\r\n\r\n"));
    // The peer finds no whole request in a ClientHello and does not answer, so the client's timeout ends the exchange.
    HttpPeer peer = at(server.port());
    peer.tls = true;
    const auto said = HttpClient(peer).request({.target = "/", .timeout = 2s});
    EXPECT_EQ(std::get<HttpFailure>(said).kind, Kind::no_tls);
    EXPECT_EQ(std::get<HttpFailure>(said).cause, "the TLS handshake did not end within 2s");
}

TEST(HttpClient, IsBrokenOffFromAnotherThreadAndForGood) {
    std::counting_semaphore<2> asked{0};
    const RawServer server([&asked](const RawServer::Request&, int) {  // reads the request, and does not answer
        asked.release();
        return true;
    });
    HttpClient client(at(server.port()));
    std::jthread other([&client, &asked] {
        asked.acquire();
        client.break_off();
    });
    const HttpQuestion patient{.target = "/", .timeout = 1h};
    EXPECT_EQ(std::get<HttpFailure>(client.request(patient)).kind, Kind::broken_off);
    EXPECT_EQ(std::get<HttpFailure>(client.request(patient)).kind, Kind::broken_off);
}

}  // namespace
}  // namespace holdfast
