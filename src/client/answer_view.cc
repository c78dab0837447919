#include "client/answer_view.h"

#include <algorithm>

namespace holdfast {

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

}  // namespace holdfast
