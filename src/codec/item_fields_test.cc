#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/item.h"

namespace holdfast {
namespace {

using testing::Optional;
using testing::VariantWith;

class Fields : public testing::Test {
protected:
    /// Decodes an item, as a reactor does before on_item().
    void decode(const std::string& item) {
        text_ = item + std::string(item_padding, '#');
        ASSERT_FALSE(decoder_.decode(std::string_view(text_).substr(0, item.size())).bad) << item;
        event_.item = std::string_view(text_).substr(0, item.size());
        event_.fields = &decoder_;
    }

    ItemDecoder decoder_{"ip", 64, 1 << 16};
    std::string text_;
    ItemEvent event_;
};

TEST_F(Fields, EachTypeHasItsValue) {
    decode(R"({"ip":"a","t":"x\ny","yes":true,"no":false,"none":null,"i":-3,"u":18446744073709551615,"d":1.5})");
    EXPECT_THAT(event_.field("t"), Optional(VariantWith<std::string_view>("x\ny")));
    EXPECT_THAT(event_.field("yes"), Optional(VariantWith<bool>(true)));
    EXPECT_THAT(event_.field("no"), Optional(VariantWith<bool>(false)));
    EXPECT_THAT(event_.field("none"), Optional(VariantWith<std::nullptr_t>(nullptr)));
    EXPECT_THAT(event_.field("i"), Optional(VariantWith<std::int64_t>(-3)));
    EXPECT_THAT(event_.field("u"), Optional(VariantWith<std::uint64_t>(std::numeric_limits<std::uint64_t>::max())));
    EXPECT_THAT(event_.field("d"), Optional(VariantWith<double>(1.5)));
}

TEST_F(Fields, ObjectsAndArraysAreText) {
    decode(R"({"ip":"a","list":[1, "two"], "object":{ "x" : { } }})");
    EXPECT_THAT(event_.field("list"), Optional(VariantWith<JsonText>(JsonText{R"([1,"two"])"})));
    EXPECT_THAT(event_.field("object"), Optional(VariantWith<JsonText>(JsonText{R"({"x":{}})"})));
}

TEST_F(Fields, APathLeadsThroughObjects) {
    decode(R"({"ip":"a","p":{"lat":1.5,"deep":{"x":7}},"p.lat":"itself","q":{"a.b":1}})");
    EXPECT_THAT(event_.field("p.lat"), Optional(VariantWith<std::string_view>("itself")));
    EXPECT_THAT(event_.field("p.deep.x"), Optional(VariantWith<std::int64_t>(7)));
    for (const char* const none : {"", ".", "p.", ".p", "p.none", "p.lat.x", "ip.x", "IP", "q.a.b", "p..deep"})
        EXPECT_EQ(event_.field(none), std::nullopt) << none;
}

TEST_F(Fields, NumbersThatNoTypeHoldsHaveNoValue) {
    decode(R"({"ip":"a","big":1e999,"small":5,"t":"text","list":[1]})");
    EXPECT_EQ(event_.field("big"), std::nullopt);
    EXPECT_EQ(event_.field("small"), std::nullopt);
    EXPECT_EQ(event_.field("list"), std::nullopt);
    EXPECT_THAT(event_.field("t"), Optional(VariantWith<std::string_view>("text")));
    decode(R"({"ip":"a","small":5})");
    EXPECT_THAT(event_.field("small"), Optional(VariantWith<std::int64_t>(5)));
}

TEST_F(Fields, LinesOfOneWindowEachHaveTheirOwn) {
    const std::string lines = "{\"ip\":\"a\",\"n\":1}\n{\"ip\":\"b\",\"n\":2}\n{\"ip\":\"c\",\"n\":3}\n";
    const std::string window = lines + std::string(item_padding, ' ');
    decoder_.expect_lines(std::span(window).first(lines.size()));
    event_.fields = &decoder_;
    for (std::int64_t n = 1, at = 0; n <= 3; ++n, at += 17) {
        ASSERT_FALSE(decoder_.decode(std::string_view(window).substr(static_cast<std::size_t>(at), 16)).bad);
        EXPECT_THAT(event_.field("n"), Optional(VariantWith<std::int64_t>(n)));
    }
}

TEST_F(Fields, AnEventOfAProgramsOwnTestIsParsed) {
    const ItemEvent event{.key = "a", .item = R"({"ip":"a","n":4,"o":{"x":"y"}})"};
    EXPECT_THAT(event.field("n"), Optional(VariantWith<std::int64_t>(4)));
    EXPECT_THAT(event.field("o.x"), Optional(VariantWith<std::string_view>("y")));
    EXPECT_EQ(ItemEvent{}.field("n"), std::nullopt);
    EXPECT_EQ((ItemEvent{.item = event.item, .payload = Payload::text}).field("n"), std::nullopt);
    EXPECT_EQ((ItemEvent{.item = "no json"}).field("n"), std::nullopt);
    EXPECT_EQ((ItemEvent{.item = "[1]"}).field("n"), std::nullopt);
}

}  // namespace
}  // namespace holdfast
