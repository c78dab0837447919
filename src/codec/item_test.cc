#include "codec/item.h"

#include <string>

#include <gtest/gtest.h>

#include <holdfast/config.h>

namespace holdfast {
namespace {

constexpr unsigned max_depth = 64;
constexpr std::size_t max_bytes = 64 * 1024;

struct Verdict {
    std::optional<BadItem> bad;
    std::string key;

    friend bool operator==(const Verdict&, const Verdict&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
        return out << (verdict.bad ? to_string(*verdict.bad) : "item ") << verdict.key;
    }
};

Verdict good(std::string key) { return {std::nullopt, std::move(key)}; }
Verdict bad(BadItem kind) { return {kind, ""}; }

// `behind`: the byte after the item in the buffer, usually the start of the next item.
Verdict decode(ItemDecoder& decoder, std::string text, char behind = '}') {
    const std::size_t size = text.size();
    text.append(item_padding, behind);
    text.shrink_to_fit();
    const auto decoded = decoder.decode(std::string_view(text).substr(0, size));
    return {decoded.bad, std::string(decoded.key)};
}

Verdict decode(std::string text, char behind = '}') {
    ItemDecoder decoder("ip", max_depth, max_bytes);
    return decode(decoder, std::move(text), behind);
}

std::string with(const std::string& more) { return R"({"ip":"k",)" + more + "}"; }

TEST(Item, TheKeyIsFoundInEitherCaseWhereverItStands) {
    EXPECT_EQ(decode(R"({"ip":"10.0.0.1"})"), good("10.0.0.1"));
    EXPECT_EQ(decode(R"({"a":{"ip":"inner"},"b":[{"ip":"inner"}],"Ip":"k"})"), good("k"));
    EXPECT_EQ(decode("  {\"IP\" :\n\"k\" }\r\n"), good("k"));
    EXPECT_EQ(decode(R"({"\u0069\u0050":"k"})"), good("k"));
    ItemDecoder decoder("Device-ID", max_depth, max_bytes);
    EXPECT_EQ(decode(decoder, R"({"ip":"no","dEVICE-id":"k"})"), good("k"));
    EXPECT_EQ(decode(decoder, "{\"device\rid\":\"not -, though | 0x20 makes it so\"}"), bad(BadItem::not_json));
    EXPECT_EQ(decode(decoder, R"({"device\rid":"not -, though | 0x20 makes it so"})"), bad(BadItem::no_key));
}

TEST(Item, TheKeyIsUnescaped) {
    EXPECT_EQ(decode(R"({"ip":"a\"\\\u00e9\ud83d\ude00\n"})"), good("a\"\\é😀\n"));
    EXPECT_EQ(decode(R"({"ip":"a\u0000b"})"), good(std::string("a\0b", 3)));
}

TEST(Item, OfSeveralKeysTheFirstCounts) {
    EXPECT_EQ(decode(R"({"ip":"first","IP":"second","ip":"third"})"), good("first"));
    EXPECT_EQ(decode(R"({"ip":5,"IP":"second"})"), bad(BadItem::no_key));
    EXPECT_EQ(decode(R"({"ip":"","IP":"second"})"), bad(BadItem::no_key));
}

TEST(Item, WithoutAKeyThatIsAString) {
    for (const char* text : {"{}", R"({"ipx":"k"})", R"({"i":"k"})", R"({"ip":null})", R"({"ip":5})", R"({"ip":["k"]})",
                             R"({"ip":{"ip":"k"}})", R"({"ip":""})", R"({"a":{"ip":"k"}})", R"({"ıp":"k"})"}) {
        EXPECT_EQ(decode(text), bad(BadItem::no_key)) << text;
    }
}

/// Returns the text that the item has, or an empty text if it is bad.
std::string item_of(const ItemConfig& rules, std::string text) {
    ItemDecoder decoder(rules);
    const std::size_t size = text.size();
    text.append(item_padding, '}');
    const std::string_view item = std::string_view(text).substr(0, size);
    const auto decoded = decoder.decode(item);
    if (decoded.bad) return "";
    return std::string(decoded.replacement.empty() ? item : decoded.replacement);
}

