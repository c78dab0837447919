#include <sqlite3.h>

#include <iterator>
#include <utility>

#include "spool/start_retries.h"
#include "spool/writer.h"

namespace holdfast {

void SpoolWriter::replace_files() {
    files_missing_ = true;
    {
        const std::lock_guard lock(mutex_);
        waits_ = Waits::no;
    }
    wake_.notify_one();
}

/// Returns false if there is no time left.
bool SpoolWriter::replace_files_patiently() {
    while (const auto failed = try_to_replace_files()) {
        if (!wait_out(*failed)) return false;
    }
    note_recovery();
    return true;
}

/// Copies the content of removed files, which SQLite still has open, to their names. The directory comes first, because
/// another process may hold a new one of that name.
std::optional<DbError> SpoolWriter::try_to_replace_files() {
    const auto replaced = parts_.directory.hold().reclaim();
    if (!replaced) return DbError{DbFault::busy, SQLITE_BUSY, replaced.error().message};
    const std::string manifest = parts_.directory.manifest_path();
    std::string names = replaced.value();
    const auto add = [&names](const std::string& path) {
        if (!names.empty()) names += ", ";
        names += path.substr(path.rfind('/') + 1);
    };
    if (segment_ && !parts_.files.is_intact(segment_path())) {
        add(segment_path());
        if (auto failed = replace_segment()) return failed;
    }
    if (!parts_.files.is_intact(manifest)) {
        add(manifest);
        parts_.files.condemn(manifest);
        if (auto failed = parts_.manifest.move_to_new_file(parts_.directory)) return failed;
        parts_.files.watch(manifest);
    }
    files_missing_ = false;
    if (!names.empty()) {
        parts_.files_replaced("files of the spool in " + parts_.directory.path() +
                              " were removed while in use: " + names +
                              "; they are created again with copies of open ones; find the cause of the removal");
    }
    return std::nullopt;
}

/// Copies the acknowledged events into a new file under the same name; the next row begins another file. Events are
/// lost only if consecutive reads of the removed file find damage: any other failure may pass.
std::optional<DbError> SpoolWriter::replace_segment() {
    const Position first = segment_->first();
    const Position last = parts_.book.last();
    const auto failed = last < first ? std::nullopt : copy_segment(last);
    if (failed && failed->fault != DbFault::damaged) damaged_reads_ = 0;
    if (failed && (failed->fault != DbFault::damaged || damaged_reads_++ < std::size(pauses_before_damage)))
        return failed;
    damaged_reads_ = 0;
    const auto segments = parts_.book.all();
    close_segment();
    if (failed) {
        parts_.book.removed(first);
        parts_.segment_lost(segments.back());
    } else {
        parts_.book.sealed(first);
    }
    return std::nullopt;
}

std::optional<DbError> SpoolWriter::copy_segment(Position last) {
    const std::string path = segment_path();
    const std::string copy = parts_.directory.making_segment_path();
    if (auto failed = segment_->copy_to(copy, last)) return failed;
    parts_.files.condemn(path);
    std::optional<DbError> failed;
    parts_.without_readers(segment_->first(), [&] { failed = parts_.directory.replace(copy, path); });
    return failed;
}

/// Closes the file, unless it was removed: until its content is copied, only this process can read it.
void SpoolWriter::finish_segment() {
    if (segment_ && !parts_.files.is_intact(segment_path())) {
        files_missing_ = true;
        return;
    }
    close_segment();
}

}  // namespace holdfast
