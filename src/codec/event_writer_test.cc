#include "codec/event_writer.h"

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/base64.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

const EventTime at{1'795'334'400'123ms};  // 2026-11-22T08:00:00.123Z
const ConnectionId conn{0x7f2c, 1};

Endpoint peer(const char* text = "10.2.0.9:51514") { return parse_endpoint(text).value(); }

ItemEvent item_event(std::string_view item, std::uint64_t n = 1) {
    return {conn, "devices", peer(), n, "10.20.30.40", item, at};
}

std::string line_of(const ItemEvent& event) {
    std::string out;
    EventWriter().append_item(out, event);
    return out;
}

TEST(EventWriter, ADeleteCharacterStaysOneByteAndOtherControlsAreEscaped) {
    const std::string key(100'000, '\x7f');
    ItemEvent event = item_event("{}");
    event.key = key;
    EXPECT_LT(line_of(event).size(), key.size() + 300);
    event.key = "a\x7f\xc2\x9b\x1b\x7f\"";
    EXPECT_NE(line_of(event).find("\"key\":\"a\x7f\\u009b\\u001b\x7f\\\"\""), std::string::npos) << line_of(event);
}

ClosedEvent closed_event() {
    ClosedEvent event;
    event.conn = conn;
    event.listener = "devices";
    event.peer = peer();
    event.reason = CloseReason::keepalive_expired;
    event.error = ETIMEDOUT;
    event.evidence = {5, 0, 20012ms, 20100ms, 0, 0, 64512, 310us};
    event.items = 1;
    event.bytes_in = 49;
    event.duration = 61'400ms;
    event.at = at;
    return event;
}

std::string line_of(const ClosedEvent& event) {
    std::string out;
    EventWriter().append_closed(out, event);
    return out;
}

TEST(EventWriter, Connected) {
    std::string out = "before";
    EventWriter().append_connected(out, {conn, "dev\"ices", peer(), at});
    EXPECT_EQ(out,
              "before{\"event\":\"connected\",\"conn\":\"7f2c-1\",\"listener\":\"dev\\\"ices\","
              "\"peer\":\"10.2.0.9:51514\",\"at\":\"2026-11-22T08:00:00.123Z\"}\n");
}

TEST(EventWriter, BehindAProxyLivenessIsOfThePath) {
    std::string out;
    EventWriter().append_connected(
        out, {.conn = conn, .listener = "devices", .peer = peer(), .at = at, .liveness = LivenessOf::path});
    EXPECT_EQ(out,
              "{\"event\":\"connected\",\"conn\":\"7f2c-1\",\"listener\":\"devices\",\"peer\":\"10.2.0.9:51514\","
              "\"liveness\":\"path\",\"at\":\"2026-11-22T08:00:00.123Z\"}\n");
    ClosedEvent event = closed_event();
    const std::string of_device = line_of(event);
    event.liveness = LivenessOf::path;
    std::string of_path = line_of(event);
    const std::string field = R"("liveness":"path",)";
    ASSERT_NE(of_path.find(R"("peer":"10.2.0.9:51514",)" + field + R"("reason":)"), std::string::npos) << of_path;
    EXPECT_EQ(of_path.erase(of_path.find(field), field.size()), of_device);
}

TEST(EventWriter, Identified) {
    std::string out;
    EventWriter().append_identified(out, {conn, "devices", peer(), {"device-17", "boot-42"}, at});
    EXPECT_EQ(
        out,
        "{\"event\":\"identified\",\"conn\":\"7f2c-1\",\"listener\":\"devices\",\"peer\":\"10.2.0.9:51514\","
        "\"id\":\"device-17\",\"session\":\"boot-42\",\"authenticated\":false,\"at\":\"2026-11-22T08:00:00.123Z\"}\n");
}

TEST(EventWriter, BadItem) {
    BadItemEvent event{
        {.kind = BadItem::not_json, .position = 49, .bytes = 9, .head = {}, .detail = "an array", .at = at},
        conn,
        "devices",
        peer(),
        {"device-17", ""},
        3};
    event.head.assign("[\"a\"\x1b\xff");
    std::string out;
    EventWriter().append_bad_item(out, event);
    EXPECT_EQ(out,
              R"({"event":"bad_item","conn":"7f2c-1","listener":"devices","peer":"10.2.0.9:51514","id":"device-17",)"
              R"("authenticated":false,"items":3,"kind":"not_json","position":49,"bytes":9,"head":"[\"a\"\\x1b\\xff",)"
              R"("detail":"an array","at":"2026-11-22T08:00:00.123Z"})"
              "\n");
    EXPECT_EQ(life_line(out).event, LifeEvent::bad_item);
}

TEST(EventWriter, AnItemOfTheSameNameWithoutProofSaysSo) {
    EventWriter writer;
    ItemEvent item = item_event("{}", 7);
    for (const bool authenticated : {true, false, true}) {
        item.device = {"d", "s", authenticated};
        std::string out;
        writer.append_item(out, item);
        EXPECT_NE(out.find(std::string(R"("session":"s","authenticated":)") + (authenticated ? "true," : "false,")),
                  std::string::npos)
            << out;
    }
    item.device = {};
    std::string out;
    writer.append_item(out, item);
    EXPECT_EQ(out.find("authenticated"), std::string::npos) << out;
}

TEST(EventWriter, TheDevicesNameFollowsThePeerInEveryEvent) {
    const std::string name = R"("peer":"10.2.0.9:51514","id":"dev\"ice","session":"b\\1","authenticated":true,)";
    const DeviceName device{"dev\"ice", "b\\1", true};
    std::string out;
    EventWriter().append_connected(out, {conn, "devices", peer(), at, device});
    EXPECT_NE(out.find(name + R"("at":)"), std::string::npos) << out;
    ClosedEvent closed = closed_event();
    closed.device = device;
    EXPECT_NE(line_of(closed).find(name + R"("reason":)"), std::string::npos) << line_of(closed);
    ItemEvent item = item_event("{}", 7);
    item.device = device;
    EXPECT_NE(line_of(item).find(name + R"("n":7,"key":)"), std::string::npos) << line_of(item);
    item.seq = 18446744073709551615U;
    EXPECT_NE(line_of(item).find(name + R"("seq":18446744073709551615,"n":7,"key":)"), std::string::npos)
        << line_of(item);
    item.device.session = {};
    item.seq = 0;
    EXPECT_NE(line_of(item).find(R"("id":"dev\"ice","authenticated":true,"n":7,)"), std::string::npos) << line_of(item);
}

TEST(EventWriter, Item) {
    EXPECT_EQ(line_of(item_event(R"({"ip":"10.20.30.40","status":"online"})")),
              "{\"event\":\"item\",\"conn\":\"7f2c-1\",\"peer\":\"10.2.0.9:51514\",\"n\":1,\"key\":\"10.20.30.40\","
              "\"item\":{\"ip\":\"10.20.30.40\",\"status\":\"online\"},\"at\":\"2026-11-22T08:00:00.123Z\"}\n");
}

TEST(EventWriter, TheDevicesBytesStayButForRawLineBreaks) {
    const std::string odd = "{ \"ip\" :\t\"\\u0041\\/\\n\x7f€\",\"IP\":1e999,\"ip\":-0.0 }";
    EXPECT_NE(line_of(item_event(odd)).find(",\"item\":" + odd + ",\"at\":"), std::string::npos);
    EXPECT_NE(line_of(item_event("{\n\"a\"\r\n:\r1\n}")).find(",\"item\":{ \"a\"  : 1 },\"at\":"), std::string::npos);
}

TEST(EventWriter, TheKeyIsEscaped) {
    ItemEvent event = item_event("{}");
    event.key = std::string_view("a\"\\\n\x01\0€😀", 13);
    EXPECT_NE(line_of(event).find(R"(,"key":"a\"\\\n\u0001\u0000€😀",)"), std::string::npos) << line_of(event);
    event.key = "\xff";
    EXPECT_NE(line_of(event).find(",\"key\":\"\xef\xbf\xbd\","), std::string::npos);
}

TEST(EventWriter, EveryByteOfAKeyIsLookedAt) {
    for (std::size_t size = 1; size < 20; ++size) {
        for (std::size_t i = 0; i < size; ++i) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string key(size, 'k');
                key[i] = static_cast<char>(byte);
                ItemEvent event = item_event("{}");
                event.key = key;
                std::string expected = ",\"key\":";
                append_json_text(expected, key);
                if (byte == 0x7f) expected = ",\"key\":\"" + key + "\"";
                ASSERT_NE(line_of(event).find(expected + ",\"item\":"), std::string::npos) << size << ' ' << byte;
            }
        }
    }
    ItemEvent event = item_event("{}");
    event.key = {};
    EXPECT_NE(line_of(event).find(R"(,"key":"","item":)"), std::string::npos);
}

