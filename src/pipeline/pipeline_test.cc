#include "pipeline/pipeline.h"

#include <new>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codec/item.h"
#include "pipeline/notice_limiter.h"

namespace holdfast {
namespace {

ClosedLife life(std::uint64_t number, const char* peer, CloseReason reason) {
    ClosedLife life;
    life.conn = {1, number};
    life.peer = parse_endpoint(peer).value();
    life.reason = reason;
    return life;
}

std::vector<std::uint64_t> numbers(const std::vector<ClosedLife>& lives) {
    std::vector<std::uint64_t> result;
    for (const ClosedLife& each : lives) result.push_back(each.conn.number);
    return result;
}

TEST(ClosedHistory, KeepsTheLatestAndListsTheNewestFirst) {
    ClosedHistory history(3);
    EXPECT_TRUE(history.find({}).lives.empty());
    for (std::uint64_t n = 1; n <= 5; ++n) history.add(life(n, "10.0.0.1:1", CloseReason::peer_closed));
    EXPECT_EQ(numbers(history.find({}).lives), (std::vector<std::uint64_t>{5, 4, 3}));
}

TEST(ClosedHistory, FiltersThenPages) {
    ClosedHistory history(100);
    for (std::uint64_t n = 1; n <= 10; ++n) {
        history.add(life(n, n % 2 == 0 ? "10.2.0.1:1" : "10.3.0.1:1",
                         n % 5 == 0 ? CloseReason::kicked : CloseReason::peer_reset));
    }
    ClosedQuery query;
    query.reason = CloseReason::kicked;
    EXPECT_EQ(numbers(history.find(query).lives), (std::vector<std::uint64_t>{10, 5}));
    query = {};
    query.peer = parse_prefix("10.2.0.0/16").value();
    query.offset = 1;
    query.limit = 2;
    EXPECT_EQ(numbers(history.find(query).lives), (std::vector<std::uint64_t>{8, 6}));
}

TEST(ClosedHistory, ADeviceIsFoundByItsId) {
    ClosedHistory history(100);
    for (std::uint64_t n = 1; n <= 4; ++n) {
        ClosedLife each = life(n, "10.2.0.1:1", CloseReason::superseded);
        each.id = n % 2 == 0 ? "even" : "odd";
        history.add(each);
    }
    ClosedQuery query;
    query.id = "even";
    EXPECT_EQ(numbers(history.find(query).lives), (std::vector<std::uint64_t>{4, 2}));
    query.id = "eve";
    EXPECT_TRUE(history.find(query).lives.empty());
}

TEST(ClosedHistory, CountsAllMatchesOfABeginningOfIdsAndATime) {
    ClosedHistory history(100);
    for (std::uint64_t i = 1; i <= 6; ++i) {
        ClosedLife life;
        life.conn.number = i;
        life.id = i % 2 == 0 ? "shop-" + std::to_string(i) : "van-" + std::to_string(i);
        life.at = EventTime(std::chrono::seconds(i));
        history.add(life);
    }
    ClosedQuery query;
    query.id = "shop-*";
    query.limit = 2;
    const ClosedPage page = history.find(query);
    EXPECT_EQ(page.total, 3U);
    EXPECT_EQ(numbers(page.lives), (std::vector<std::uint64_t>{6, 4}));
    query.since = EventTime(std::chrono::seconds(2));
    query.until = EventTime(std::chrono::seconds(4));
    EXPECT_EQ(numbers(history.find(query).lives), (std::vector<std::uint64_t>{4, 2}));
    query.id = "shop";
    EXPECT_EQ(history.find(query).total, 0U);
}

TEST(ClosedHistory, RestoresOlderConnectionsBeforeItsOwn) {
    const auto life = [](std::uint64_t number) {
        ClosedLife made;
        made.conn.number = number;
        return made;
    };
    ClosedHistory history(4);
    history.add(life(10));
    history.restore({life(1), life(2), life(3), life(4)});
    EXPECT_EQ(numbers(history.find({}).lives), (std::vector<std::uint64_t>{10, 4, 3, 2}));
    history.add(life(11));
    EXPECT_EQ(numbers(history.find({}).lives), (std::vector<std::uint64_t>{11, 10, 4, 3}));
    history.restore({life(5)});  // no room
    EXPECT_EQ(numbers(history.find({}).lives), (std::vector<std::uint64_t>{11, 10, 4, 3}));
    ClosedHistory off(0);
    off.restore({life(1)});
    EXPECT_EQ(off.find({}).total, 0U);
}

TEST(ClosedHistory, MayBeOff) {
    ClosedHistory history(0);
    history.add(life(1, "10.0.0.1:1", CloseReason::kicked));
    EXPECT_TRUE(history.find({}).lives.empty());
}

struct Given {
    std::vector<std::string> items;
    std::vector<std::string> keys;
    std::vector<std::string> bad;
    std::string detail;
};

class Recorder final : public EventHandler {
public:
    explicit Recorder(Given& given) : given_(given) {}
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override {
        if (event.key == "no memory") throw std::bad_alloc();
        EXPECT_EQ(event.n, given_.items.size() + 1);
        given_.items.emplace_back(event.item);
        given_.keys.emplace_back(event.key);
    }
    void on_bad_item(const BadItemEvent& event) override {
        EXPECT_EQ(event.items, given_.items.size());
        given_.bad.emplace_back(event.head.view());
    }
    void on_closed(const ClosedEvent& event) override { given_.detail = event.detail; }

private:
    Given& given_;
};

class PipelineOf : public ::testing::Test {
protected:
    PipelineOf() { pipeline_.count_in({&counters_}); }

