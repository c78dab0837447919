#include "conn/message_bounds.h"

#include <algorithm>
#include <cstddef>

namespace holdfast {

void MessageBounds::add(std::size_t bytes, bool is_begun) {
    if (first_ > left_.size() / 2) {
        left_.erase(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    left_.push_back(static_cast<std::uint32_t>(bytes));
    is_cut_ = is_cut_ || is_begun;
}

void MessageBounds::take(std::size_t bytes) {
    while (bytes > 0 && first_ < left_.size()) {
        const std::size_t of_first = std::min<std::size_t>(bytes, left_[first_]);
        left_[first_] -= static_cast<std::uint32_t>(of_first);
        bytes -= of_first;
        is_cut_ = left_[first_] > 0;
        if (!is_cut_) ++first_;
    }
    if (first_ < left_.size()) return;
    left_ = {};
    first_ = 0;
}

}  // namespace holdfast