TEST(Item, AKeyWithDotsIsAPathUnlessAFieldHasThatName) {
    ItemDecoder decoder("device.ID", max_depth, max_bytes);
    EXPECT_EQ(decode(decoder, R"({"a":1,"Device":{"b":{"id":"no"},"Id":"k"}})"), good("k"));
    EXPECT_EQ(decode(decoder, R"({"device":{"id":"no"},"device.id":"k"})"), good("k"));
    for (const char* text : {R"({"id":"k"})", R"({"device":"k"})", R"({"device":{}})", R"({"device":{"id":""}})",
                             R"({"device":[{"id":"k"}]})", R"({"device":"first","Device":{"id":"k"}})"}) {
        EXPECT_EQ(decode(decoder, text), bad(BadItem::no_key)) << text;
    }
    ItemDecoder deep("a..b.", max_depth, max_bytes);
    EXPECT_EQ(decode(deep, R"({"a":{"":{"b":{"":"k"}}}})"), good("k"));
}

TEST(Item, AnIntegerIsAKeyWhereNumbersAreTaken) {
    ItemDecoder decoder({.key = "ip", .max_bytes = max_bytes, .max_depth = max_depth, .numeric_key = true});
    for (const char* number :
         {"0", "17", "-5", "9223372036854775807", "-9223372036854775808", "18446744073709551615"}) {
        const std::string item = std::string(R"({"ip":)") + number + "}";
        EXPECT_EQ(decode(decoder, item), good(number));
        EXPECT_EQ(decode(decoder, R"({"big":1e999,"ip":)" + std::string(number) + "}"), good(number));
    }
    EXPECT_EQ(decode(decoder, R"({"ip":"k"})"), good("k"));
    for (const char* other : {"1.5", "1e3", "18446744073709551616", "1e999", "true", "null", "[1]", "\"\""})
        EXPECT_EQ(decode(decoder, std::string(R"({"ip":)") + other + "}"), bad(BadItem::no_key)) << other;
}

TEST(Item, WithoutAKeyFieldNoObjectHasAKey) {
    ItemDecoder decoder("", max_depth, max_bytes);
    for (const char* text : {"{}", R"({"":"k"})", R"({"ip":"k"})"})
        EXPECT_EQ(decode(decoder, text), bad(BadItem::no_key));
    EXPECT_EQ(decode(decoder, "[]"), bad(BadItem::not_object));
}

TEST(Item, ALoneSurrogateIsReplacedWhereTheRulesSaySo) {
    ItemConfig rules{.key = "ip", .max_bytes = max_bytes, .max_depth = max_depth};
    EXPECT_EQ(item_of(rules, R"({"ip":"\ud800"})"), "");
    rules.lone_surrogates = LoneSurrogates::replace;
    EXPECT_EQ(item_of(rules, R"({"ip":"\ud800"})"), R"({"ip":"\ufffd"})");
    EXPECT_EQ(item_of(rules, R"({"ip":"k","n":1e999,"s":"\uDfFf\ud83d\ude00"})"),
              R"({"ip":"k","n":1e999,"s":"\ufffd\ud83d\ude00"})");
    EXPECT_EQ(item_of(rules, R"({"ip":"\ud83d\ude00"})"), R"({"ip":"\ud83d\ude00"})");
    EXPECT_EQ(item_of(rules, R"({"ip":"\ud800",})"), "");
    ItemDecoder decoder(rules);
    EXPECT_EQ(decode(decoder, R"({"ip":"a\ud800"})"), good("a\xef\xbf\xbd"));
    const std::string deep = R"({"ip":"\ud800","a":)" + std::string(max_depth, '[') + std::string(max_depth, ']') + "}";
    EXPECT_EQ(decode(decoder, deep), bad(BadItem::too_deep));
}

TEST(Item, AMistakeNamesTheOptionThatTakesTheItem) {
    const auto mistake = [](std::string text, ItemConfig rules) {
        const std::size_t size = text.size();
        text.append(item_padding, ' ');
        return std::string(ItemDecoder(std::move(rules)).decode(std::string_view(text).substr(0, size)).mistake);
    };
    const ItemConfig strict{.key = "ip", .max_bytes = max_bytes, .max_depth = max_depth};
    ItemConfig lenient = strict;
    lenient.numeric_key = true;
    lenient.lone_surrogates = LoneSurrogates::replace;
    EXPECT_NE(mistake(R"({"ip":17})", strict).find("set numeric_key = true"), std::string::npos);
    EXPECT_NE(mistake(R"({"ip":"\ud800"})", strict).find("lone_surrogates = \"replace\""), std::string::npos);
    EXPECT_EQ(mistake(R"({"ip":1.5})", strict), "");
    EXPECT_EQ(mistake(R"({"ip":"\ud800",})", strict), "") << "more is wrong with it";
    for (const char* text : {R"({"ip":17})", R"({"ip":"\ud800"})", R"({"ip":1.5})", R"({"ip":"\ud800",})"})
        EXPECT_EQ(mistake(text, lenient), "") << text;
}

