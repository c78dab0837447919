#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

/// Reads the API's JSON by pointers (RFC 6901). What is absent, or of another type, reads as empty or zero: the
/// answer comes from outside. Refers to its parser's document and lives no longer.
class AnswerView {
public:
    explicit AnswerView(simdjson::dom::element element) : element_(element) {}

    /// A string; a number as it stands; empty for null.
    [[nodiscard]] std::string text(std::string_view pointer) const;
    [[nodiscard]] std::uint64_t count(std::string_view pointer) const;
    [[nodiscard]] double real(std::string_view pointer) const;
    [[nodiscard]] bool flag(std::string_view pointer) const;
    [[nodiscard]] bool has(std::string_view pointer) const;

    [[nodiscard]] std::vector<AnswerView> list(std::string_view pointer) const;
    /// The counts of an object, zeros left out, largest first.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counts(std::string_view pointer) const;

private:
    simdjson::dom::element element_;
};

}  // namespace holdfast
