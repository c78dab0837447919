#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/admin_server.h"
#include "cli/verbs.h"
#include "testing/fake_control_plane.h"
#include "testing/fake_watch_view.h"

namespace holdfast {

inline constexpr const char* known = "7f2c91a0-1";

struct VerbOutcome {
    int code = -1;
    std::string out;
    std::string err;
};

/// Runs one verb as the command does.
inline VerbOutcome run(std::vector<std::string> words) {
    Verb root{.name = "holdfast", .help = ""};
    fill_verbs(root);
    std::vector<const char*> line{"holdfast"};
    for (const std::string& word : words) line.push_back(word.c_str());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const Command command = read_command_line(root, static_cast<int>(line.size()), line.data());
    VerbOutcome outcome;
    outcome.code = command.verb != nullptr ? command.verb->run() : command.code;
    outcome.out = testing::internal::GetCapturedStdout();
    outcome.err = testing::internal::GetCapturedStderr();
    return outcome;
}

class ClientVerbs : public testing::Test {
protected:
    void SetUp() override {
        auto started =
            AdminServer::start("127.0.0.1:0", gateway_, {.watch = &watch_, .reload = [this] { return reloaded_; }});
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started.value());
    }

    VerbOutcome request(std::vector<std::string> words) {
        words.insert(words.end(), {"--admin", to_string(server_->address())});
        return run(std::move(words));
    }

    FakeControlPlane gateway_;
    FakeWatchView watch_;
    ReloadResult reloaded_;
    std::unique_ptr<AdminServer> server_;
};

inline void expect_one_line(const VerbOutcome& outcome, int code, std::string_view part) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_THAT(outcome.out, testing::IsEmpty());
    EXPECT_THAT(outcome.err, testing::StartsWith("holdfast: "));
    EXPECT_THAT(outcome.err, testing::HasSubstr(std::string(part)));
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
}

}  // namespace holdfast