TEST(Item, JsonThatIsNoObject) {
    for (const char* text : {"5", "-0.5e7", "true", "false", "null", "\"ip\"", "[]", "[{\"ip\":\"k\"}]", "1e999",
                             "123456789012345678901234567890", " 5 "}) {
        EXPECT_EQ(decode(text, ' '), bad(BadItem::not_object)) << text;
        EXPECT_EQ(decode(text, '7'), bad(BadItem::not_object)) << text;
    }
}

TEST(Item, WhatIsNotJson) {
    const std::vector<std::string> texts{"",
                                         " ",
                                         "{",
                                         "}",
                                         "{]",
                                         "{\"ip\":\"k\"",
                                         "{\"ip\":\"k}",
                                         "{\"ip\":\"k\"}}",
                                         "{} {}",
                                         "{\"ip\":\"k\"} x",
                                         "{ip:\"k\"}",
                                         "{'ip':'k'}",
                                         "{\"ip\" \"k\"}",
                                         "{\"ip\":\"k\",}",
                                         "{,}",
                                         "{\"ip\":}",
                                         "{\"ip\":\"k\" \"b\":1}",
                                         "nul",
                                         "truex",
                                         "\xef\xbb\xbf{\"ip\":\"k\"}",
                                         "{\"ip\":\"a\tb\"}",
                                         "{\"ip\":\"a\nb\"}",
                                         std::string("{\"ip\":\"a\0b\"}", 12),
                                         std::string("{\"ip\":\"k\"}\0", 11),
                                         "{\"ip\":\"k\"}\x0c",
                                         "//c\n{\"ip\":\"k\"}"};
    for (const std::string& text : texts) EXPECT_EQ(decode(text), bad(BadItem::not_json)) << text;
    for (const char* value : {"01",          "+1",
                              "-",           "1.",
                              ".5",          "1e",
                              "1e+",         "0x1",
                              "1_0",         "NaN",
                              "Infinity",    "-Infinity",
                              "tru",         "nulll",
                              "[1,]",        "[1 2]",
                              "[,1]",        "[1",
                              "1]",          R"("\x")",
                              R"("\u12")",   R"("\u12g4")",
                              "{\"a\"}",     "{1:2}",
                              R"("\ud800")", R"("\ud800\u0041")",
                              "1e999x",      "[1e999 1]",
                              "1e999.5",     "-1e999-"}) {
        EXPECT_EQ(decode(with(std::string("\"v\":") + value)), bad(BadItem::not_json)) << value;
    }
}

TEST(Item, BytesBehindItDoNotCompleteIt) {
    for (const char behind : {'}', '"', '0', 'e', '\\', ' ', '\0', '\xff'}) {
        EXPECT_EQ(decode("{\"ip\":\"k\"", behind), bad(BadItem::not_json)) << behind;
        EXPECT_EQ(decode("{\"ip\":\"k", behind), bad(BadItem::not_json)) << behind;
        EXPECT_EQ(decode("{\"ip\":\"k\"}", behind), good("k")) << behind;
        EXPECT_EQ(decode("tru", behind), bad(BadItem::not_json)) << behind;
    }
}

TEST(Item, NumbersOfAnySizeAreJson) {
    for (const char* value :
         {"1e999", "-1e999", "1E+400", "99999999999999999999999", "-99999999999999999999999", "18446744073709551616",
          "9223372036854775808", "-9223372036854775809", "1e-999", "0.1234567890123456789012345678901234567890",
          "[1e999,2,-0,0.5e-3]", R"({"a":"1e9999","b":1e9999})"}) {
        EXPECT_EQ(decode(with(std::string("\"v\":") + value)), good("k")) << value;
    }
    EXPECT_EQ(decode("{\"v\":" + std::string(5000, '9') + ",\"ip\":\"2e5 \\\" 1\"}"), good("2e5 \" 1"));
    EXPECT_EQ(decode(R"({"v":1e999})"), bad(BadItem::no_key));
}

