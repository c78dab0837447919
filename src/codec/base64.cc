#include "codec/base64.h"

#include <algorithm>

#include <openssl/evp.h>

namespace holdfast {
namespace {

// OpenSSL takes sizes as int. Parts are a multiple of three bytes, so that only the last one is padded.
constexpr std::size_t part = std::size_t{3} << 20;

}  // namespace

char* write_base64(char* out, std::string_view bytes) noexcept {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(part, bytes.size()))) {
        const auto now = bytes.substr(0, part);
        out += EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out),
                               reinterpret_cast<const unsigned char*>(now.data()), static_cast<int>(now.size()));
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    const auto is_digit = [](char byte) {
        return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
               byte == '+' || byte == '/';
    };
    if (text.size() % 4 != 0 || text.size() > part) return std::nullopt;
    if (!std::all_of(text.begin(), text.end() - static_cast<std::ptrdiff_t>(padding), is_digit)) return std::nullopt;
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

}  // namespace holdfast
