#include "sink/spool_sink.h"

#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codec/event_writer.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

/// A spool whose batches become durable when the test decides.
class FakeSpool final : public Spool {
public:
    void append(SpoolBatch batch) override { batches.push_back(std::move(batch)); }
    [[nodiscard]] std::size_t waiting_bytes() const override { return waiting; }
    void look_up(SessionName session, std::function<void(std::uint64_t)> answer) override {
        asked = session.id + "/" + session.session + (session.authenticated ? "/authenticated" : "");
        answers.push_back(std::move(answer));
    }
    [[nodiscard]] Result<SpoolPage> read(Position, std::size_t, std::size_t) override { return Error{"not here"}; }
    [[nodiscard]] WallTime now() const override { return {}; }
    bool wait_for(Position, std::chrono::milliseconds) override { return false; }
    [[nodiscard]] std::vector<SpoolGroup> groups() override { return {}; }
    [[nodiscard]] std::optional<Error> set_position(const std::string&, Position) override { return std::nullopt; }
    [[nodiscard]] std::optional<Error> set_position(const std::string&, Position, const std::string&) override {
        return std::nullopt;
    }
    [[nodiscard]] std::optional<Error> remove_group(const std::string&) override { return std::nullopt; }
    void visit_lost(const std::function<void(const LostConnection&)>&,
                    const std::function<bool(const LostConnection&)>&) override {}
    [[nodiscard]] bool is_open(const std::string&) override { return false; }
    void forget_lost(const std::string&) override {}
    void change(const SpoolOptions&) override {}
    [[nodiscard]] SpoolStatus status() override {
        SpoolStatus status;
        status.events = 10;
        status.waiting_events = 4;
        status.error = "disk full";
        return status;
    }
    std::uint64_t stop(std::chrono::milliseconds) override { return 4; }
    void give_up() override {}

    std::vector<SpoolBatch> batches;
    std::size_t waiting = 0;
    std::string asked;
    std::vector<std::function<void(std::uint64_t)>> answers;
};

class SpoolSinkTest : public testing::Test {
protected:
    ItemEvent item(std::string_view listener, std::uint64_t seq = 0, DeviceName device = {}) {
        return {.conn = {1, 2},
                .listener = listener,
                .peer = peer_,
                .n = ++n_,
                .key = "k",
                .item = "{}",
                .at = at_,
                .device = device,
                .seq = seq};
    }

    FakeSpool spool_;
    SpoolSink sink_{spool_, 1000};
    std::unique_ptr<EventHandler> handler_ = sink_.make_handler();
    Endpoint peer_ = parse_endpoint("10.2.0.9:51514").value();
    EventTime at_{1'795'334'400'123ms};
    std::uint64_t n_ = 0;
};

TEST_F(SpoolSinkTest, ATurnIsABatchOfTheVeryLines) {
    std::string expected;
    EventWriter writer;
    const ConnectedEvent connected{{1, 2}, "devices", peer_, at_};
    const IdentifiedEvent identified{{1, 2}, "devices", peer_, {"d", "s"}, at_};
    const ItemEvent one = item("devices");
    const ItemEvent other = item("meters");
    ClosedEvent closed;
    closed.listener = "meters";
    writer.append_connected(expected, connected);
    writer.append_identified(expected, identified);
    writer.append_item(expected, one);
    writer.append_item(expected, other);
    writer.append_closed(expected, closed);

    handler_->on_connected(connected);
    handler_->on_identified(identified);
    handler_->on_item(one);
    handler_->on_item(other);
    handler_->on_closed(closed);
    EXPECT_TRUE(spool_.batches.empty());
    handler_->on_turn_end();
    handler_->on_turn_end();
    ASSERT_EQ(spool_.batches.size(), 1U);
    EXPECT_EQ(spool_.batches[0].lines, expected);
    EXPECT_EQ(spool_.batches[0].events, 5U);
    EXPECT_EQ(spool_.batches[0].listeners,
              (std::vector<std::pair<std::string, std::uint64_t>>{{"devices", 3}, {"meters", 2}}));
    EXPECT_TRUE(spool_.batches[0].marks.empty());
}