TEST(Item, EveryClassOfInvalidUtf8) {
    for (const char* bytes : {"\x80",
                              "\xbf",
                              "\xc3",
                              "\xc3(",
                              "\xe2\x82",
                              "\xe2(\xa1",
                              "\xf0\x9f\x98",
                              "\xf0(\x8c\xbc",  // broken
                              "\xc0\xaf",
                              "\xc1\xbf",
                              "\xe0\x80\xaf",
                              "\xe0\x9f\xbf",
                              "\xf0\x80\x80\xaf",
                              "\xf0\x8f\xbf\xbf",  // overlong
                              "\xed\xa0\x80",
                              "\xed\xbf\xbf",  // surrogates
                              "\xf4\x90\x80\x80",
                              "\xf5\x80\x80\x80",
                              "\xf8\x88\x80\x80\x80",
                              "\xfe",
                              "\xff"}) {  // past the end
        const std::string text(bytes);
        EXPECT_EQ(decode("{\"ip\":\"" + text + "\"}"), bad(BadItem::bad_utf8)) << testing::PrintToString(text);
        EXPECT_EQ(decode(with("\"" + text + "\":1")), bad(BadItem::bad_utf8)) << testing::PrintToString(text);
        EXPECT_EQ(decode("{\"ip\":\"k\"}" + text), bad(BadItem::bad_utf8)) << testing::PrintToString(text);
        EXPECT_EQ(decode("{\"n\":1e999,\"ip\":\"k" + text + "\"}"), bad(BadItem::bad_utf8))
            << testing::PrintToString(text);
    }
    for (const char* bytes : {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                              "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_EQ(decode(std::string("{\"ip\":\"") + bytes + "\"}"), good(bytes));
    }
}

std::string nested(std::size_t depth, const std::string& innermost) {  // `depth` brackets around `innermost`
    std::string text = "{\"ip\":\"k\",\"v\":";
    for (std::size_t i = 1; i < depth; ++i) text += i % 2 == 0 ? "{\"a\":" : "[";
    text += innermost;
    for (std::size_t i = depth; i-- > 1;) text += i % 2 == 0 ? "}" : "]";
    return text + "}";
}

TEST(Item, DepthIsKeptExactly) {
    for (const unsigned depth : {1U, 2U, 3U, 64U, 1024U}) {
        ItemDecoder decoder("ip", depth, max_bytes);
        for (const char* leaf : {"1", "\"[[[[\"", "1e999", "null"}) {
            EXPECT_EQ(decode(decoder, nested(depth, leaf)), good("k")) << depth << leaf;
            EXPECT_EQ(decode(decoder, nested(depth + 1, leaf)), bad(BadItem::too_deep)) << depth << leaf;
        }
        for (const char* empty : {"{}", "[]", "[ ]"}) {
            EXPECT_EQ(decode(decoder, nested(depth, empty)), bad(BadItem::too_deep)) << depth << empty;
            if (depth == 1) continue;
            EXPECT_EQ(decode(decoder, nested(depth - 1, empty)), good("k")) << depth << empty;
        }
    }
    EXPECT_EQ(decode(std::string(65, '[') + std::string(65, ']')), bad(BadItem::too_deep));
    EXPECT_EQ(decode(std::string(30'000, '[') + std::string(30'000, ']')), bad(BadItem::too_deep));
    EXPECT_EQ(decode(nested(64, "tru")), bad(BadItem::not_json));
}

TEST(Item, SizeIsKeptExactly) {
    for (const std::size_t limit : {std::size_t{40}, std::size_t{2000}, max_bytes, std::size_t{1} << 20}) {
        ItemDecoder decoder("ip", max_depth, limit);
        const std::string start = R"({"ip":"k","pad":")";
        const std::string fits = start + std::string(limit - start.size() - 2, 'x') + "\"}";
        EXPECT_EQ(decode(decoder, fits), good("k")) << limit;
        EXPECT_EQ(decode(decoder, fits + " "), bad(BadItem::too_large)) << limit;
    }
}

TEST(Item, ADecoderIsAsGoodAsNewAfterAnything) {
    ItemDecoder decoder("ip", max_depth, max_bytes);
    for (std::size_t size = 0; size < 9000; size += 37) {
        EXPECT_EQ(decode(decoder, with("\"pad\":\"" + std::string(size, 'x') + "\"")), good("k"));
        EXPECT_EQ(decode(decoder, "{\"ip\":"), bad(BadItem::not_json));
        EXPECT_EQ(decode(decoder, nested(64, "1e999")), good("k"));
        EXPECT_EQ(decode(decoder, "{\"ip\":\"\xff\"}"), bad(BadItem::bad_utf8));
    }
}

