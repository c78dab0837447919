// Measures the cost of one item between the receive buffer and the event's line, step by step.
#include <chrono>
#include <span>
#include <string>

#include <benchmark/benchmark.h>

#include "codec/event_writer.h"
#include "codec/framing.h"
#include "codec/item.h"

namespace {

using namespace holdfast;
using namespace std::chrono_literals;

constexpr std::size_t items_a_segment = 16;

// Returns an item of about `bytes` bytes: an address, then readings.
std::string item_of(std::size_t bytes) {
    std::string item = R"({"ip":"10.20.30.40","status":"online")";
    for (int i = 0; item.size() + 15 < bytes; ++i)
        item += ",\"s" + std::to_string(i % 10) + "\":" + std::to_string(i) + ".25";
    return item + "}";
}

std::string segment_of(Framing framing, const std::string& item) {
    std::string segment;
    for (std::size_t i = 0; i < items_a_segment; ++i) append_framed(segment, framing, item);
    return segment;
}

ItemEvent event_of(std::string_view key, std::string_view item, std::uint64_t n) {
    const IpAddress address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 2, 0, 9}};
    return {{0x7f2c91a0, 1 + n / items_a_segment}, "devices", {address, 51514}, n, key, item,
            EventTime{1'795'334'400'123ms}};
}

void cut(benchmark::State& state, Framing framing) {
    const std::string segment = segment_of(framing, item_of(static_cast<std::size_t>(state.range(0))));
    for (auto _ : state) {
        FrameScan scan;
        for (std::size_t at = 0; at < segment.size();) {
            const Frame frame = next_frame(framing, std::span(segment).subspan(at), scan, 65536);
            benchmark::DoNotOptimize(frame.end);
            at += frame.next;
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(items_a_segment));
}
BENCHMARK_CAPTURE(cut, ndjson, Framing::ndjson)->Arg(50)->Arg(200)->Arg(4000);
BENCHMARK_CAPTURE(cut, json, Framing::json)->Arg(50)->Arg(200)->Arg(4000);
BENCHMARK_CAPTURE(cut, length, Framing::length)->Arg(50)->Arg(200)->Arg(4000);

void decode(benchmark::State& state) {
    std::string item = item_of(static_cast<std::size_t>(state.range(0)));
    const std::size_t size = item.size();
    item.append(item_padding, ' ');
    ItemDecoder decoder("ip", 64, 65536);
    for (auto _ : state) benchmark::DoNotOptimize(decoder.decode(std::string_view(item).substr(0, size)).key);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(decode)->Arg(50)->Arg(200)->Arg(4000);

void append_item(benchmark::State& state) {
    const std::string item = item_of(static_cast<std::size_t>(state.range(0)));
    const auto run = static_cast<std::uint64_t>(state.range(1));
    EventWriter writer;
    std::string out;
    std::uint64_t n = 0;
    for (auto _ : state) {
        n += items_a_segment / run;
        if (out.size() > 256 * 1024) out.clear();
        writer.append_item(out, event_of("10.20.30.40", item, n));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(append_item)->ArgNames({"bytes", "run"})->Args({50, 16})->Args({50, 1})->Args({200, 16})->Args({4000, 16});

void segment_to_items(benchmark::State& state) {
    std::string segment = segment_of(Framing::ndjson, item_of(static_cast<std::size_t>(state.range(0))));
    while (segment.size() < static_cast<std::size_t>(state.range(1))) segment += segment;
    const std::size_t size = segment.size();
    segment.append(item_padding, ' ');
    ItemDecoder decoder("ip", 64, 65536);
    std::int64_t n = 0;
    for (auto _ : state) {
        FrameScan scan;
        decoder.expect_lines(std::span<const char>(segment).first(size));
        for (std::size_t at = 0; at < size;) {
            const std::span<const char> window = std::span<const char>(segment).first(size).subspan(at);
            const Frame frame = next_frame(Framing::ndjson, window, scan, 65536);
            const auto decoded = decoder.decode({window.data() + frame.begin, frame.end - frame.begin});
            if (decoded.bad) state.SkipWithError("an item was refused");
            at += frame.next;
            ++n;
        }
    }
    state.SetItemsProcessed(n);
}
BENCHMARK(segment_to_items)->Args({50, 0})->Args({200, 0})->Args({50, 60000})->Args({200, 60000});
// Measures all work of the codec for a drained segment of 16 items.
void segment_to_lines(benchmark::State& state, Framing framing) {
    std::string segment = segment_of(framing, item_of(static_cast<std::size_t>(state.range(0))));
    const std::size_t size = segment.size();
    segment.append(item_padding, ' ');
    ItemDecoder decoder("ip", 64, 65536);
    EventWriter writer;
    std::string out;
    std::uint64_t n = 0;
    for (auto _ : state) {
        FrameScan scan;
        out.clear();
        if (framing == Framing::ndjson) decoder.expect_lines(std::span<const char>(segment).first(size));
        for (std::size_t at = 0; at < size;) {
            const std::span<const char> window = std::span<const char>(segment).first(size).subspan(at);
            const Frame frame = next_frame(framing, window, scan, 65536);
            const std::string_view item(window.data() + frame.begin, frame.end - frame.begin);
            const auto decoded = decoder.decode(item);
            if (decoded.bad) state.SkipWithError("an item was refused");
            writer.append_item(out, event_of(decoded.key, item, n++));
            at += frame.next;
        }
        benchmark::DoNotOptimize(out.data());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(items_a_segment));
}
BENCHMARK_CAPTURE(segment_to_lines, ndjson, Framing::ndjson)->Arg(50)->Arg(200);
BENCHMARK_CAPTURE(segment_to_lines, json, Framing::json)->Arg(50)->Arg(200);

}  // namespace

BENCHMARK_MAIN();
