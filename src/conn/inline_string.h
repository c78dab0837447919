#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace holdfast {

/// Stores a short text in one pointer, without the heap while empty. Keeps the first 255 bytes of a longer text. Suits
/// a connection's latest key, which is compared with each item's and rarely changes.
class InlineString {
public:
    InlineString() = default;
    InlineString(const InlineString&) = delete;
    InlineString& operator=(const InlineString&) = delete;
    ~InlineString() { std::free(text_); }

    [[nodiscard]] std::string_view view() const noexcept {
        return text_ == nullptr ? std::string_view()
                                : std::string_view(text_ + 1, static_cast<unsigned char>(text_[0]));
    }

    /// Stores `text`. Throws std::bad_alloc.
    void assign(std::string_view text) {
        text = text.substr(0, max_size);
        if (text == view()) return;
        auto* fresh = static_cast<char*>(std::malloc(text.size() + 1));
        if (fresh == nullptr) throw std::bad_alloc();
        fresh[0] = static_cast<char>(static_cast<unsigned char>(text.size()));
        std::memcpy(fresh + 1, text.data(), text.size());
        std::free(std::exchange(text_, fresh));
    }

    static constexpr std::size_t max_size = 255;

private:
    char* text_ = nullptr;
};

}  // namespace holdfast
