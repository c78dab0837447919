#include <iostream>
#include <memory>
#include <string>
#include <variant>

#include "api/api_endpoint.h"
#include "cli/client_request.h"
#include "cli/verbs.h"
#include "client/admin_reply.h"
#include "spool/archive.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

struct SpoolFlags {
    AdminAccess admin;
    std::string directory;  ///< directory of the spool
    std::string copy;       ///< destination of the backup
    bool json = false;
};

int refuse_spool(const Error& error, int code) {
    print_error(error.message);
    return code;
}

std::string of_events(Position first, Position last) {
    return (first == last ? "event " : "events ") + human_count(first) +
           (first == last ? "" : " to " + human_count(last));
}

/// Queries the gateway on this machine for the directory of its spool.
std::variant<std::string, AdminFailure> directory_of_gateway(const AdminAccess& admin) {
    auto reply = read_reply(admin, call_admin(admin, {.target = std::string(api_path::status)}), status_proof);
    if (auto* const failure = std::get_if<AdminFailure>(&reply)) return std::move(*failure);
    std::string path = std::get<AdminReply>(reply).view().text("/sink/spool/path");
    if (!path.empty()) return path;
    return AdminFailure{.lines = {"the gateway at " + printable(admin.address) + " has no spool"}};
}

void print_copy(const SpoolCopy& copy, const std::string& to) {
    for (const std::string& file : copy.damaged) print_error(file + " is damaged and was copied unchanged");
    std::cout << "copied spool " << printable(copy.id) << " to " << printable(to) << ": " << copy.files
              << (copy.files == 1 ? " file" : " files") << " of events, " << human_bytes(copy.bytes) << '\n';
}

int back_up(const SpoolFlags& flags) {
    std::string from = flags.directory;
    if (from.empty()) {
        auto found = directory_of_gateway(flags.admin);
        if (const auto* const failure = std::get_if<AdminFailure>(&found))
            return refuse_spool({failure->text() + "; name the directory with --spool"}, failure->code);
        from = std::get<std::string>(std::move(found));
    }
    const auto copy = copy_spool(from, flags.copy);
    if (!copy) return refuse_spool(copy.error(), exit_answer_is_no);
    print_copy(copy.value(), flags.copy);
    return exit_good;
}

int restore(const SpoolFlags& flags) {
    const auto copy = copy_spool(flags.copy, flags.directory);
    if (!copy) return refuse_spool(copy.error(), exit_answer_is_no);
    print_copy(copy.value(), flags.directory);
    return exit_good;
}

void print_verdict_json(const SpoolVerdict& verdict) {
    JsonWriter json;
    json.begin_object().field("sound", verdict.is_sound()).field("id", verdict.id).field("files", verdict.files);
    json.field("rows", verdict.rows).field("events", verdict.events);
    json.field("first", verdict.first).field("last", verdict.last).key("groups").begin_array();
    for (const SpoolGroup& group : verdict.groups) {
        json.begin_object().field("name", group.name).field("position", group.position).end_object();
    }
    json.end_array().key("missing").begin_array();
    for (const MissingRange& range : verdict.missing) {
        json.begin_object().field("first", range.first).field("last", range.last).field("why", range.why).end_object();
    }
    json.end_array().key("problems").begin_array();
    for (const std::string& problem : verdict.problems) json.value(problem);
    std::cout << json.end_array().end_object().take() << '\n';
}

void print_text(const SpoolVerdict& verdict) {
    std::cout << "spool " << printable(verdict.id) << ": " << verdict.files << (verdict.files == 1 ? " file" : " files")
              << " of events, " << human_count(verdict.rows) << " rows, ";
    if (verdict.first == 0) {
        std::cout << "no event\n";
    } else {
        std::cout << of_events(verdict.first, verdict.last) << ", " << human_count(verdict.events) << " readable\n";
    }
    for (const SpoolGroup& group : verdict.groups) {
        std::cout << "group " << printable(group.name) << " is at " << human_count(group.position) << '\n';
    }
    for (const MissingRange& range : verdict.missing) {
        std::cout << "missing: " << of_events(range.first, range.last) << ": " << printable(range.why) << '\n';
    }
    for (const std::string& problem : verdict.problems) std::cout << "problem: " << printable(problem) << '\n';
    std::cout << (verdict.is_sound() ? "sound\n" : "not sound: all other events are delivered\n");
}

int verify(const SpoolFlags& flags) {
    const auto verdict = verify_spool(flags.directory);
    if (!verdict) return refuse_spool(verdict.error(), exit_answer_is_no);
    flags.json ? print_verdict_json(verdict.value()) : print_text(verdict.value());
    return verdict.value().is_sound() ? exit_good : exit_answer_is_no;
}

}  // namespace

Verb make_spool_verb() {
    const auto flags = std::make_shared<SpoolFlags>();
    const Verb backup_part{
        "backup", "copy a spool, even of a running gateway",
        Arguments{
            {"DIR", &flags->copy, "", "directory of the copy, new or empty", {.required = true}},
            {"--spool", &flags->directory, "DIR", "directory of the spool; default: that of the gateway at --admin"}} +
            admin_arguments(flags->admin),
        [flags] { return back_up(*flags); }};
    const Verb restore_part{
        "restore",
        "restore a spool from a backup, before its gateway starts",
        {{"BACKUP", &flags->copy, "", "directory of a backup by holdfast spool backup", {.required = true}},
         {"DIR", &flags->directory, "", "directory of sink.path, new or empty", {.required = true}}},
        [flags] { return restore(*flags); }};
    const Verb verify_part{"verify",
                           "read and check every row of a spool or a backup",
                           {{"DIR", &flags->directory, "", "directory of the spool or backup", {.required = true}},
                            {"--json", &flags->json, "", "JSON, for scripts"}},
                           [flags] { return verify(*flags); }};
    return {.name = "spool",
            .help = "back up, restore and verify the files of a spool",
            .parts = {backup_part, restore_part, verify_part}};
}

}  // namespace holdfast
