#include "spool/start_space.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <vector>

#include "base/unique_fd.h"
#include "spool/database.h"
#include "spool/directory.h"
#include "spool/segment_reader.h"
#include "spool/spool_clock.h"
#include "text/units.h"

namespace holdfast {

namespace {

namespace fs = std::filesystem;

/// Space for spool.db with its log and index, and for a file of events with its own.
constexpr off_t needed_bytes = off_t{1} << 20;
constexpr fsfilcnt_t needed_inodes = 16;

/// Returns the directory, or its nearest ancestor that exists.
std::string existing(const std::string& directory) {
    std::error_code error;
    fs::path path = fs::absolute(directory, error);
    while (!path.empty() && path != path.root_path() && !fs::is_directory(path, error)) path = path.parent_path();
    return path;
}

/// Returns whether the file system can allocate the space, because its figures exclude quotas and reserved blocks.
bool can_allocate(const std::string& directory, std::uint64_t free_bytes) {
    const UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file.valid()) {
        if (errno == ENOSPC || errno == EDQUOT) return false;
        return free_bytes >= static_cast<std::uint64_t>(needed_bytes);
    }
    if (::fallocate(file.get(), 0, 0, needed_bytes) == 0) return true;
    if (errno == ENOSPC || errno == EDQUOT) return false;
    return free_bytes >= static_cast<std::uint64_t>(needed_bytes);
}

/// Facts of spool.db that retention needs. Read without a log and an index, which would need space.
struct ManifestFacts {
    std::vector<std::pair<std::string, Position>> groups;
    Position complete = 0;
    std::string clock;
    bool knows_open = false;
};

std::optional<Database> open_manifest(const std::string& path) {
    DbError error;
    const bool log = SpoolDirectory::plain_bytes_of(path + "-wal") > 0;
    return log ? Database::open(path, Database::Use::read, error) : Database::open_immutable(path, error);
}

std::optional<ManifestFacts> read_manifest(const std::string& path) {
    auto manifest = open_manifest(path);
    if (!manifest) return std::nullopt;
    ManifestFacts facts;
    const auto about = [&](const char* sql) { return manifest->value_of(sql).value_or(""); };
    const std::string complete = about("SELECT value FROM about WHERE key = 'complete'");
    static_cast<void>(std::from_chars(complete.data(), complete.data() + complete.size(), facts.complete));
    facts.clock = about("SELECT value FROM about WHERE key = 'clock'");
    facts.knows_open = !about("SELECT value FROM about WHERE key = 'knows_open'").empty();
    Statement groups = manifest->prepare("SELECT name, position FROM consumer_group");
    if (!groups.valid()) return std::nullopt;
    Statement::Step step{};
    while ((step = groups.step()) == Statement::Step::row) {
        facts.groups.emplace_back(std::string(groups.text(0)), static_cast<Position>(groups.number(1)));
    }
    return step == Statement::Step::done ? std::optional(std::move(facts)) : std::nullopt;
}

/// Returns the position up to which events may be removed.
Position removable(const ManifestFacts& manifest, const std::vector<std::string>& required) {
    Position up_to = manifest.complete;
    for (const std::string& name : required) {
        const auto found = std::find_if(manifest.groups.begin(), manifest.groups.end(),
                                        [&](const auto& group) { return group.first == name; });
        up_to = std::min(up_to, found == manifest.groups.end() ? 0 : found->second);
    }
    return up_to;
}

bool is_old(const std::string& path, Position first, const SpoolClock* clock, std::chrono::milliseconds age) {
    if (clock == nullptr || SpoolDirectory::has_log(path)) return false;
    DbError error;
    SegmentReader::Tail tail;
    auto reader = SegmentReader::open(path, error);
    if (!reader || reader->tail(first, tail) || tail.at == WallTime::max()) return false;
    return clock->now() - tail.at > age;
}

}  // namespace

std::optional<std::string> lack_of_space(const std::string& directory) {
    const std::string path = existing(directory);
    struct statvfs figures {};
    if (::statvfs(path.c_str(), &figures) != 0) return std::nullopt;
    const bool root = ::geteuid() == 0;
    const fsfilcnt_t inodes = root ? figures.f_ffree : figures.f_favail;
    if (figures.f_files > 0 && inodes < needed_inodes) {
        return "the file system of " + directory + " has no inodes left (" + std::to_string(inodes) + " of " +
               std::to_string(figures.f_files) + " are free); remove files there, or recreate it with more inodes";
    }
    const std::uint64_t free_bytes = std::uint64_t{root ? figures.f_bfree : figures.f_bavail} * figures.f_frsize;
    if (can_allocate(path, free_bytes)) return std::nullopt;
    return "the file system of " + directory + " is full (" + human_bytes(free_bytes) +
           " free, or a quota is used up); " + "free some space, or lower sink.retain_bytes and restart the gateway";
}

std::size_t retain_before_start(const SpoolOptions& options) {
    if (SpoolDirectory::is_missing(options.directory + "/spool.db")) return 0;
    auto directory = SpoolDirectory::take(options.directory);
    SpoolDirectory::Contents contents;
    if (!directory || directory.value().list(contents)) return 0;
    const auto manifest = read_manifest(directory.value().manifest_path());
    if (!manifest || !manifest->knows_open) return 0;
    SpoolClock clock(options.read_clocks ? options.read_clocks : read_system_clocks);
    clock.start(manifest->clock, std::nullopt);
    const SpoolClock* const ages = manifest->clock.empty() ? nullptr : &clock;
    const Position up_to = removable(*manifest, options.required_groups);
    std::uint64_t bytes = 0;
    for (const Position first : contents.segments) {
        bytes += SpoolDirectory::plain_bytes_of(directory.value().segment_path(first));
    }
    std::size_t removed = 0;
    for (std::size_t i = 0; i + 1 < contents.segments.size() && contents.segments[i + 1] - 1 <= up_to; ++i) {
        const std::string path = directory.value().segment_path(contents.segments[i]);
        const bool too_much = bytes > options.retain_bytes;
        if (!too_much && !is_old(path, contents.segments[i], ages, options.retain_age)) break;
        if (!directory.value().sync()) break;  // makes earlier removals durable: no hole after a power cut
        bytes -= std::min(bytes, SpoolDirectory::plain_bytes_of(path));
        SpoolDirectory::remove(path);
        ++removed;
    }
    return removed;
}

}  // namespace holdfast
