#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "forward/forwarder.h"
#include "testing/fake_spool.h"
#include "testing/nats_server.h"
#include "testing/stream_view.h"

namespace holdfast {

inline std::string item(int n) {
    return R"({"event":"item","conn":"1-1","peer":"10.0.0.1:5","n":)" + std::to_string(n) + R"(,"key":"k)" +
           std::to_string(n % 7) + R"(","item":{"ip":"k"},"at":"x"})";
}

/// A spool in memory, a real server and a forwarder between them.
class Forwarding : public testing::Test {
protected:
    void start(ForwarderOptions options = {}) {
        auto link = NatsLink::open({.url = server_.url(), .fresh = true, .name = "test"});
        ASSERT_TRUE(link) << link.error().message;
        link_ = std::move(link).value();
        options.on_trouble = [this](const std::string& error) {
            const std::lock_guard lock(mutex_);
            troubles_.push_back(error);
        };
        options.on_recovered = [this] { ++recovered_; };
        options.on_skipped = [this](const MissingRange& range) { skipped_ += range.last - range.first + 1; };
        forwarder_ = std::make_unique<Forwarder>(spool_, *link_, std::move(options));
    }
    void TearDown() override {
        forwarder_.reset();
        link_.reset();
    }
    void add(int count) {
        for (int i = 0; i < count; ++i) spool_.add("devices", item(++added_));
    }
    [[nodiscard]] bool all_published(std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
        return comes_true([this] { return forwarder_->status().published == static_cast<Position>(added_); }, timeout);
    }
    [[nodiscard]] std::string troubles() {
        const std::lock_guard lock(mutex_);
        std::string out;
        for (const std::string& trouble : troubles_) out += trouble + "\n";
        return out;
    }
    /// Expects each event once, in order.
    void expect_whole_stream() {
        const StreamView view(server_.url());
        const auto messages = view.messages();
        ASSERT_EQ(messages.size(), static_cast<std::size_t>(added_));
        for (int i = 0; i < added_; ++i) {
            const auto& message = messages[static_cast<std::size_t>(i)];
            ASSERT_EQ(message.body, item(i + 1));
            ASSERT_EQ(message.position, std::to_string(i + 1));
            ASSERT_EQ(message.id, "0123456789abcdef-" + std::to_string(i + 1));
            ASSERT_EQ(message.subject, "holdfast.devices.item.k" + std::to_string((i + 1) % 7));
        }
    }

    RealServer server_;
    FakeSpool spool_;
    std::unique_ptr<NatsLink> link_;
    std::unique_ptr<Forwarder> forwarder_;
    std::atomic<int> recovered_{0};
    std::atomic<std::uint64_t> skipped_{0};
    int added_ = 0;

private:
    std::mutex mutex_;
    std::vector<std::string> troubles_;
};

}  // namespace holdfast