TEST(EventWriter, EveryByteOfAnItemIsLookedAt) {
    for (std::size_t size = 1; size < 70; ++size) {
        const std::string plain(size, 'i');
        for (std::size_t i = 0; i < size; ++i) {
            for (const char line_break : {'\n', '\r'}) {
                std::string item = plain;
                item[i] = line_break;
                const std::string line = line_of(item_event(item));
                item[i] = ' ';
                ASSERT_NE(line.find(",\"item\":" + item + ",\"at\":"), std::string::npos) << size << ' ' << i;
            }
        }
        ASSERT_NE(line_of(item_event(plain)).find(",\"item\":" + plain + ",\"at\":"), std::string::npos) << size;
    }
}

TEST(EventWriter, Closed) {
    EXPECT_EQ(
        line_of(closed_event()),
        "{\"event\":\"closed\",\"conn\":\"7f2c-1\",\"peer\":\"10.2.0.9:51514\",\"reason\":\"keepalive_expired\","
        "\"kind\":\"network\",\"error\":\"ETIMEDOUT\",\"evidence\":{\"probes\":5,\"retransmits\":0,"
        "\"last_ack_ms\":20012,\"unacked_bytes\":0,\"peer_window\":64512,\"rtt_us\":310},\"items\":1,\"bytes_in\":49,"
        "\"bytes_out\":0,\"duration_s\":61.4,\"at\":\"2026-11-22T08:00:00.123Z\"}\n");
}

