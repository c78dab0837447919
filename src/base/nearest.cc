#include "base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace holdfast {
namespace {

constexpr std::size_t longest_given = 100;  // the work is quadratic, and no option's name is half as long

std::string folded(std::string_view word) {
    std::string out(word);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (c == '-') c = '_';
    }
    return out;
}

/// Returns the optimal string alignment distance: Levenshtein's, with a swap of neighbours as one step.
std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> nearest_word(std::string_view given, std::span<const std::string_view> known) {
    if (given.size() > longest_given) return std::nullopt;
    const std::string from = folded(given);
    std::optional<std::string_view> best;
    std::size_t min = 0;
    for (const std::string_view word : known) {
        const std::size_t steps = distance(from, folded(word));
        if (steps > std::max<std::size_t>(1, std::max(from.size(), word.size()) / 3)) continue;
        if (!best || steps < min) {
            best = word;
            min = steps;
        }
    }
    return best;
}

}  // namespace holdfast
