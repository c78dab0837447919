#include "admin/request_head.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr std::string_view host = "Host: localhost\r\n";

/// The status that these bytes are refused with, or 0.
int refusal(std::string_view bytes) {
    const auto read = read_request_head(bytes);
    const auto* refused = std::get_if<ApiAnswer>(&read);
    return refused != nullptr ? refused->status : 0;
}

int with_headers(const std::string& headers) {
    return refusal("POST /v1/probe HTTP/1.1\r\n" + std::string(host) + headers + "\r\n");
}

int with_target(const std::string& target) {
    return refusal("GET " + target + " HTTP/1.1\r\n" + std::string(host) + "\r\n");
}

TEST(RequestHead, IsReadAsItStands) {
    const std::string bytes =
        "POST /v1/closed?reason=kicked HTTP/1.1\r\nhost: localhost:7080\r\nX-Empty:\r\nContent-Length:\t 12 \r\n\r\n";
    const auto read = read_request_head(bytes);
    const auto* head = std::get_if<RequestHead>(&read);
    ASSERT_NE(head, nullptr);
    EXPECT_EQ(head->method, "POST");
    EXPECT_EQ(head->target, "/v1/closed?reason=kicked");
    EXPECT_EQ(head->value("HOST"), "localhost:7080");
    EXPECT_EQ(head->count("x-empty"), 1U);
    EXPECT_EQ(head->value("X-Empty"), "");
    EXPECT_EQ(head->value("X-None"), "");
    EXPECT_EQ(head->body_bytes, 12U);
}

TEST(RequestHead, LinesEndWithCrLf) {
    EXPECT_EQ(refusal("GET / HTTP/1.1\nHost: localhost\n\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: local" + std::string(1, '\0') + "host\r\n\r\n"), 400);
    EXPECT_EQ(refusal("\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: localhost\r\n"), 400);
    EXPECT_EQ(refusal(""), 400);
    EXPECT_EQ(refusal("\r\n\r\n"), 400);
    EXPECT_EQ(with_headers("X: \x7f\r\n"), 400);
    EXPECT_EQ(with_headers("X: \xc3\xa9\r\n"), 0);  // opaque, as the standard has it
}

TEST(RequestHead, TheFirstLineHasThreeWords) {
    for (const char* line :
         {"GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET / x HTTP/1.1", "GET / HTTP/2.0",
          "GET / HTTP/1.10", "GET / http/1.1", "GET\t/ HTTP/1.1", "G(T / HTTP/1.1", "GET * HTTP/1.1",
          "GET http://localhost/ HTTP/1.1", "CONNECT localhost:22 HTTP/1.1"}) {
        EXPECT_EQ(refusal(std::string(line) + "\r\n" + std::string(host) + "\r\n"), 400) << line;
    }
    for (const char* method : {"TRACE", "PRI", "get", "FOO"}) {
        EXPECT_EQ(refusal(std::string(method) + " / HTTP/1.1\r\n" + std::string(host) + "\r\n"), 405) << method;
    }
}

TEST(RequestHead, TheTargetIsAPathAndMeansOneThing) {
    EXPECT_EQ(with_target("/v1/devices/a%2fb?x=../y"), 0);
    EXPECT_EQ(with_target("/v1/...//.x/..y/"), 0);
    for (const char* target : {"/v1/../status", "/..", "/./v1", "/v1/.", "/v1/%2e%2E", "/%2e./v1", "/.%2e?x=1"}) {
        EXPECT_EQ(with_target(target), 400) << target;
    }
    for (const char* target : {"/#x", "/a\\b", "/\xff", "/a\x01"}) EXPECT_EQ(with_target(target), 400) << target;
    EXPECT_EQ(with_target("/" + std::string(max_target_bytes - 1, 'a')), 0);
    EXPECT_EQ(with_target("/" + std::string(max_target_bytes, 'a')), 414);
}

TEST(RequestHead, AHeaderIsOneLineWithItsColonBehindItsName) {
    for (const char* line : {"X", ": y", "X : y", "X\t: y", " folded", "\tfolded", "X y: z", "X(: y"}) {
        EXPECT_EQ(with_headers(std::string(line) + "\r\n"), 400) << line;
    }
    EXPECT_EQ(with_headers("X: a\r\n folded\r\n"), 400);
    std::string many;
    for (std::size_t i = 1; i < max_headers; ++i) many += "X: y\r\n";
    EXPECT_EQ(with_headers(many), 0);
    EXPECT_EQ(with_headers(many + "X: y\r\n"), 431);
    EXPECT_EQ(with_headers("X: " + std::string(max_header_bytes - 3, 'y') + "\r\n"), 0);
    EXPECT_EQ(with_headers("X: " + std::string(max_header_bytes - 2, 'y') + "\r\n"), 431);
}

TEST(RequestHead, WhatDecidesIsThereOnce) {
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\r\n"), 400);
    EXPECT_EQ(refusal("GET / HTTP/1.0\r\n\r\n"), 0);  // a balancer's health check
    for (const char* name : {"Host", "host", "Authorization", "Origin", "Sec-Fetch-Site", "Content-Length"}) {
        EXPECT_EQ(with_headers(std::string(name) + ": 1\r\n" + name + ": 1\r\n"), 400) << name;
    }
}

TEST(RequestHead, ABodyHasOneLength) {
    EXPECT_EQ(with_headers("Content-Length: 0\r\n"), 0);
    for (const char* length : {"", "-1", "+1", "1, 1", "0x1", "1 1", "99999999999999999999999", "1.0"}) {
        EXPECT_EQ(with_headers("Content-Length: " + std::string(length) + "\r\n"), 400) << length;
    }
    EXPECT_EQ(with_headers("Transfer-Encoding: chunked\r\n"), 411);
    EXPECT_EQ(with_headers("Transfer-Encoding: identity\r\n"), 411);
    EXPECT_EQ(with_headers("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"), 400);
    EXPECT_EQ(with_headers("transfer-encoding: chunked\r\ncontent-length: 2\r\n"), 400);
}

}  // namespace
}  // namespace holdfast
