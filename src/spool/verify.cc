#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>
#include <variant>

#include "spool/archive.h"
#include "spool/database.h"
#include "spool/directory.h"
#include "spool/segment_reader.h"

namespace holdfast {

namespace {

constexpr int seal_timeout_ms = 10'000;  // until a gateway has sealed the file

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// Reads the files of one spool for a verdict.
class Verification {
public:
    explicit Verification(std::string directory) : directory_(std::move(directory)) {}

    [[nodiscard]] std::optional<Error> run();
    [[nodiscard]] SpoolVerdict take() { return std::move(verdict_); }

private:
    [[nodiscard]] std::optional<Error> read_manifest();
    void read_groups(Database& manifest);
    [[nodiscard]] std::optional<Error> read_segment(Position first, std::optional<Position> next);
    [[nodiscard]] std::optional<Error> read_rows(std::optional<SegmentReader> reader, Position first, Position end);
    void check_owner(const std::string& path);
    void check_ends();
    [[nodiscard]] Error unreadable(const std::string& path, const DbError& error) const {
        return Error{"cannot read " + path + ": " + error.message +
                     "; run the command as the owner of the directory, or see the kernel's log for the disk"};
    }

    const std::string directory_;
    SpoolVerdict verdict_;
    Position complete_ = 0;
};

std::optional<Error> Verification::run() {
    SpoolDirectory::Contents contents;
    const bool listed = !SpoolDirectory::list_in(directory_, contents);
    if (SpoolDirectory::is_missing(directory_) || (listed && !contents.manifest && contents.segments.empty())) {
        return Error{directory_ + " contains no spool; name the directory of sink.path, or a backup"};
    }
    if (!SpoolDirectory::is_missing(directory_ + "/" + SpoolDirectory::incomplete)) {
        verdict_.problems.emplace_back("a backup or a restore into the directory did not finish; run that again");
    }
    if (auto error = read_manifest()) return error;  // before the files of events, so that it is not ahead of them
    if (const auto failed = SpoolDirectory::list_in(directory_, contents)) return unreadable(directory_, *failed);
    const std::vector<Position>& segments = contents.segments;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const auto next = i + 1 < segments.size() ? std::optional(segments[i + 1]) : std::nullopt;
        if (auto error = read_segment(segments[i], next)) return error;
    }
    check_ends();
    return std::nullopt;
}

std::optional<Error> Verification::read_manifest() {
    const std::string path = directory_ + "/spool.db";
    DbError error;
    auto manifest = Database::open(path, Database::Use::read, error);
    std::optional<std::string> check;
    if (manifest) {
        manifest->set_busy_timeout_ms(seal_timeout_ms);
        check = manifest->value_of("PRAGMA quick_check(1)");
        if (!check) error = manifest->error();
    }
    if (!check && error.fault != DbFault::damaged && error.fault != DbFault::gone) return unreadable(path, error);
    if (!check || *check != "ok") {
        verdict_.problems.push_back("spool.db is damaged: " + (check ? *check : error.message) +
                                    "; the next start of a gateway creates it again");
        return std::nullopt;
    }
    verdict_.id = manifest->value_of("SELECT value FROM about WHERE key = 'id'").value_or("");
    const std::string complete = manifest->value_of("SELECT value FROM about WHERE key = 'complete'").value_or("");
    static_cast<void>(std::from_chars(complete.data(), complete.data() + complete.size(), complete_));
    read_groups(*manifest);
    return std::nullopt;
}

void Verification::read_groups(Database& manifest) {
    Statement groups = manifest.prepare("SELECT name, position, moved_at FROM consumer_group ORDER BY name");
    if (!groups.valid()) return;
    while (groups.step() == Statement::Step::row) {
        verdict_.groups.push_back({std::string(groups.text(0)), static_cast<Position>(groups.number(1)), false,
                                   WallTime(std::chrono::milliseconds(groups.number(2)))});
    }
}

void Verification::check_owner(const std::string& path) {
    DbError error;
    auto database = Database::open(path, Database::Use::read, error);
    const auto owner = database ? database->value_of("SELECT value FROM about WHERE key = 'spool'") : std::nullopt;
    if (!owner || verdict_.id.empty() || *owner == verdict_.id) return;
    verdict_.problems.push_back(name_of(path) + " belongs to the spool " + *owner + ", not to " + verdict_.id);
}

std::optional<Error> Verification::read_segment(Position first, std::optional<Position> next) {
    const std::string path = SpoolDirectory::segment_path_in(directory_, first);
    DbError error;
    auto reader = SegmentReader::open(path, error);
    if (!reader && SpoolDirectory::is_missing(path)) return std::nullopt;  // removed by retention
    if (!reader && error.fault != DbFault::damaged) return unreadable(path, error);
    ++verdict_.files;
    check_owner(path);
    SegmentReader::Tail tail{.last = first, .certain = false};
    if (reader) {
        if (const auto failed = reader->tail(first, tail)) return unreadable(path, *failed);
    }
    const Position end = next.value_or(tail.last == 0 ? first : tail.last + 1);
    if (!tail.certain) verdict_.problems.push_back(name_of(path) + " is damaged: the end cannot be read");
    if (!reader && end > first) verdict_.missing.push_back({first, end - 1, "SQLite: " + error.message});
    if (end > first && verdict_.first == 0) verdict_.first = first;
    if (end > first) verdict_.last = end - 1;
    return reader ? read_rows(std::move(reader), first, end) : std::nullopt;
}

std::optional<Error> Verification::read_rows(std::optional<SegmentReader> reader, Position first, Position end) {
    const std::string path = SpoolDirectory::segment_path_in(directory_, first);
    for (Position wanted = first; wanted < end;) {
        auto found = find_patiently(path, reader, wanted, end);
        if (const auto* error = std::get_if<DbError>(&found)) return unreadable(path, *error);
        if (auto* hole = std::get_if<MissingRange>(&found)) {
            wanted = hole->last + 1;
            verdict_.missing.push_back(std::move(*hole));
            continue;
        }
        const auto& row = std::get<SegmentReader::Row>(found);
        ++verdict_.rows;
        verdict_.events += row->last() + 1 - wanted;
        wanted = row->last() + 1;
    }
    return std::nullopt;
}

void Verification::check_ends() {
    if (complete_ > verdict_.last && verdict_.files > 0) {
        verdict_.missing.push_back(
            {verdict_.last + 1, complete_, "spool.db counts these events, and no file has them"});
    }
    for (const SpoolGroup& group : verdict_.groups) {
        if (group.position <= std::max(verdict_.last, complete_)) continue;
        verdict_.problems.push_back("group " + group.name + " is at " + std::to_string(group.position) +
                                    ", beyond the newest event");
    }
}

}  // namespace

Result<SpoolVerdict> verify_spool(const std::string& directory) {
    Verification verification(directory);
    if (auto error = verification.run()) return *error;
    return verification.take();
}

}  // namespace holdfast
