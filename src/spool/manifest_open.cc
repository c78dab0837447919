#include <algorithm>
#include <thread>
#include <utility>

#include "spool/database.h"
#include "spool/manifest.h"
#include "spool/segment_file.h"

namespace holdfast {
namespace {

Error cannot_open(const std::string& path, const DbError& error) {
    return Error{"cannot open the spool's " + path + ": " + error.message +
                 "; make it writable for this user, free some space, or see the kernel's log for the disk"};
}

/// Checks spool.db. Content that differs in a fresh read was not damaged.
std::optional<DbError> check_patiently(const Manifest::Opening& opening, ManifestCheck& check) {
    const std::string path = opening.directory.manifest_path();
    return opening.retries.run([&]() -> std::optional<DbError> {
        check = check_manifest(path);
        for (const auto pause : pauses_before_damage) {
            if (check.state != ControlState::damaged) break;
            std::this_thread::sleep_for(pause);
            check = check_manifest(path);
        }
        return check.state == ControlState::unreadable ? std::optional(check.error) : std::nullopt;
    });
}

}  // namespace

std::optional<DbError> Manifest::open_present(const Opening& opening, std::unique_ptr<Manifest>& manifest) {
    return opening.retries.run([&] {
        manifest.reset(new Manifest);
        auto failed = manifest->open_file(opening.directory.manifest_path());
        return failed ? failed : sync_log_name(opening.directory);
    });
}

Manifest::Opened Manifest::make_new(const Opening& opening, const ManifestSeed& seed, std::string* aside) {
    std::unique_ptr<Manifest> manifest;
    auto failed = make_manifest(opening.directory, seed, aside);
    if (!failed) failed = open_present(opening, manifest);
    if (failed) {
        return Error{"cannot create the spool's " + opening.directory.manifest_path() + ": " + failed->message +
                     "; free some space, give this user the directory, or choose another with --sink spool:DIR"};
    }
    manifest->used_ = std::max(manifest->used_, seed.complete);
    return manifest;
}

/// Handles a missing spool.db: a first start, or a file that was removed.
Manifest::Opened Manifest::make_lost(Opening& opening) {
    const auto& segments = opening.contents.segments;
    ManifestSeed seed;
    if (const auto failed =
            opening.retries.run([&] { return read_id_of_segments(opening.directory, segments, seed.id); }))
        return cannot_open("files of events", *failed);
    if (!segments.empty())
        opening.rebuilt = opening.directory.manifest_path() + " was missing and is created again with " +
                          (seed.id.empty() ? "a new id" : "the id of the files of events") +
                          ", and groups begin at the oldest event";
    if (seed.id.empty()) seed.id = draw_spool_id();
    return make_new(opening, seed);
}

/// Completes the new file before it replaces the damaged one.
Manifest::Opened Manifest::make_again(Opening& opening, const DbError& damage) {
    const std::string path = opening.directory.manifest_path();
    ManifestSeed seed;
    std::string aside;
    const auto failed = opening.retries.run([&]() -> std::optional<DbError> {
        if (auto unread = salvage_manifest(path, seed)) return unread;
        if (!seed.id.empty()) return std::nullopt;
        return read_id_of_segments(opening.directory, opening.contents.segments, seed.id);
    });
    if (failed) return cannot_open(path, *failed);
    if (seed.id.empty()) {
        // With another id, positions start again.
        seed = {.id = draw_spool_id(), .groups = {}, .complete = seed.complete};
    }
    auto made = make_new(opening, seed, &aside);
    opening.rebuilt = "the spool's " + path + " was damaged (" + damage.message + "), was moved to " + aside +
                      " and created again with " + std::to_string(seed.groups.size()) + " groups";
    return made;
}

Manifest::Opened Manifest::open(Opening& opening) {
    const std::string path = opening.directory.manifest_path();
    if (!opening.contents.manifest) return make_lost(opening);
    ManifestCheck check;
    if (const auto unreadable = check_patiently(opening, check)) return cannot_open(path, *unreadable);
    switch (check.state) {
        case ControlState::whole:
        case ControlState::unreadable:
            break;
        case ControlState::newer:
            return Error{path + " was made by a newer version of holdfast (schema " + std::to_string(check.schema) +
                         ", this version " + std::to_string(spool_schema) +
                         "); run that version, or choose another directory"};
        case ControlState::foreign:
            return Error{path + " is not a file of a spool; choose an empty or a new directory with --sink spool:DIR"};
        case ControlState::unmade:
            if (opening.contents.segments.empty()) return make_new(opening, {.id = draw_spool_id(), .groups = {}});
            return make_again(opening, check.error);
        case ControlState::damaged:
            return make_again(opening, check.error);
    }
    std::unique_ptr<Manifest> manifest;
    const auto failed = open_present(opening, manifest);
    if (!failed) return manifest;
    manifest.reset();
    return may_pass(*failed) || failed->fault == DbFault::full ? cannot_open(path, *failed)
                                                               : make_again(opening, *failed);
}

std::optional<DbError> Manifest::move_to_new_file(const SpoolDirectory& directory) {
    const std::lock_guard lock(mutex_);
    const std::string path = directory.manifest_path();
    const std::string making = directory.making_manifest_path();
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