    /// Passes the bytes of one read, followed by bytes that a hostile device might have left in the buffer.
    ReadResult read(std::string bytes) {
        const std::size_t size = bytes.size();
        bytes.append(item_padding, '[');
        return pipeline_.on_bytes(connection_, Token{}, {bytes.data(), size}, 0, {});
    }

    /// Passes bytes behind those of keep().
    ReadResult read_on(std::string bytes) {
        const std::size_t size = bytes.size();
        bytes.append(item_padding, '[');
        return pipeline_.on_bytes(connection_, Token{}, {bytes.data(), size}, connection_.unfinished->scan, {});
    }
    void keep(std::string_view left, std::uint64_t scan) {
        connection_.unfinished.reset();
        ASSERT_TRUE(append(connection_.unfinished, left));
        connection_.unfinished->scan = scan;
    }
    void change(PipelineListener listener) { pipeline_.change_listener(0, std::move(listener)); }

    ReadResult read_last(std::string bytes) {
        const std::size_t size = bytes.size();
        bytes.append(item_padding, '[');
        return pipeline_.on_last_bytes(connection_, Token{}, {bytes.data(), size}, {});
    }
    std::string close_with(CloseReason reason, std::string_view detail, std::string_view left) {
        EXPECT_TRUE(append(connection_.unfinished, left));
        pipeline_.on_close(connection_, Token{}, {.reason = reason, .error = 0, .detail = detail, .evidence = {}}, {});
        connection_.unfinished.reset();
        return given_.detail;
    }

    std::uint64_t bad(BadItem kind) const { return counters_.bad_items[static_cast<std::size_t>(kind)].get(); }

