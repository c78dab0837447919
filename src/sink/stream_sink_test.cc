#include "sink/stream_sink.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

ItemEvent item(std::uint64_t n, std::string_view text) {
    return {.conn = {1, 1}, .listener = "devices", .peer = {}, .n = n, .key = "k", .item = text, .at = EventTime{}};
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Limits files to 1,000 bytes during its lifetime: write(2) then fails with EFBIG, as on a full disk with ENOSPC.
struct Limit {
    rlimit before{};
    Limit() {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before);
        const rlimit small{.rlim_cur = 1'000, .rlim_max = before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    ~Limit() { ::setrlimit(RLIMIT_FSIZE, &before); }
};

class FileSink : public testing::Test {
protected:
    FileSink() : directory_(std::filesystem::path(testing::TempDir()) / ("sink-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(directory_);
    }
    ~FileSink() override { std::filesystem::remove_all(directory_); }

    std::unique_ptr<StreamSink> start(std::size_t queue_bytes = 1 << 20) {
        StreamSink::Options options;
        options.path = directory_ / "events";
        options.queue_bytes = queue_bytes;
        return std::move(StreamSink::start(std::move(options))).value();
    }

    std::filesystem::path directory_;
};

TEST_F(FileSink, WritesEveryEventInOrder) {
    auto sink = start();
    auto handler = sink->make_handler();
    for (std::uint64_t n = 1; n <= 10'000; ++n) {
        handler->on_item(item(n, R"({"ip":"k"})"));
        if (n % 7 == 0) handler->on_turn_end();
    }
    handler->on_turn_end();
    EXPECT_EQ(sink->stop(10s), 0U);
    std::istringstream lines(read_file(directory_ / "events"));
    std::uint64_t expected = 1;
    for (std::string line; std::getline(lines, line); ++expected) {
        ASSERT_NE(line.find("\"n\":" + std::to_string(expected) + ","), std::string::npos) << line;
    }
    EXPECT_EQ(expected, 10'001U);
    EXPECT_EQ(sink->figures().written, 10'000U);
}

/// Writes one event to a file with existing content. Returns the content up to the first key of the event.
std::string begin_behind(const std::filesystem::path& path, StreamSink& sink) {
    auto handler = sink.make_handler();
    handler->on_item(item(1, "{}"));
    handler->on_turn_end();
    EXPECT_EQ(sink.stop(10s), 0U);
    const std::string text = read_file(path);
    return text.substr(0, text.find("\"event\""));
}

TEST_F(FileSink, BeginsANewLineBehindOneThatACrashHasTorn) {
    for (const auto& [before, after] :
         {std::pair("{\"ev", "{\"ev\n{"), std::pair("a\nb", "a\nb\n{"), std::pair("a\n", "a\n{"), std::pair("", "{")}) {
        std::ofstream(directory_ / "events") << before;
        EXPECT_EQ(begin_behind(directory_ / "events", *start()), after);
    }
}

TEST_F(FileSink, BeginsANewLineInTheFileOfAChangeAndOfAReopening) {
    auto sink = start();
    std::ofstream(directory_ / "other") << "torn";
    sink->prepare_change({directory_ / "other", 1 << 20}).value()();
    EXPECT_EQ(begin_behind(directory_ / "other", *sink), "torn\n{");

    sink = start();
    std::filesystem::rename(directory_ / "events", directory_ / "events.1");
    std::ofstream(directory_ / "events") << "torn";
    sink->reopen();
    EXPECT_EQ(begin_behind(directory_ / "events", *sink), "torn\n{");
}

TEST(StandardOutput, BeginsANewLineInAFileToo) {
    const std::string path = testing::TempDir() + "stdout-" + std::to_string(::getpid());
    std::ofstream(path) << "torn";
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    StreamSink::Options options;
    options.descriptor = file.get();
    options.queue_bytes = 1 << 20;
    auto sink = StreamSink::start(std::move(options)).value();
    EXPECT_EQ(begin_behind(path, *sink), "torn\n{");
    std::filesystem::remove(path);
}

TEST(StandardOutput, BeginsANewLineInAPipeBehindACrash) {
    for (const bool follows_crash : {false, true}) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        const UniqueFd reader(ends[0]), writer(ends[1]);
        StreamSink::Options options;
        options.descriptor = writer.get();
        options.queue_bytes = 1 << 20;
        options.follows_crash = follows_crash;
        auto sink = StreamSink::start(std::move(options)).value();
        const auto handler = sink->make_handler();
        handler->on_item(item(1, "{}"));
        handler->on_turn_end();
        EXPECT_EQ(sink->stop(10s), 0U);
        std::array<char, 2> text{};
        ASSERT_EQ(::read(reader.get(), text.data(), text.size()), 2);
        EXPECT_EQ(std::string_view(text.data(), text.size()), follows_crash ? "\n{" : "{\"");
    }
}

TEST_F(FileSink, AppendsToWhatIsThere) {
    std::ofstream(directory_ / "events") << "before\n";
    auto sink = start();
    auto handler = sink->make_handler();
    handler->on_item(item(1, "{}"));
    handler->on_turn_end();
    EXPECT_EQ(sink->stop(10s), 0U);
    EXPECT_EQ(read_file(directory_ / "events").rfind("before\n{\"event\":\"item\"", 0), 0U);
}

TEST_F(FileSink, RefusesAPathThatCannotBeOpened) {
    StreamSink::Options options;
    options.path = directory_ / "missing" / "events";
    const auto sink = StreamSink::start(std::move(options));
    ASSERT_FALSE(sink);
    EXPECT_NE(sink.error().message.find("missing/events: No such file or directory; make its directory writable"),
              std::string::npos);
}

class PipeSink : public testing::Test {
protected:
    PipeSink() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
        reader_ = UniqueFd(ends[0]);
        writer_ = UniqueFd(ends[1]);
        std::signal(SIGPIPE, SIG_IGN);
    }

    std::unique_ptr<StreamSink> start(StreamSink::Options options) {
        options.descriptor = writer_.get();
        if (options.queue_bytes == 0) options.queue_bytes = 1 << 20;
        return std::move(StreamSink::start(std::move(options))).value();
    }

    UniqueFd reader_;
    UniqueFd writer_;
};

TEST_F(PipeSink, AReaderThatDoesNotReadStopsDevicesAndLosesNothing) {
    StreamSink::Options options;
    options.queue_bytes = 256 * 1024;
    auto sink = start(std::move(options));
    auto handler = sink->make_handler();
    const std::string text = R"({"ip":")" + std::string(1'000, 'x') + "\"}";
    std::uint64_t given = 0;
    while (handler->ready()) {
        handler->on_item(item(++given, text));
        handler->on_turn_end();
        ASSERT_LT(given, 10'000U);
    }
    EXPECT_TRUE(sink->figures().full);

    std::string got;
    auto reading = std::async(std::launch::async, [&] {
        char buffer[4'096];
        for (ssize_t n = 0; (n = ::read(reader_.get(), buffer, sizeof buffer)) > 0;)
            got.append(buffer, static_cast<std::size_t>(n));
    });
    EXPECT_EQ(sink->stop(30s), 0U);
    writer_.reset();
    reading.get();
    EXPECT_EQ(static_cast<std::uint64_t>(std::count(got.begin(), got.end(), '\n')), given);
}

TEST_F(PipeSink, StopsEvenIfTheReaderNeverReads) {
    auto sink = start({});
    auto handler = sink->make_handler();
    const std::string text = R"({"ip":")" + std::string(1'000, 'x') + "\"}";
    for (std::uint64_t n = 1; n <= 500; ++n) handler->on_item(item(n, text));
    handler->on_turn_end();
    EXPECT_GT(sink->stop(0ms), 0U);
}

TEST_F(PipeSink, AClosedReaderIsReportedOnce) {
    std::promise<std::string> broken;
    StreamSink::Options options;
    options.on_broken = [&](const std::string& error) { broken.set_value(error); };
    auto sink = start(std::move(options));
    auto handler = sink->make_handler();
    reader_.reset();
    handler->on_item(item(1, "{}"));
    handler->on_turn_end();
    EXPECT_NE(broken.get_future().get().find("cannot write events to stdout: Broken pipe"), std::string::npos);
    handler->on_item(item(2, "{}"));
    handler->on_turn_end();
    EXPECT_EQ(sink->stop(0ms), 2U);
}

TEST_F(FileSink, AFullDiskLosesNothing) {
    std::promise<std::string> trouble;
    std::atomic<bool> recovered{false};
    StreamSink::Options options;
    options.path = directory_ / "events";
    options.queue_bytes = 1 << 20;
    options.on_trouble = [&](const std::string& error) { trouble.set_value(error); };
    options.on_recovered = [&] { recovered = true; };
    std::unique_ptr<StreamSink> sink;
    {
        const Limit limit;
        sink = std::move(StreamSink::start(std::move(options))).value();
        auto handler = sink->make_handler();
        for (std::uint64_t n = 1; n <= 100; ++n) handler->on_item(item(n, "{}"));
        handler->on_turn_end();
        EXPECT_NE(trouble.get_future().get().find("nothing is lost"), std::string::npos);
    }
    EXPECT_EQ(sink->stop(30s), 0U);
    EXPECT_TRUE(recovered);
    const std::string text = read_file(directory_ / "events");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
}

TEST_F(FileSink, MovesToAnotherFileBetweenTwoEvents) {
    auto sink = start();
    auto handler = sink->make_handler();
    for (std::uint64_t n = 1; n <= 1'000; ++n) {
        handler->on_item(item(n, "{}"));
        handler->on_turn_end();
        if (n == 600) sink->prepare_change({directory_ / "later", 1 << 20}).value()();
    }
    EXPECT_EQ(sink->stop(10s), 0U);
    const std::string before = read_file(directory_ / "events");
    const std::string later = read_file(directory_ / "later");
    EXPECT_EQ(std::count(before.begin(), before.end(), '\n'), 600);
    EXPECT_EQ(std::count(later.begin(), later.end(), '\n'), 400);
    EXPECT_NE(later.find(R"("n":601,)"), std::string::npos);
}

TEST_F(FileSink, WhatTheOldFileRefusesGoesToTheNewOne) {
    StreamSink::Options options;
    options.path = "/dev/full";
    options.queue_bytes = 1 << 20;
    auto sink = std::move(StreamSink::start(std::move(options))).value();
    auto handler = sink->make_handler();
    for (std::uint64_t n = 1; n <= 100; ++n) {
        handler->on_item(item(n, "{}"));
        handler->on_turn_end();
    }
    sink->prepare_change({directory_ / "later", 1 << 20}).value()();
    EXPECT_EQ(sink->stop(30s), 0U);
    const std::string later = read_file(directory_ / "later");
    EXPECT_EQ(std::count(later.begin(), later.end(), '\n'), 100);
}

TEST_F(FileSink, ALineThatTheOldFileTookInPartIsWholeInTheNewOne) {
    std::promise<void> trouble;
    std::atomic<int> troubles{0};
    StreamSink::Options options;
    options.path = directory_ / "events";
    options.queue_bytes = 1 << 20;
    options.on_trouble = [&](const std::string&) {
        if (troubles++ == 0) trouble.set_value();
    };
    std::unique_ptr<StreamSink> sink;
    {
        const Limit limit;
        sink = std::move(StreamSink::start(std::move(options))).value();
        auto handler = sink->make_handler();
        for (std::uint64_t n = 1; n <= 100; ++n) handler->on_item(item(n, "{}"));
        handler->on_turn_end();
        sink->prepare_change({directory_ / "later", 1 << 20}).value()();
        trouble.get_future().get();
    }
    EXPECT_EQ(sink->stop(30s), 0U);
    std::string before = read_file(directory_ / "events");
    before.resize(before.rfind('\n') + 1);  // without the incomplete line
    const std::string whole = before + read_file(directory_ / "later");
    std::istringstream lines(whole);
    std::string line;
    for (std::uint64_t n = 1; n <= 100; ++n) {
        ASSERT_TRUE(std::getline(lines, line));
        EXPECT_NE(line.find("\"n\":" + std::to_string(n) + ","), std::string::npos) << line;
        EXPECT_EQ(line.back(), '}');
    }
    EXPECT_FALSE(std::getline(lines, line)) << line;
}

TEST_F(FileSink, AFileThatCannotBeOpenedChangesNothing) {
    auto sink = start();
    EXPECT_FALSE(sink->prepare_change({directory_ / "missing" / "events", 1 << 20}).ok());
    const std::string fifo = directory_ / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_FALSE(sink->prepare_change({fifo, 1 << 20}).ok()) << "a FIFO that nobody reads";
    auto handler = sink->make_handler();
    handler->on_item(item(1, "{}"));
    handler->on_turn_end();
    EXPECT_EQ(sink->stop(10s), 0U);
    EXPECT_NE(read_file(directory_ / "events"), "");
}

}  // namespace
}  // namespace holdfast