TEST(EventWriter, ClosedWithoutAnErrorAndWithADetail) {
    ClosedEvent event = closed_event();
    event.reason = CloseReason::item_deadline;
    event.error = 0;
    event.detail = "say \"json\"";
    EXPECT_NE(line_of(event).find(
                  R"(,"reason":"item_deadline","kind":"policy","error":null,"detail":"say \"json\"","evidence":{)"),
              std::string::npos);
    event.error = 4095;
    EXPECT_NE(line_of(event).find(R"(,"error":"errno 4095",)"), std::string::npos);
}

TEST(EventWriter, DurationsHaveOneDecimal) {
    for (const auto& [duration, text] : {std::pair{0ms, "0.0"},
                                         {49ms, "0.0"},
                                         {50ms, "0.1"},
                                         {949ms, "0.9"},
                                         {950ms, "1.0"},
                                         {86'400'000ms, "86400.0"},
                                         {-5ms, "0.0"}}) {
        ClosedEvent event = closed_event();
        event.duration = duration;
        EXPECT_NE(line_of(event).find(std::string(",\"duration_s\":") + text + ","), std::string::npos) << text;
    }
}

TEST(EventWriter, IdsAndPeersReadAsEverywhereElse) {
    for (const ConnectionId id : {ConnectionId{0, 0}, {0xffffffff, ~0ULL}, {0x7f2c91a0, 0x10}}) {
        for (const char* from :
             {"0.0.0.0:0", "255.10.9.100:65535", "[::1]:80", "[2001:db8::1]:51514", "[::ffff:1.2.3.4]:1"}) {
            ItemEvent event = item_event("{}");
            event.conn = id;
            event.peer = peer(from);
            const std::string expected =
                "\"conn\":\"" + to_string(id) + "\",\"peer\":\"" + to_string(event.peer) + "\",";
            EXPECT_NE(line_of(event).find(expected), std::string::npos) << line_of(event);
        }
    }
}

TEST(EventWriter, WhatItRemembersNeverShows) {
    std::vector<ItemEvent> events;
    for (int i = 0; i < 512; ++i) {
        ItemEvent event = item_event("{}", static_cast<std::uint64_t>(i));
        event.conn.number += static_cast<std::uint64_t>(i & 1);
        if ((i & 2) != 0) event.conn.run = 9;
        if ((i & 4) != 0) event.peer = peer("10.2.0.9:51515");
        if ((i & 8) != 0) event.peer.address = peer("10.2.0.10:1").address;
        if ((i & 16) != 0) event.at += 1ms;
        if ((i & 32) != 0) event.device.id = "device-17";
        if ((i & 64) != 0) event.device = {"device-18", "boot-1"};
        if ((i & 128) != 0) event.device.session = "boot-2";
        if ((i & 256) != 0) event.seq = 9;
        events.push_back(event);
    }
    EventWriter writer;
    for (const ItemEvent& before : events) {
        for (const ItemEvent& event : events) {
            std::string out;
            writer.append_item(out, before);
            out.clear();
            writer.append_item(out, event);
            ASSERT_EQ(out, line_of(event));
        }
    }
    std::string out;
    writer.append_closed(out, closed_event());
    EXPECT_EQ(out, line_of(closed_event()));
}

TEST(AppendTime, IsUtcInMilliseconds) {
    using namespace std::chrono;
    for (const auto& [time, text] :
         {std::pair{EventTime{0ms}, "1970-01-01T00:00:00.000Z"},
          {EventTime{-1ms}, "1969-12-31T23:59:59.999Z"},
          {EventTime{sys_days{2024y / 2 / 29}} + 23h + 59min + 59s + 7ms, "2024-02-29T23:59:59.007Z"},
          {EventTime::max(), "9999-12-31T23:59:59.999Z"},
          {EventTime::min(), "0000-01-01T00:00:00.000Z"}}) {
        std::string out;
        append_time(out, time);
        EXPECT_EQ(out, text);
    }
}

TEST(EventWriter, WritesItemsThatAreNotJsonAsStrings) {
    const auto line_of = [](Payload payload, std::string_view item) {
        std::string line;
        EventWriter writer;
        writer.append_item(line, {.conn = {}, .listener = "l", .peer = {}, .item = item, .payload = payload});
        return line.substr(line.find("\"key\""));
    };
    EXPECT_THAT(line_of(Payload::text, "a\n\"\x01\xc3\xa9"),
                testing::StartsWith(R"("key":"","payload":"text","item":"a\n\"\u0001)"
                                    "\xc3\xa9\",\"at\""));
    EXPECT_THAT(line_of(Payload::base64, std::string_view("\0\xff", 2)),
                testing::StartsWith(R"("key":"","payload":"base64","item":"AP8=","at")"));
}

TEST(Base64, IsThatOfTheRfc) {
    // RFC 4648, 10.
    const std::array<std::pair<std::string_view, std::string_view>, 7> vectors{{{"", ""},
                                                                                {"f", "Zg=="},
                                                                                {"fo", "Zm8="},
                                                                                {"foo", "Zm9v"},
                                                                                {"foob", "Zm9vYg=="},
                                                                                {"fooba", "Zm9vYmE="},
                                                                                {"foobar", "Zm9vYmFy"}}};
    for (const auto& [bytes, text] : vectors) {
        std::string out(base64_size(bytes.size()) + 1, '?');
        const char* end = write_base64(out.data(), bytes);
        EXPECT_EQ(std::string_view(out.data(), static_cast<std::size_t>(end - out.data())), text);
        EXPECT_EQ(out.size() - 1, text.size());
    }
}

}  // namespace
}  // namespace holdfast