TEST(Words, AreTheEnumerators) {
    EXPECT_EQ(to_string(BadItem::not_json), "not_json");
    EXPECT_EQ(to_string(BadItem::not_object), "not_object");
    EXPECT_EQ(to_string(BadItem::no_key), "no_key");
    EXPECT_EQ(to_string(BadItem::bad_utf8), "bad_utf8");
    EXPECT_EQ(to_string(BadItem::too_deep), "too_deep");
    EXPECT_EQ(to_string(BadItem::too_large), "too_large");
    for (const Framing framing : {Framing::ndjson, Framing::json, Framing::length}) {
        EXPECT_EQ(parse_framing(to_string(framing)), framing);
    }
    EXPECT_EQ(to_string(Framing::ndjson), "ndjson");
    for (const char* word : {"", "NDJSON", "jso", "lengths", " json"}) EXPECT_EQ(parse_framing(word), std::nullopt);
}

/// Decodes `text` and returns what `read` extracts from the decoder.
template <typename Read>
auto read_of(std::string text, Read read) {
    ItemDecoder decoder("ip", max_depth, max_bytes);
    const std::size_t size = text.size();
    text.append(item_padding, '}');
    static_cast<void>(decoder.decode(std::string_view(text).substr(0, size)));
    return read(decoder);
}

std::optional<std::uint64_t> seq_of(const std::string& text) {
    return read_of(text, [](const ItemDecoder& decoder) { return decoder.seq(); });
}

ItemDecoder::Greeting greeting_of(const std::string& text) {
    return read_of(text, [](const ItemDecoder& decoder) { return decoder.greeting(); });
}

TEST(ItemSeq, IsAWholeNumberFromOne) {
    EXPECT_EQ(seq_of(with(R"("seq":1)")), 1U);
    EXPECT_EQ(seq_of(R"({"seq":9007199254740991})"), 9007199254740991U);  // whether it is an item or not
    for (const char* other : {"0", "-1", "1.0", "1e3", "\"1\"", "null", "9007199254740992", "[1]"}) {
        EXPECT_EQ(seq_of(with(std::string("\"seq\":") + other)), std::nullopt) << other;
    }
    EXPECT_EQ(seq_of(with(R"("SEQ":1)")), std::nullopt);
    EXPECT_EQ(seq_of(R"({"seq":1)"), std::nullopt);
    EXPECT_EQ(seq_of("[1]"), std::nullopt);
}

TEST(ItemSeq, IsReadBesideNumbersThatNoMachineHolds) {
    EXPECT_EQ(seq_of(with(R"("big":123456789012345678901234567890,"seq":7)")), 7U);
    EXPECT_EQ(seq_of(with(R"("seq":123456789012345678901234567890)")), std::nullopt);
}

TEST(Greeting, SaysWhoTheDeviceIs) {
    const auto all = greeting_of(R"({"hello":{"id":"d\u00e9j\u00e0","session":"boot-42","from":7,"more":[]}})");
    ASSERT_TRUE(all.hello);
    EXPECT_EQ(all.hello->id, "d\xc3\xa9j\xc3\xa0");
    EXPECT_EQ(all.hello->session, "boot-42");
    EXPECT_EQ(all.hello->from, 7U);
    const auto min = greeting_of(R"({"hello":{"id":"d"}})");
    ASSERT_TRUE(min.hello);
    EXPECT_EQ(min.hello->session, "");
    EXPECT_EQ(min.hello->from, 0U);
}

TEST(Greeting, IsNoneOrABadOne) {
    EXPECT_FALSE(greeting_of(R"({"ip":"k"})").tried);
    for (const std::string& bad_one :
         {std::string(R"("device")"), std::string("{}"), std::string(R"({"id":""})"), std::string(R"({"id":7})"),
          std::string(R"({"id":"a\u0000b"})"), std::string(R"({"id":"a\nb"})"),
          std::string(R"({"id":"d","session":""})"), std::string(R"({"id":"d","session":1})"),
          std::string(R"({"id":"d","from":0})"), std::string(R"({"id":"d","from":"1"})"),
          "{\"id\":\"" + std::string(max_device_id + 1, 'x') + "\"}"}) {
        const auto greeting = greeting_of("{\"hello\":" + bad_one + "}");
        EXPECT_TRUE(greeting.tried) << bad_one;
        EXPECT_FALSE(greeting.hello) << bad_one;
    }
    EXPECT_TRUE(greeting_of("{\"hello\":{\"id\":\"" + std::string(max_device_id, 'x') + "\"}}").hello);
}

}  // namespace
}  // namespace holdfast
