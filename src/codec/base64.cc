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

}  // namespace holdfast