    Given given_;
    ListenerCounters counters_;
    ClosedHistory history_{1};
    BadItemHistory bad_items_;
    NoticeLimiter notices_{{}};
    Connection connection_;
    Pipeline pipeline_{{.run = 1,
                        .listeners = {{.name = "devices", .framing = Framing::ndjson, .max_bad_items = 3}},
                        .item = {.key = "ip", .max_bytes = 64, .max_depth = 4}},
                       std::make_unique<Recorder>(given_),
                       {.closed = history_, .bad_items = bad_items_, .notices = notices_}};
};

using std::string_view_literals::operator""sv;
using Texts = std::vector<std::string>;

TEST_F(PipelineOf, ManyLinesOfOneReadAreItemsInOrder) {
    const ReadResult taken = read("{\"ip\":\"a\"}\r\n\n{\"ip\":\"b\"}\n {\"IP\":\"c\"} \n{\"ip\":");
    EXPECT_EQ(given_.items, (Texts{"{\"ip\":\"a\"}", "{\"ip\":\"b\"}", "{\"IP\":\"c\"}"}));
    EXPECT_EQ(given_.keys, (Texts{"a", "b", "c"}));
    EXPECT_EQ(taken.consumed, 37U);
    EXPECT_FALSE(taken.end);
    EXPECT_EQ(connection_.key.view(), "c");
}

TEST_F(PipelineOf, ABadLineAmongGoodOnesIsCountedByItsKind) {
    const ReadResult taken =
        read("{\"ip\":\"a\"}\n{\"ip\":\"b\"}{\"ip\":\"c\"}\n{\"ip\":\"d\"}\n{\"ip\":\"\xff\"}\n[]\n{\"ip\":\"e\"}\n");
    EXPECT_EQ(given_.keys, (Texts{"a", "d", "e"}));
    EXPECT_EQ(bad(BadItem::not_json), 1U);
    EXPECT_EQ(bad(BadItem::bad_utf8), 1U);
    EXPECT_EQ(bad(BadItem::not_object), 1U);
    EXPECT_EQ(connection_.bad_items_in_row, 0);
    EXPECT_FALSE(taken.end);
}

TEST_F(PipelineOf, TooManyBadItemsEndItBehindTheItemsBeforeThem) {
    const ReadResult taken = read("{\"ip\":\"a\"}\n{}\n{\"ip\":\"b\"}\n{}\n{\"ip\":1}\n{}\n{\"ip\":\"never\"}\n");
    EXPECT_EQ(given_.keys, (Texts{"a", "b"}));
    EXPECT_EQ(bad(BadItem::no_key), 4U);
    EXPECT_EQ(taken.end, CloseReason::too_many_bad_items);
}

TEST_F(PipelineOf, ALineTooLargeEndsItBehindTheItemsBeforeIt) {
    const ReadResult taken =
        read("{\"ip\":\"a\"}\n{\"ip\":\"b\"}\n{\"ip\":\"" + std::string(64, 'x') + "\"}\n{\"ip\":\"never\"}\n");
    EXPECT_EQ(given_.keys, (Texts{"a", "b"}));
    EXPECT_EQ(taken.end, CloseReason::item_too_large);
    EXPECT_EQ(bad(BadItem::too_large), 1U);
}

TEST_F(PipelineOf, EachReadIsJudgedByItsOwnBytes) {
    std::string memory = "{\"ip\":\"a\"}\n{\"ip\":\"b\"}\n";
    const std::size_t size = memory.size();
    memory.append(item_padding, ' ');
    for (const char* first : {"{\"ip\":\"c\"}", "{\"ip\":0  }", "{\"ip\":\"d\"}"}) {
        memory.replace(0, 10, first);
        EXPECT_FALSE(pipeline_.on_bytes(connection_, Token{}, {memory.data(), size}, 0, {}).end);
    }
    EXPECT_EQ(given_.keys, (Texts{"c", "b", "b", "d", "b"}));
}

TEST_F(PipelineOf, TheLastObjectOfAStreamNeedsNoLineEnd) {
    EXPECT_EQ(read_last(" {\"ip\":\"a\"}\r").consumed, 12U);
    EXPECT_EQ(given_.items, (Texts{"{\"ip\":\"a\"}"}));
    EXPECT_EQ(read_last("{\"ip\":\"b\"").consumed, 0U);
    EXPECT_EQ(read_last("{\"ip\":\"b\"}{\"ip\":\"c\"}").consumed, 0U);
    EXPECT_EQ(given_.items.size(), 1U);
    EXPECT_EQ(bad(BadItem::not_json), 0U);
}

TEST_F(PipelineOf, ABadLastObjectIsABadItem) {
    EXPECT_FALSE(read_last("{}").end);
    EXPECT_EQ(bad(BadItem::no_key), 1U);
    EXPECT_FALSE(read_last("{]").end);
    EXPECT_EQ(bad(BadItem::not_json), 1U);
    EXPECT_EQ(read_last("{}").end, CloseReason::too_many_bad_items);
}

TEST_F(PipelineOf, WhatIsLeftOverIsCountedAndNamed) {
    EXPECT_EQ(close_with(CloseReason::peer_closed, "", " {\"ip\" "), "an unfinished item of 5 bytes was left over");
    EXPECT_EQ(close_with(CloseReason::peer_reset, "why", "{}"), "why; an unfinished item of 2 bytes was left over");
    EXPECT_EQ(counters_.unfinished_items.get(), 2U);
    EXPECT_EQ(close_with(CloseReason::peer_closed, "why", " \r"), "why");
    EXPECT_EQ(close_with(CloseReason::peer_closed, "", "{}{}"),
              "an unfinished item of 4 bytes was left over: the bytes are JSON objects without line ends; the client "
              "probably needs framing = \"json\"");
    EXPECT_EQ(close_with(CloseReason::peer_reset, "", "{}"),
              "an unfinished item of 2 bytes was left over: the bytes are a complete JSON object without a line end; "
              "the client probably needs framing = \"json\"");
    EXPECT_EQ(close_with(CloseReason::peer_closed, "", "x"), "an unfinished item of 1 byte was left over");
    EXPECT_EQ(counters_.unfinished_items.get(), 5U);
}

TEST_F(PipelineOf, TheBytesOfAnIncompleteHandshakeAreCountedAndNamed) {
    connection_.encrypted = true;
    pipeline_.on_close(connection_, Token{},
                       {.reason = CloseReason::tls_failed, .detail = "why", .evidence = {}, .handshake_bytes = 5}, {});
    EXPECT_EQ(given_.detail, "why; 5 bytes without a complete TLS handshake were left over");
    EXPECT_EQ(counters_.left_over_bytes.get(), 5U);
}

TEST_F(PipelineOf, AByteOrderMarkIsSkippedOnceAtTheStart) {
    connection_.bytes_in = 2;
    EXPECT_EQ(read("\xef\xbb").consumed, 0U) << "the mark may follow";
    connection_.bytes_in = 14;
    EXPECT_EQ(read("\xef\xbb\xbf{\"ip\":\"a\"}\n").consumed, 14U);
    connection_.bytes_in = 28;
    EXPECT_EQ(read("\xef\xbb\xbf{\"ip\":\"b\"}\n").consumed, 14U);
    EXPECT_EQ(given_.keys, (Texts{"a"}));
    EXPECT_EQ(bad(BadItem::not_json), 1U);
}

TEST_F(PipelineOf, AnArrayIsABatchWhereTheListenerSaysSo) {
    EXPECT_FALSE(read("[{\"ip\":\"a\"}]\n").end);
    EXPECT_EQ(bad(BadItem::not_object), 1U);
    change({.name = "devices", .arrays = true, .max_bad_items = 3});
    EXPECT_FALSE(read("[{\"ip\":\"a\"},{},\n").end);
    EXPECT_EQ(bad(BadItem::not_json), 1U) << "an array that is not valid is one bad item";
    EXPECT_FALSE(read("[ {\"ip\":\"a\"} , {\"a\":1},{\"ip\":\"b\"}]\n[]\n{\"ip\":\"c\"}\n").end);
    EXPECT_EQ(given_.items, (Texts{"{\"ip\":\"a\"}", "{\"ip\":\"b\"}", "{\"ip\":\"c\"}"}));
    EXPECT_EQ(bad(BadItem::no_key), 1U);
    EXPECT_EQ(read("[1,[{\"ip\":\"x\"}],\"\"]\n").end, CloseReason::too_many_bad_items);
    EXPECT_EQ(bad(BadItem::not_object), 4U);
    EXPECT_EQ(read_last("[{\"ip\":\"d\"}]").consumed, 12U);
    EXPECT_EQ(given_.keys.back(), "d");
}

TEST_F(PipelineOf, AHelloIsNoElementOfABatch) {
    change({.name = "devices", .arrays = true, .max_bad_items = 3});
    EXPECT_FALSE(read("[{\"hello\":{\"id\":\"d\"}}]\n").end);
    EXPECT_EQ(bad(BadItem::bad_hello), 1U);
    EXPECT_EQ(pipeline_.bad_items_of(Token{})->last.detail, "a hello is no element of an array; send it as an item");
}

TEST_F(PipelineOf, NoRemedyIsAnOptionThatTheListenerHas) {
    change({.name = "devices", .arrays = true, .max_bad_items = 3});
    const std::string detail = close_with(CloseReason::peer_closed, "", "[{\"ip\":\"1\"},{\"ip\":\"2\"}");
    EXPECT_EQ(detail, "an unfinished item of 22 bytes was left over");
    EXPECT_EQ(close_with(CloseReason::peer_reset, "", "[{\"ip\":\"1\"}]").find("set arrays"), std::string::npos);
    EXPECT_EQ(read("[\"" + std::string(64, 'x') + "\"]\n").end, CloseReason::item_too_large);
    EXPECT_EQ(pipeline_.bad_items_of(Token{})->last.detail, "");
}

TEST_F(PipelineOf, ALargeItemIsDroppedWhereTheListenerSaysSo) {
    change({.name = "devices", .oversize = Oversize::drop, .max_bad_items = 3});
    const std::string large = "{\"ip\":\"" + std::string(64, 'x');
    ReadResult taken = read("{\"ip\":\"a\"}\n" + large + "\"}\n{\"ip\":\"b\"}\n" + large);
    EXPECT_EQ(given_.keys, (Texts{"a", "b"}));
    EXPECT_EQ(bad(BadItem::too_large), 2U) << "each once";
    EXPECT_FALSE(taken.end);
    EXPECT_FALSE(taken.same_item) << "the second large item began in the middle of the window";
    keep("x", taken.scan);
    EXPECT_EQ(read_last("x").consumed, 0U) << "the rest of the dropped item is no item";
    taken = read_on("xxxx");
    EXPECT_TRUE(taken.same_item);
    EXPECT_EQ(taken.consumed, 3U) << "one byte stays";
    keep("x", taken.scan);
    EXPECT_EQ(read_on("x\"}\n{\"ip\":\"c\"}\n").consumed, 15U);
    EXPECT_EQ(given_.keys, (Texts{"a", "b", "c"}));
    EXPECT_EQ(bad(BadItem::too_large), 2U);
}

TEST_F(PipelineOf, TheEndOfADroppedItemLeavesNothingOver) {
    change({.name = "devices", .oversize = Oversize::drop, .max_bad_items = 3});
    const ReadResult taken = read(std::string(80, 'x'));
    keep("x", taken.scan);
    EXPECT_EQ(pipeline_.why_unfinished(connection_), "the item exceeds item.max_bytes, and its end has not come");
    pipeline_.on_close(connection_, Token{},
                       {.reason = CloseReason::peer_closed, .error = 0, .detail = "", .evidence = {}}, {});
    EXPECT_EQ(given_.detail, "");
    EXPECT_EQ(counters_.unfinished_items.get(), 0U);
}

TEST_F(PipelineOf, TooManyDroppedItemsEndTheConnection) {
    change({.name = "devices", .oversize = Oversize::drop, .max_bad_items = 3});
    std::string lines;
    for (int i = 0; i < 3; ++i) lines += std::string(80, 'x') + "\n";
    EXPECT_EQ(read(lines).end, CloseReason::too_many_bad_items);
}

TEST_F(PipelineOf, CountsTheBytesThatMemoryIsMissingFor) {
    const std::string lost = "{\"ip\":\"no memory\"}\n{\"ip\":\"b\"}\n";
    EXPECT_THROW(static_cast<void>(read("{\"ip\":\"a\"}\n" + lost)), std::bad_alloc);
    EXPECT_EQ(given_.keys, (Texts{"a"}));
    EXPECT_EQ(counters_.left_over_bytes.get(), lost.size());
}

TEST_F(PipelineOf, ABadItemIsKeptWithItsPlaceAndItsFirstBytes) {
    EXPECT_FALSE(read("{\"ip\":\"a\"}\n").end);
    connection_.bytes_in = 79;  // this read's bytes included
    EXPECT_FALSE(read(" [1]\r\n" + std::string(60, ' ') + "x\n").end);
    const BadItems* bad = pipeline_.bad_items_of(Token{});
    ASSERT_NE(bad, nullptr);
    EXPECT_EQ(bad->total(), 2U);
    EXPECT_EQ(bad->last.kind, BadItem::not_json);
    EXPECT_EQ(bad->last.position, 77U);
    EXPECT_EQ(bad->last.bytes, 1U);
    EXPECT_EQ(bad->last.head.view(), "x");
    const BadItemPage page = bad_items_.find({});
    ASSERT_EQ(page.rows.size(), 2U);
    EXPECT_EQ(page.rows[1].position, 12U);
    EXPECT_EQ(given_.bad, (Texts{"[1]", "x"}));
    EXPECT_EQ(page.rows[1].head.view(), "[1]");
    EXPECT_NE(page.rows[1].detail.find("array"), std::string_view::npos);
    EXPECT_EQ(page.rows[1].listener, "devices");
}

TEST_F(PipelineOf, TheFirstBytesNameTheProtocolOfAllThatFollows) {
    connection_.bytes_in = 42;
    EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\nrest").end, CloseReason::too_many_bad_items);
    const std::string detail = close_with(CloseReason::too_many_bad_items, "", "");
    EXPECT_EQ(detail,
              "3 bad items in a row, the last not_json of 9 bytes at byte 25, \"Accept: b\": the bytes are HTTP; "
              "send JSON "
              "objects without HTTP, or correct the client's port; 4 bytes were left unread");
    EXPECT_EQ(counters_.left_over_bytes.get(), 4U);
    EXPECT_EQ(pipeline_.bad_items_of(Token{}), nullptr) << "its number may come again";
}

TEST_F(PipelineOf, TheEndNamesTheProtocolOfTheFirstBytesAlsoBehindItems) {
    for (const CloseReason reason :
         {CloseReason::peer_closed, CloseReason::read_idle, CloseReason::too_many_bad_items}) {
        connection_.spoke = false;
        EXPECT_FALSE(read("PROXY TCP4 10.1.2.3 10.1.2.4 5000 7000\r\n{\"ip\":\"a\"}\n[1]\n").end);
        const std::string detail = close_with(reason, "", "");
        EXPECT_NE(detail.find("the bytes are a PROXY header; set proxy_protocol"), std::string::npos) << detail;
    }
    connection_.spoke = false;
    EXPECT_FALSE(read("{\"ip\":\"a\"}\n[1]\n").end);
    EXPECT_EQ(close_with(CloseReason::peer_closed, "", ""), "") << "the first item was good";
}

TEST_F(PipelineOf, AnOversizedFrameShowsItsLength) {
    for (const std::string_view bytes : {"\0\1\x86\xa0"sv, "NaN\n"sv, "\0\0\0\0\0\0\0\x41{"sv}) {
        change({.name = "devices", .framing = Framing::length, .max_bad_items = 3});
        EXPECT_EQ(read(std::string(bytes)).end, CloseReason::item_too_large);
        const std::size_t from = bytes[3] == '\0' ? 4 : 0;  // behind an empty frame
        const BadItemFacts last = pipeline_.bad_items_of(Token{})->last;
        EXPECT_EQ(last.head.view(), bytes.substr(from));
        EXPECT_EQ(last.bytes, bytes.size() - from);
        const std::string size = std::to_string(announced_size({.framing = Framing::length}, bytes.substr(from)));
        EXPECT_NE(last.detail.find("announces " + size + " bytes; "), std::string::npos) << last.detail;
    }
    EXPECT_EQ(read("GET / HTTP/1.1\r\n\r\n").end, CloseReason::item_too_large);
    EXPECT_EQ(pipeline_.bad_items_of(Token{})->last.head.view(), "GET / HTTP/1.1\r\n\r\n");
}

TEST_F(PipelineOf, ASecretIsNotKept) {
    EXPECT_FALSE(read("{\"token\":\"secret\"\n").end);
    EXPECT_EQ(pipeline_.bad_items_of(Token{})->last.head.view(), "{\"token");
}

TEST(NoticeLimiter, ReportsOnceForAnyNumberOfReactors) {
    std::vector<Notice::Kind> told;
    NoticeLimiter gate([&](const Notice& notice) { told.push_back(notice.kind); });
    const Notice paused{.kind = Notice::Kind::accept_paused, .listener = "a", .message = {}};
    const Notice resumed{.kind = Notice::Kind::accept_resumed, .listener = "a", .message = {}};
    gate.pass(0, paused);
    gate.pass(0, paused);
    gate.pass(0, resumed);
    EXPECT_EQ(told, (std::vector{Notice::Kind::accept_paused}));
    gate.pass(1, paused);
    gate.pass(0, resumed);
    EXPECT_EQ(told,
              (std::vector{Notice::Kind::accept_paused, Notice::Kind::accept_paused, Notice::Kind::accept_resumed}));
}

}  // namespace

}  // namespace holdfast
