#include "app/http_exchange.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(HttpHead, StatusLengthAndEndAreRead) {
    const auto head = parse_http_head("HTTP/1.1 404 Not Found\r\ncontent-LENGTH:  17 \r\nConnection: close\r\n");
    ASSERT_TRUE(head.has_value());
    EXPECT_EQ(head->status, 404);
    EXPECT_EQ(head->body_bytes, 17U);
    EXPECT_TRUE(head->last);
}

TEST(HttpHead, AnythingElseIsNoAnswer) {
    for (const char* text :
         {"", "\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 20x OK\r\nContent-Length: 1\r\n", "HTTP/1.1 200", "HTTP/1.1\r\n",
          "HTTP/1.1 2000\r\nContent-Length: 1\r\n", "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n",
          "HTTP/2 200\r\nContent-Length: 1\r\n", "HTTP/1.1 200\r\nContent-Length: -1\r\n",
          "HTTP/1.1 200\r\nContent-Length: 99999999999999999999999\r\n", "HTTP/1.1 200\r\nContent-Length:\r\n",
          "HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
          "HTTP/1.1 200\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.1 200\r\nno colon\r\n",
          "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 -12 OK\r\nContent-Length: 1\r\n"}) {
        EXPECT_FALSE(parse_http_head(text).has_value()) << text;
    }
    EXPECT_FALSE(parse_http_head("HTTP/1.1 200 " + std::string(2'000'000, 'x')).has_value());
}

}  // namespace
}  // namespace holdfast
