#include "client/admin_reply.h"

#include <algorithm>

#include "text/printable.h"

namespace holdfast {
namespace {

/// Returns the exit code of an error's HTTP status. 400 blames the request, 401 and 403 the token, and 503 an
/// overloaded gateway. Any other error is a negative answer.
ExitCode exit_code_of(int status) {
    if (status == 400 || status == 401 || status == 403) return exit_wrong_usage;
    return status == 503 ? exit_unreachable : exit_answer_is_no;
}

/// Returns the messages of an error. An answer with several errors, as for a configuration file, has one for each.
std::vector<std::string> messages_of(const AnswerView& answer) {
    std::vector<std::string> lines;
    for (const AnswerView& detail : answer.list("/error/details")) lines.push_back(detail.text(""));
    if (lines.empty() && answer.has("/error/message")) lines.push_back(answer.text("/error/message"));
    return lines;
}

}  // namespace

std::string AnswerView::text(std::string_view pointer) const {
    simdjson::dom::element found;
    if (element_.at_pointer(pointer).get(found)) return {};
    std::string_view string;
    if (!found.get(string)) return std::string(string);
    return found.is_number() ? std::string(simdjson::minify(found)) : std::string();
}

std::uint64_t AnswerView::count(std::string_view pointer) const {
    std::uint64_t value = 0;
    if (element_.at_pointer(pointer).get(value)) return 0;
    return value;
}

double AnswerView::real(std::string_view pointer) const {
    double value = 0;
    if (element_.at_pointer(pointer).get(value)) return 0;
    return value;
}

bool AnswerView::flag(std::string_view pointer) const {
    bool value = false;
    if (element_.at_pointer(pointer).get(value)) return false;
    return value;
}

bool AnswerView::has(std::string_view pointer) const {
    return element_.at_pointer(pointer).error() == simdjson::SUCCESS;
}

std::vector<AnswerView> AnswerView::list(std::string_view pointer) const {
    std::vector<AnswerView> out;
    simdjson::dom::array array;
    if (element_.at_pointer(pointer).get(array)) return out;
    for (const simdjson::dom::element element : array) out.emplace_back(element);
    return out;
}

std::vector<std::string> AnswerView::names() const {
    std::vector<std::string> out;
    simdjson::dom::object object;
    if (element_.get(object)) return out;
    for (const auto& [name, value] : object) out.emplace_back(name);
    return out;
}

std::vector<std::pair<std::string, std::uint64_t>> AnswerView::counts(std::string_view pointer) const {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    simdjson::dom::object object;
    if (element_.at_pointer(pointer).get(object)) return out;
    for (const auto& [name, value] : object) {
        std::uint64_t number = 0;
        if (!value.get(number) && number > 0) out.emplace_back(name, number);
    }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return out;
}

std::string AdminFailure::text() const {
    std::string all;
    for (const std::string& line : lines) all += (all.empty() ? "" : "; ") + line;
    return all;
}

AdminFailure not_a_gateway(const AdminAccess& access, int status) {
    return {.code = exit_unreachable,
            .status = status,
            .lines = {"the server at " + printable(access.address) + " is not a holdfast gateway (HTTP status " +
                      std::to_string(status) + "); name the admin address with --admin"}};
}

std::optional<AdminFailure> failure_of(const AdminAccess& access, const Result<AdminAnswer>& answer) {
    if (!answer) return AdminFailure{.code = exit_unreachable, .status = 0, .lines = {answer.error().message}};
    const auto& [status, body] = answer.value();
    if (status < 300) return std::nullopt;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(body).get(root)) return not_a_gateway(access, status);
    auto lines = messages_of(AnswerView(root));
    if (lines.empty()) return not_a_gateway(access, status);
    return AdminFailure{.code = exit_code_of(status), .status = status, .lines = std::move(lines)};
}

std::variant<AdminReply, AdminFailure> read_reply(const AdminAccess& access, Result<AdminAnswer> answer,
                                                  std::string_view proof) {
    if (auto failure = failure_of(access, answer)) return std::move(*failure);
    AdminReply reply;
    reply.body_ = std::move(answer.value().body);
    const bool is_object = !reply.parser_->parse(reply.body_).get(reply.root_) && reply.root_.is_object();
    if (!is_object || (!proof.empty() && !reply.view().has(proof))) return not_a_gateway(access, answer.value().status);
    return reply;
}

}  // namespace holdfast