TEST_F(SpoolSinkTest, MarksTheLastNumberOfEachSessionRefusedOnesToo) {
    handler_->on_item(item("devices", 4, {"a", "x"}));
    handler_->on_item(item("devices", 5, {"a", "x"}));
    handler_->on_refused({{1, 2}, {"a", "x"}, 6});
    handler_->on_item(item("devices", 1, {"a", "y"}));
    handler_->on_item(item("devices", 0, {"b", ""}));
    handler_->on_turn_end();
    ASSERT_EQ(spool_.batches.size(), 1U);
    const auto& marks = spool_.batches[0].marks;
    ASSERT_EQ(marks.size(), 2U);
    EXPECT_EQ(marks[0].name, (SessionName{"a", "x"}));
    EXPECT_EQ(marks[0].seq, 6U);
    EXPECT_EQ(marks[1].name.session, "y");
    EXPECT_EQ(marks[1].seq, 1U);
    handler_->on_refused({{1, 2}, {"a", "x"}, 7});  // a turn with nothing else
    handler_->on_turn_end();
    ASSERT_EQ(spool_.batches.size(), 2U);
    EXPECT_EQ(spool_.batches[1].events, 0U);
    EXPECT_EQ(spool_.batches[1].marks.size(), 1U);
}

TEST_F(SpoolSinkTest, WritesABadItemIfItShallAndDoesNotCountItAsACall) {
    const BadItemEvent bad{{.kind = BadItem::no_key, .head = {}, .detail = {}, .at = at_}, {1, 2}, "devices", peer_};
    handler_->on_bad_item(bad);
    handler_->on_turn_end();
    EXPECT_TRUE(spool_.batches.empty());
    SpoolSink writing(spool_, 1'000, true);
    const auto writer = writing.make_handler();
    std::uint64_t told = 7;
    writer->durable()->on_durable_change([&told](std::uint64_t count) { told = count; });
    writer->on_bad_item(bad);  // a turn with nothing else
    writer->on_turn_end();
    ASSERT_EQ(spool_.batches.size(), 1U);
    EXPECT_EQ(spool_.batches[0].events, 1U);
    EXPECT_TRUE(spool_.batches[0].lines.starts_with(R"({"event":"bad_item",)"));
    spool_.batches[0].durable();
    EXPECT_EQ(told, 0U);
}

TEST_F(SpoolSinkTest, ReportsHowManyCallsAreDurable) {
    std::vector<std::uint64_t> told;
    handler_->durable()->on_durable_change([&](std::uint64_t count) { told.push_back(count); });
    handler_->on_item(item("devices"));
    handler_->on_item(item("devices"));
    handler_->on_turn_end();
    handler_->on_refused({{1, 2}, {"a", "x"}, 7});
    handler_->on_turn_end();
    ASSERT_EQ(spool_.batches.size(), 2U);
    EXPECT_TRUE(told.empty());
    spool_.batches[0].durable();
    spool_.batches[1].durable();
    EXPECT_EQ(told, (std::vector<std::uint64_t>{2, 3}));
}

TEST_F(SpoolSinkTest, NothingIsReportedAfterTheHandlersEnd) {
    int told = 0;
    handler_->durable()->on_durable_change([&](std::uint64_t) { ++told; });
    handler_->durable()->look_up({"a", "x"}, [&](std::uint64_t) { ++told; });
    handler_->on_item(item("devices"));
    handler_->on_turn_end();
    EXPECT_EQ(spool_.asked, "a/x");
    handler_.reset();
    spool_.batches[0].durable();
    spool_.answers[0](1);
    EXPECT_EQ(told, 0);
}

TEST_F(SpoolSinkTest, ALargeTurnBecomesSeveralBatches) {
    const std::string large(300'000, 'x');
    for (int i = 0; i < 10; ++i) {
        ItemEvent event = item("devices");
        event.item = large;
        handler_->on_item(event);
    }
    handler_->on_turn_end();
    EXPECT_EQ(spool_.batches.size(), 3U);
    std::uint64_t events = 0;
    for (const SpoolBatch& batch : spool_.batches) events += batch.events;
    EXPECT_EQ(events, 10U);
}

TEST_F(SpoolSinkTest, IsReadyWhileThereIsRoom) {
    EXPECT_TRUE(handler_->ready());
    spool_.waiting = 999;
    EXPECT_TRUE(handler_->ready());
    spool_.waiting = 1000;
    EXPECT_FALSE(handler_->ready());
    EXPECT_TRUE(sink_.figures().full);
    sink_.prepare_change({.path = "", .queue_bytes = 2000}).value()();
    EXPECT_TRUE(handler_->ready());
}

TEST_F(SpoolSinkTest, ReportsTheSpoolsErrors) {
    EXPECT_EQ(sink_.figures().events, 10U);
    EXPECT_EQ(sink_.figures().written, 6U);
    EXPECT_EQ(sink_.figures().error, "disk full");
    EXPECT_EQ(sink_.stop(1s), 4U);
}

}  // namespace
}  // namespace holdfast
