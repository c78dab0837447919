#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <holdfast/result.h>

#include "client/admin_client.h"
#include "model/exit_code.h"

namespace holdfast {

/// Reads the API's JSON by pointers (RFC 6901). An absent value, or one of another type, reads as empty or zero,
/// because the answer is external input. Refers to the document of its parser and must not outlive it.
class AnswerView {
public:
    explicit AnswerView(simdjson::dom::element element) : element_(element) {}

    /// Returns a string, a number as it is written, or an empty text for null.
    [[nodiscard]] std::string text(std::string_view pointer) const;
    [[nodiscard]] std::uint64_t count(std::string_view pointer) const;
    [[nodiscard]] double real(std::string_view pointer) const;
    [[nodiscard]] bool flag(std::string_view pointer) const;
    [[nodiscard]] bool has(std::string_view pointer) const;

    [[nodiscard]] std::vector<AnswerView> list(std::string_view pointer) const;
    /// Returns the names of an object's members, in their order.
    [[nodiscard]] std::vector<std::string> names() const;
    /// Returns the counts of an object without the zeros, largest first.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counts(std::string_view pointer) const;

private:
    simdjson::dom::element element_;
};

/// Why a request has no answer of use. All verbs take their words and their exit code from it.
struct AdminFailure {
    ExitCode code = exit_unreachable;
    int status = 0;                  ///< of HTTP; 0: no answer
    std::vector<std::string> lines;  ///< at least one error; may contain unprintable bytes of the server

    /// Returns the lines as one.
    [[nodiscard]] std::string text() const;
};

/// Returns the failure that `answer` stands for, or nullopt if its status is below 300.
[[nodiscard]] std::optional<AdminFailure> failure_of(const AdminAccess& access, const Result<AdminAnswer>& answer);
/// Returns the failure of a server whose answers are not those of a gateway.
[[nodiscard]] AdminFailure not_a_gateway(const AdminAccess& access, int status);

/// Points to a field that the status of every gateway has.
constexpr std::string_view status_proof = "/pid";

/// A JSON object that a gateway answered. Owns its document.
class AdminReply {
public:
    [[nodiscard]] AnswerView view() const { return AnswerView(root_); }
    [[nodiscard]] const std::string& body() const { return body_; }

private:
    friend std::variant<AdminReply, AdminFailure> read_reply(const AdminAccess& access, Result<AdminAnswer> answer,
                                                             std::string_view proof);
    AdminReply() = default;

    std::string body_;
    std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();
    simdjson::dom::element root_;
};

/// Reads the object of an answer, or the reason why there is none. `proof` points to a field that every gateway's
/// answer has; empty: any object is accepted.
[[nodiscard]] std::variant<AdminReply, AdminFailure> read_reply(const AdminAccess& access, Result<AdminAnswer> answer,
                                                                std::string_view proof = {});

}  // namespace holdfast
