#include "codec/recognize.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::string_view_literals::operator""sv;

struct Sample {
    Framing framing;
    std::string_view bytes;
    std::string_view says;  ///< a part of the sentence; empty: nothing is recognized
};

constexpr auto lines = Framing::ndjson;
constexpr auto objects = Framing::json;
constexpr auto counted = Framing::length;

constexpr Sample samples[] = {
    {lines, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"sv, "TLS ClientHello"},
    {objects, "\x16\x03\x03"sv, "TLS ClientHello"},
    {counted, "\x16\x03\x01\x02\x00\x01"sv, "TLS ClientHello"},
    {lines, "\x16\x03\x01\x02\x00\x02"sv, ""},  // a ServerHello
    {lines, "\x16\x03\x09"sv, ""},
    {lines, "GET / HTTP/1.1\r\nHost: a\r\n", "HTTP"},
    {objects, "OPTIONS * HTTP/1.1\r\n", "HTTP"},
    {counted, "POST /v1/data HTTP/1.1\r\n", "HTTP"},
    {lines, "HTTP/1.1 400 Bad Request\r\n", "HTTP"},
    {lines, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"},
    {lines, "CONNECT example.com:443 HTTP/1.1\r\n", "HTTP"},
    {lines, "GET ready\n", ""},
    {lines, "SSH-2.0-OpenSSH_9.2\r\n", "SSH"},
    {counted, "SSH-2.0-OpenSSH_9.2\r\n", "SSH"},
    {lines, "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c"sv, "MQTT"},
    {objects, "\x10\x12\x00\x06MQIsdp\x03"sv, "MQTT"},
    {counted, "\x10\xff\x03\x00\x04MQTT\x05"sv, "MQTT"},
    {lines, "\x10\x10\x00\x04MQT"sv, ""},
    {lines, "REGISTER sip:example.com SIP/2.0\r\n", "SIP"},
    {counted, "OPTIONS sips:a@example.com SIP/2.0\r\n", "SIP"},
    {objects, "SIP/2.0 200 OK\r\n", "SIP"},
    {lines, "PROXY TCP4 10.1.2.3 10.1.2.4 5000 7000\r\n", "proxy_protocol"},
    {objects, "PROXY UNKNOWN\r\n", "proxy_protocol"},
    {counted, "\r\n\r\n\0\r\nQUIT\n\x21\x11"sv, "proxy_protocol"},
    {lines, "\0\r\nQUIT\n\x21\x11"sv, "proxy_protocol"},
    {lines, "\xff\xfe{\0\"\0"sv, "UTF-16"},
    {objects, "\xfe\xff\0{"sv, "UTF-16"},
    {lines, "{\0\"\0i\0"sv, "UTF-16"},
    {objects, "\0{\0\"\0i"sv, "UTF-16"},
    {counted, "\0\0\0\x23{\0\"\0"sv, ""},  // the length is right
    {lines, "\xff\xfe\0\0{\0\0\0"sv, "UTF-32"},
    {objects, "\0\0\xfe\xff\0\0\0{"sv, "UTF-32"},
    {lines, "{\0\0\0\"\0\0\0"sv, "UTF-32"},
    {objects, "\0\0\0{\0\0\0\""sv, "UTF-32"},
    {counted, "\x5b\0\0\0{\"ip\":\"1\"}"sv, "little-endian"},  // a length of 91: no UTF-16
    {lines, "[\n  {\"ip\":\"1\"}\n]\n", "framing = \"json\" and arrays = true"},
    {lines, "[{\"ip\":\"1\"},\n{\"ip\":\"2\"}]\n", "framing = \"json\" and arrays = true"},
    {lines, "\xef\xbb\xbf{\"ip\":\"1\"}\n", "byte order mark"},
    {lines, "{\n  \"ip\": \"1\"\n}\n", "framing = \"json\""},
    {lines, "{\r\n  \"ip\": \"1\"\r\n}\r\n", "framing = \"json\""},
    {lines, "{\"ip\":\"1\",\n\"x\":1}\n", "framing = \"json\""},
    {objects, "{\n  \"ip\": \"1\"\n}\n", ""},
    {lines, "{\"ip\":\n", ""},
    {lines, "{\"ip\":\"1\",}\n", ""},
    {lines, "[{\"ip\":\"1\"}]\n", "array"},
    {objects, "[{\"ip\":\"1\"}]", "array"},
    {counted, "\0\0\0\x0c[{\"ip\":\"1\"}]"sv, "array"},
    {lines, "{\"ip\":\"1\"}\0{\"ip\":\"1\"}\0"sv, "NUL"},
    {lines, "{\"ip\":\"1\"}\0"sv, "NUL"},
    {objects, "\0{\"ip\":\"1\"}"sv, "NUL"},
    {objects, "\0"sv, "NUL"},
    {lines, "{\"ip\":\"1\"}\r{\"ip\":\"1\"}\r", "CR"},
    {lines, "10{\"ip\":\"1\"}", "ASCII"},
    {objects, "10:{\"ip\":\"1\"},", "ASCII"},
    {lines, "10\n{\"ip\":\"1\"}\n", "ASCII"},
    {lines, "10 {\"ip\":\"1\"}", "ASCII"},
    {counted, "0010{\"ip\":\"1\"}", "ASCII"},
    {counted, "10\n{\"ip\":\"1\"}", "ASCII"},
    {lines, "17\n", ""},
    {lines, "\0\0\0\x0a{\"ip\":\"1\"}"sv, "framing = \"length\""},
    {objects, "\0\0\0\x0a{\"ip\":\"1\"}"sv, "framing = \"length\""},
    {lines, "\x2a\0\0\0{\"ip\":\"1\"}"sv, "little-endian"},
    {objects, "\0\0\0{\"ip\":\"1\"}"sv, "little-endian"},  // a length of 10 or 32: white space
    {counted, "\x2a\0\0\0{\"ip\":\"1\"}"sv, "little-endian"},
    {lines, "\0\x0b{\"ip\":\"1\"}"sv, "2 bytes"},
    {objects, "\x0b\0{\"ip\":\"1\"}\x0b\0{\"ip\":\"1\"}"sv, "2 bytes"},
    {counted, "\0\x11{\"ip\":\"10.0.0.1\"}"sv, "2 bytes"},
    {counted, "\x11\0{\"ip\":\"10.0.0.1\"}"sv, "2 bytes"},
    {counted, "\x01\x2c[\n  {\"ip\":\"10.0.0.1\"}"sv, "2 bytes"},
    {counted, "\0\0{\"{}"sv, ""},     // a length of 31,522
    {counted, "\0\0{\"\x41}"sv, ""},  // the same
    {lines, "ab{\"ip\":\"1\"}\n", ""},
    {counted, "{\"ip\":\"1\"}\n", "no length"},
    {counted, "[1]", "no length"},
    {counted, "\0\0\0\x02{]"sv, ""},
    {counted, "\0\0\0{{]"sv, ""},  // a length of 123
    {lines, "hello\n", ""},
    {lines, "{\"ip\":1}\n", ""},
    {lines, "", ""},
    {counted, "\0"sv, ""},
};

std::string_view recognize(const Sample& sample, std::string_view bytes) {
    const std::string_view protocol = recognize_protocol(false, bytes);
    return protocol.empty() ? recognize_framing({.framing = sample.framing}, bytes) : protocol;
}

TEST(Recognize, NamesTheProtocolOrTheMistakeAndTheRemedy) {
    for (const Sample& sample : samples) {
        const std::string_view text = recognize(sample, sample.bytes);
        EXPECT_NE(text.find(sample.says), std::string_view::npos) << sample.bytes << ": " << text;
        EXPECT_EQ(text.empty(), sample.says.empty()) << sample.bytes << ": " << text;
        if (!text.empty()) EXPECT_NE(text.find("; "), std::string_view::npos) << "a remedy: " << text;
    }
}

TEST(Recognize, ArraysAreNoMistakeWhereTheListenerTakesThem) {
    for (const auto framing : {lines, objects}) {
        for (const std::string_view bytes : {"[{\"ip\":\"1\"},{\"ip\":\"2\"}", "[[[[", "[{\"ip\":\"1\"},]\n"}) {
            EXPECT_EQ(recognize_framing({.framing = framing, .arrays = true}, bytes), "") << bytes;
        }
    }
    EXPECT_EQ(recognize_framing({.framing = counted, .arrays = true}, "\0\0\0\x0d[{\"ip\":\"1\"},]"sv), "");
    EXPECT_NE(recognize_framing({.framing = counted, .arrays = true}, "[{\"ip\":\"1\"}]"), "");
}

TEST(Recognize, AnArrayOnSeveralLinesNeedsTheFramingJson) {
    for (const std::string_view bytes : {"[\n {\"ip\":\"1\"}\n]\n", "[{\"ip\":\"1\"},\n{\"ip\":\"2\"}]\n"}) {
        EXPECT_EQ(recognize_framing({.framing = lines, .arrays = true}, bytes),
                  "the array spans several lines; set framing = \"json\"");
        EXPECT_EQ(recognize_framing({.framing = objects, .arrays = true}, bytes), "");
    }
}

TEST(Recognize, ItemsWithAnotherEndThanTheDelimiterAreNamed) {
    struct Sample {
        std::string_view delimiter, bytes, says;
    };
    for (const auto& [delimiter, bytes, says] : {
             Sample{"\0"sv, "{\"ip\":\"1\"}\n{\"ip\":\"2\"}\n", "end with a line feed"},
             {"\r\n", "{\"ip\":\"1\"}\n", "end with a line feed"},
             {"\0"sv, "{\"ip\":\"1\"}\r\n{\"ip\":\"2\"}\r\n", "end with a line feed"},
             {"\0"sv, "{\"ip\":\"1\"}\r{\"ip\":\"2\"}\r", "end with CR"},
             {"\r\n", "{\"ip\":\"1\"}\0{\"ip\":\"2\"}\0"sv, "NUL"},
             {"\0"sv, "[{\"ip\":\"1\"}]", "array"},
             {"\0"sv, "\xef\xbb\xbf{\"ip\":\"1\"}", "byte order mark"},
             {"\r\n", "\0\0\0\x0a{\"ip\":\"1\"}"sv, "framing = \"length\""},
             {"\0"sv, "\x12{\"ip\":\"10.0.0.1\"}\n", "framing = \"length\""},
             {"\0"sv, "{\"a\":1}\0{\"a\":1}\0"sv, ""},
             {"\0"sv, "{\n  \"a\": {\n    \"b\": 1\n  }\n}\0"sv, ""},
         }) {
        const std::string_view text = recognize_framing({.framing = lines, .delimiter = delimiter}, bytes);
        EXPECT_NE(text.find(says), std::string_view::npos) << bytes << ": " << text;
        EXPECT_EQ(text.empty(), says.empty()) << bytes << ": " << text;
    }
}

TEST(Recognize, TlsInsideTlsHasAnotherRemedy) {
    const auto text = recognize_protocol(true, "\x16\x03\x01\x02\x00\x01"sv);
    EXPECT_NE(text.find("inside TLS"), std::string_view::npos) << text;
}

TEST(Recognize, EveryCutOfASampleIsRead) {
    for (const Sample& sample : samples) {
        for (std::size_t size = 0; size <= sample.bytes.size(); ++size) {
            const std::string exact(sample.bytes.substr(0, size));  // a read behind its end is found by ASan
            static_cast<void>(recognize(sample, exact));
            static_cast<void>(recognize_framing({.framing = lines, .delimiter = "\r\n", .arrays = true}, exact));
        }
    }
}

}  // namespace
}  // namespace holdfast
