#include "spool/archive.h"

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/test_spool.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

class ArchiveTest : public testing::Test {
protected:
    SpoolOptions options(const std::string& name = "spool") {
        SpoolOptions options;
        options.directory = path(name);
        options.retain_bytes = 16 << 20;  // files of 1 MiB
        return options;
    }
    std::string path(const std::string& name) { return directory_.in(name); }
    void flip(const std::string& file, std::streamoff at) {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(at);
        const auto byte = static_cast<char>(stream.get() ^ 4);
        stream.seekp(at);
        stream.put(byte);
    }

    TemporaryDirectory directory_;
};

TEST_F(ArchiveTest, ACopyHoldsEverything) {
    const auto spool = open_spool(options());
    append_and_wait(*spool, 1, 3'000, 50, 1'000);
    ASSERT_FALSE(spool->set_position("billing", 1'234));
    const auto copy = copy_spool(path("spool"), path("copy"));
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ(copy.value().id, spool->status().id);
    EXPECT_GE(copy.value().files, 3U);
    EXPECT_TRUE(copy.value().damaged.empty());
    for (const auto& entry : fs::directory_iterator(path("copy"))) {
        struct stat status {};
        ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600U) << entry.path();
    }
    const auto verdict = verify_spool(path("copy"));
    ASSERT_TRUE(verdict) << verdict.error().message;
    EXPECT_TRUE(verdict.value().is_sound());
    EXPECT_EQ(verdict.value().events, 3'000U);
    EXPECT_EQ(verdict.value().last, 3'000U);
    const auto moved = open_spool(options("copy"));
    EXPECT_EQ(read_all(*moved).events, read_all(*spool).events);
    ASSERT_EQ(moved->groups().size(), 1U);
    EXPECT_EQ(moved->groups()[0].position, 1'234U);
    // From here on, the epochs of their files distinguish the events that the two write.
    append_and_wait(*spool, 3'001, 3'001);
    append_and_wait(*moved, 3'001, 3'001);
    const auto here = spool->read(3'000, 1, 1'000);
    const auto there = moved->read(3'000, 1, 1'000);
    ASSERT_TRUE(here && there);
    EXPECT_EQ(here.value().events[0].position, there.value().events[0].position);
    EXPECT_NE(here.value().events[0].epoch, there.value().events[0].epoch);
}

TEST_F(ArchiveTest, ACopyIsConsistentWhileEventsComeAndGo) {
    auto small = options();
    small.retain_bytes = 4 << 20;
    const auto spool = open_spool(small);
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (std::uint64_t n = 1; !done; n += 100) append_and_wait(*spool, n, n + 99, 20, 2'000);
    });
    ASSERT_TRUE(spool->wait_for(3'000, 30s));
    for (int round = 0; round < 8; ++round) {
        const std::string target = path("copy-" + std::to_string(round));
        const Position durable = spool->status().last;
        const auto copy = copy_spool(path("spool"), target);
        ASSERT_TRUE(copy) << copy.error().message;
        const auto verdict = verify_spool(target);
        ASSERT_TRUE(verdict) << verdict.error().message;
        EXPECT_TRUE(verdict.value().is_sound())
            << (verdict.value().problems.empty() ? "" : verdict.value().problems[0])
            << (verdict.value().missing.empty() ? "" : verdict.value().missing[0].why);
        EXPECT_GE(verdict.value().last, durable);
        EXPECT_EQ(verdict.value().events, verdict.value().last - verdict.value().first + 1);
        fs::remove_all(target);
    }
    done = true;
    writer.join();
    const auto verdict = verify_spool(path("spool"));  // in use
    ASSERT_TRUE(verdict) << verdict.error().message;
    EXPECT_EQ(verdict.value().last, spool->status().last);
}

TEST_F(ArchiveTest, OnlyAnEmptyDirectoryIsWrittenTo) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 10);
    }
    EXPECT_THAT(copy_spool(path("nowhere"), path("copy")).error().message, HasSubstr("contains no spool"));
    EXPECT_FALSE(fs::exists(path("copy")));
    EXPECT_THAT(verify_spool(path("nowhere")).error().message, HasSubstr("contains no spool"));
    const auto other = open_spool(options("other"));
    EXPECT_THAT(copy_spool(path("spool"), path("other")).error().message, HasSubstr("another process uses"));
    fs::create_directory(path("home"));
    std::ofstream(path("home") + "/letter.txt") << "dear";
    EXPECT_THAT(copy_spool(path("spool"), path("home")).error().message, HasSubstr("letter.txt"));
    fs::create_directory(path("empty"));
    EXPECT_TRUE(copy_spool(path("spool"), path("empty")));
    EXPECT_THAT(copy_spool(path("spool"), path("empty")).error().message, HasSubstr("name an empty"));
}

TEST_F(ArchiveTest, AnInterruptedCopyIsNoSpoolUntilItIsMadeAgain) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 10);
    }
    ASSERT_TRUE(copy_spool(path("spool"), path("copy")));
    std::ofstream(path("copy") + "/incomplete") << "";
    fs::resize_file(path("copy") + "/events-0000000000000000001.db", 100);
    EXPECT_THAT(Spool::open(options("copy")).error().message, HasSubstr("did not finish"));
    EXPECT_THAT(copy_spool(path("copy"), path("third")).error().message, HasSubstr("did not finish"));
    EXPECT_FALSE(verify_spool(path("copy")).value().is_sound());
    ASSERT_TRUE(copy_spool(path("spool"), path("copy")));
    EXPECT_TRUE(verify_spool(path("copy")).value().is_sound());
    EXPECT_EQ(read_all(*open_spool(options("copy"))).events.size(), 10U);
}

TEST_F(ArchiveTest, DamageIsNamedAndCopied) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 3'000, 50, 1'000);
    }
    const std::string first = path("spool") + "/events-0000000000000000001.db";
    flip(first, 300'000);
    std::string last;
    for (const auto& entry : fs::directory_iterator(path("spool"))) {
        const std::string name = entry.path().filename();
        if (name.starts_with("events-") && name > last) last = name;
    }
    const std::uint64_t last_first = std::stoull(last.substr(7));
    fs::resize_file(path("spool/" + last), 0);
    std::ofstream(path("spool/" + last)) << std::string(50'000, 'x');
    for (const char* name : {"spool", "copy"}) {
        const auto verdict = verify_spool(path(name));
        ASSERT_TRUE(verdict) << verdict.error().message;
        EXPECT_FALSE(verdict.value().is_sound());
        ASSERT_EQ(verdict.value().missing.size(), 3U);
        const std::uint64_t hole = verdict.value().missing[0].last - verdict.value().missing[0].first + 1;
        EXPECT_EQ(hole % 50, 0U) << "whole rows";
        EXPECT_EQ(verdict.value().missing[1].first, last_first);
        EXPECT_EQ(verdict.value().missing[2].last, 3'000U);
        EXPECT_EQ(verdict.value().events, last_first - 1 - hole);
        if (name == std::string("copy")) continue;
        const auto copy = copy_spool(path("spool"), path("copy"));
        ASSERT_TRUE(copy) << copy.error().message;
        EXPECT_EQ(copy.value().damaged.size(), 1U);
    }
}

}  // namespace
}  // namespace holdfast
