#include <sqlite3.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

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

/// SQLite still has removed files open, so what they hold is copied under their names again. The directory comes first:
/// another process may have one of that name by now.
std::optional<DbError> SpoolWriter::try_to_replace_files() {
    const auto replaced = parts_.directory.hold().reclaim();
    if (!replaced) return DbError{DbFault::busy, SQLITE_BUSY, replaced.error().message};
    const std::string control = parts_.directory.control_path();
    std::string names = replaced.value();
    const auto add = [&names](const std::string& path) {
        if (!names.empty()) names += ", ";
        names += path.substr(path.rfind('/') + 1);
    };
    if (segment_ && !parts_.files.is_intact(segment_path())) {
        add(segment_path());
        if (auto failed = replace_segment()) return failed;
    }
    if (!parts_.files.is_intact(control)) {
        add(control);
        if (auto failed = parts_.control.move_to_new_file(parts_.directory)) return failed;
        parts_.files.watch(control);
    }
    files_missing_ = false;
    if (!names.empty()) {
        parts_.files_replaced("files of the spool in " + parts_.directory.path() +
                              " were removed while it was in use: " + names +
                              "; they were made again, and what was open was copied: find what removed them");
    }
    return std::nullopt;
}

/// The events that were acknowledged go into a new file under the same name; the next row begins another one. Where the
/// removed file cannot be read any more, they are lost.
std::optional<DbError> SpoolWriter::replace_segment() {
    const std::string path = segment_path();
    const std::string copy = parts_.directory.making_segment_path();
    const Position first = segment_->first();
    const Position last = parts_.book.last();
    auto failed = last < first ? std::nullopt : segment_->copy_to(copy, last);
    if (!failed && last >= first) failed = put_copy_in_place(copy, path);
    if (failed && (failed->fault == DbFault::full || failed->fault == DbFault::busy)) return failed;
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

std::optional<DbError> SpoolWriter::put_copy_in_place(const std::string& copy, const std::string& path) {
    std::optional<DbError> failed;
    parts_.without_readers(segment_->first(), [&] {
        SpoolDirectory::remove(path);  // a log without its file would be read into the copy
        if (::rename(copy.c_str(), path.c_str()) == 0 && parts_.directory.sync()) return;
        const bool full = errno == ENOSPC || errno == EDQUOT;
        failed = DbError{full ? DbFault::full : DbFault::busy, SQLITE_IOERR,
                         "cannot rename " + copy + ": " + std::strerror(errno)};
    });
    return failed;
}

}  // namespace holdfast
