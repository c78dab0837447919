#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
    /// Returns the counts of an object without the zeros, largest first.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counts(std::string_view pointer) const;

private:
    simdjson::dom::element element_;
};

}  // namespace holdfast
