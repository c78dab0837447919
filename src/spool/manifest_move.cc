#include <utility>

#include "spool/database_copy.h"
#include "spool/manifest.h"
#include "spool/segment_file.h"

namespace holdfast {

std::optional<DbError> Manifest::move_to_new_file(const SpoolDirectory& directory) {
    const std::lock_guard lock(mutex_);
    const std::string path = directory.control_path();
    const std::string making = directory.making_control_path();
    SpoolDirectory::remove(making);
    if (auto failed = copy_database(database_, making)) return failed;
    if (auto failed = directory.replace(making, path)) return failed;
    DbError error;
    auto fresh = Database::open(path, Database::Use::write, error);
    if (!fresh) return error;
    if (auto failed = set_up_for_writing(*fresh)) return failed;
    if (auto failed = sync_log_name(directory)) return failed;
    Database former = std::exchange(database_, std::move(*fresh));
    former.keep_log_on_close();  // closing would checkpoint, and then remove the new file's log by its name
    auto failed = prepare(path);
    if (!failed) return std::nullopt;
    database_ = std::move(former);
    static_cast<void>(prepare(path));
    return failed;
}

}  // namespace holdfast
