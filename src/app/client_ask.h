#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "app/admin_client.h"
#include "app/answer_view.h"
#include "app/command_line.h"
#include "app/verb.h"

namespace holdfast {

/// The flags of every verb that asks a gateway.
struct ClientFlags {
    AdminAccess admin;
    bool json = false;
};

/// --admin-ca and --admin-token-file, which may come from the environment.
[[nodiscard]] Arguments admin_keys(AdminAccess& access);
/// These and --admin, which may too; in the help text under `group`.
[[nodiscard]] Arguments admin_arguments(AdminAccess& access, const std::string& group = "");
/// All flags of a verb that asks a gateway.
[[nodiscard]] Arguments client_arguments(ClientFlags& flags);

/// "/v1/x?a=1&b=2" out of its parts; values are percent-encoded, empty ones left out.
class QueryTarget {
public:
    explicit QueryTarget(std::string path) : text_(std::move(path)) {}
    QueryTarget& with(std::string_view name, std::string_view value);
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

/// How one kind of answer is shown.
struct Showing {
    std::function<std::string(const AnswerView&)> text;
    std::function<int(const AnswerView&)> verdict = [](const AnswerView&) { return exit_good; };
    std::function<bool(const AnswerView&)> wanted = [](const AnswerView&) { return true; };  ///< shown at all
};

/// Asks, prints the answer (with --json as it came) or the error, and returns the exit code.
int ask_and_show(const ClientFlags& flags, const AdminQuestion& question, const Showing& showing);

}  // namespace holdfast
