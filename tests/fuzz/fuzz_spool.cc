// The input is damage: steps of six bytes, each to one file of a small spool. The spool then opens or is rejected, and
// every event it returns was stored there, at that position.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "spool/spool.h"

namespace {

using namespace holdfast;
namespace fs = std::filesystem;

constexpr std::uint64_t events_in_all = 60;
constexpr std::uint64_t events_in_batch = 4;
constexpr std::size_t longest_growth = 64 * 1024;

using Lines = std::map<Position, std::string>;

SpoolOptions options_of(const fs::path& directory) {
    SpoolOptions options;
    options.directory = directory.string();
    return options;
}

void append(Spool& spool, std::uint64_t first) {
    SpoolBatch batch;
    for (std::uint64_t n = first; n < first + events_in_batch; ++n, ++batch.events)
        batch.lines += "{\"n\":" + std::to_string(n) + ",\"fill\":\"" + std::string(n * 3 % 50, 'x') + "\"}\n";
    batch.listeners = {{"devices", batch.events}};
    batch.marks = {{{"device-" + std::to_string(first % 7), "boot", first % 2 == 0}, first}};
    std::promise<void> durable;
    batch.durable = [&durable] { durable.set_value(); };
    spool.append(std::move(batch));
    durable.get_future().wait();
}

/// Returns all readable events, page by page.
Lines read_all(Spool& spool) {
    Lines lines;
    for (Position after = 0;;) {
        const auto page = spool.read(after, 9, 4096);
        if (!page) return lines;
        for (const SpooledEvent& event : page.value().events) {
            HOLDFAST_CHECK(event.position > after && event.listener == "devices");
            HOLDFAST_CHECK(lines.emplace(event.position, event.line).second);
        }
        for (const MissingRange& range : page.value().missing) HOLDFAST_CHECK(range.first <= range.last);
        if (page.value().next_after <= after) return lines;
        after = page.value().next_after;
    }
}

/// A spool in the state after a killed gateway, made once, and a directory for its damaged copy.
struct Workshop {
    fs::path root;
    std::vector<fs::path> files;
    Lines lines;

    Workshop() {
        std::string name =
            (fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path().string()) + "/holdfast-fuzz-spool-XXXXXX";
        HOLDFAST_CHECK(::mkdtemp(name.data()) != nullptr);
        root = name;
        fs::create_directory(root / "living");
        auto spool = Spool::open(options_of(root / "living"));
        HOLDFAST_CHECK(spool.ok());
        for (std::uint64_t n = 1; n <= events_in_all; n += events_in_batch) {
            append(*spool.value(), n);
            if (n + events_in_batch > events_in_all / 2 && n <= events_in_all / 2) {  // seals the first of two files
                spool = Result<std::unique_ptr<Spool>>(Error{"closed"});
                spool = Spool::open(options_of(root / "living"));
                HOLDFAST_CHECK(spool.ok());
            }
        }
        HOLDFAST_CHECK(!spool.value()->set_position("group", events_in_all / 3));
        lines = read_all(*spool.value());
        HOLDFAST_CHECK(lines.size() == events_in_all);
        fs::copy(root / "living", root / "whole");
        spool = Result<std::unique_ptr<Spool>>(Error{"closed"});
        for (const auto& entry : fs::directory_iterator(root / "whole")) files.push_back(entry.path().filename());
        std::sort(files.begin(), files.end());
    }
    ~Workshop() {
        std::error_code ignored;
        fs::remove_all(root, ignored);
    }
};

void damage(const fs::path& file, const std::uint8_t* step) {
    std::error_code ignored;
    if (!fs::exists(file)) return;
    const std::size_t size = fs::file_size(file);
    const std::size_t at = (std::size_t{step[2]} << 16 | std::size_t{step[3]} << 8 | step[4]) % (size + 1);
    switch (step[1] % 5) {
        case 0:
            return fs::resize_file(file, at, ignored);
        case 1:
            return fs::resize_file(file, size + std::size_t{step[5]} * longest_growth / 255, ignored);
        case 2:
            if (step[5] < 8) fs::remove(file, ignored);
            return;
        default:
            break;
    }
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(static_cast<std::streamoff>(at));
    const std::string value(step[1] % 5 == 3 ? 1 : 512, static_cast<char>(step[5]));
    bytes.write(value.data(), static_cast<std::streamsize>(value.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Workshop workshop;
    constexpr std::size_t step_bytes = 6;
    const fs::path copy = workshop.root / "damaged";
    fs::remove_all(copy);
    fs::copy(workshop.root / "whole", copy);
    for (std::size_t at = 0; at + step_bytes <= size && at < 16 * step_bytes; at += step_bytes)
        damage(copy / workshop.files[data[at] % workshop.files.size()], data + at);
    auto opened = Spool::open(options_of(copy));
    if (!opened) {
        HOLDFAST_CHECK(!opened.error().message.empty());
        return 0;
    }
    Spool& spool = *opened.value();
    for (const auto& [position, line] : read_all(spool)) {
        const auto original = workshop.lines.find(position);
        HOLDFAST_CHECK(original != workshop.lines.end() && original->second == line);
    }
    static_cast<void>(spool.groups());
    const Position before = spool.status().last;
    append(spool, 1'000);  // the spool continues after all earlier events
    HOLDFAST_CHECK(spool.status().last >= before + events_in_batch);
    return 0;
}
