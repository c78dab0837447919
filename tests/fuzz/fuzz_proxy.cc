// The input chooses the version, the split into segments, a correct or wrong checksum, and the bytes: a PROXY header
// and the items after it. As in a listener, the header is parsed again with each segment. A final result must not
// change with further bytes, and the items must be the bytes after the header.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "tcp/proxy_header.h"
#include "testing/framing_oracle.h"

namespace {

using namespace holdfast;

constexpr std::size_t max_item = 256;

/// Returns the offset of the first checksum in a v2 header of TCP over IPv4, or 0 if its fields do not lead to one.
std::size_t checksum_place(const std::string& bytes) {
    constexpr std::size_t fields = 16 + 12;
    for (std::size_t at = fields; at + 7 <= bytes.size();) {
        const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[at + 1])) << 8 |
                            static_cast<std::uint8_t>(bytes[at + 2]);
        if (bytes[at] == 0x03 && length == 4) return at + 3;
        at += 3 + length;
    }
    return 0;
}

/// Corrects the checksum, because random bytes never match one and nothing after it would be reached.
void mend_checksum(std::string& bytes) {
    const std::size_t place = checksum_place(bytes);
    if (place == 0) return;
    const std::size_t size = 16 + (static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[14])) << 8 |
                                   static_cast<std::uint8_t>(bytes[15]));
    if (size > bytes.size() || place + 4 > size) return;
    std::memset(bytes.data() + place, 0, 4);
    const std::uint32_t crc = crc32c(std::span(bytes.data(), size));
    for (std::size_t i = 0; i < 4; ++i) bytes[place + i] = static_cast<char>(crc >> (24 - 8 * i));
}

/// Compares all but the detail, which depends on the bytes received so far.
void check_same(const ProxyHeader& a, const ProxyHeader& b) {
    HOLDFAST_CHECK(a.kind == b.kind && a.size == b.size && a.peer == b.peer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t head = 5;
    if (size < head) return 0;
    const ProxyProtocol version = (data[0] & 1) != 0 ? ProxyProtocol::v2 : ProxyProtocol::v1;
    std::string bytes(reinterpret_cast<const char*>(data) + head, size - head);
    if ((data[0] & 2) != 0) mend_checksum(bytes);

    ProxyHeader said;
    std::size_t arrived = 0;
    std::vector<std::string> behind;
    for (std::size_t i = 0; arrived < bytes.size(); ++i) {
        const std::size_t before = arrived;
        arrived = std::min(bytes.size(), arrived + 1 + data[1 + i % (head - 1)]);
        if (said.kind == ProxyHeader::Kind::partial) {
            said = parse_proxy_header(version, std::span(bytes.data(), arrived));
            HOLDFAST_CHECK(said.kind != ProxyHeader::Kind::partial || arrived < max_proxy_header);
        }
        const bool whole = said.kind == ProxyHeader::Kind::relayed || said.kind == ProxyHeader::Kind::local;
        HOLDFAST_CHECK(whole == (said.size > 0) && said.size <= arrived && said.size <= max_proxy_header);
        HOLDFAST_CHECK((said.kind == ProxyHeader::Kind::invalid) == !said.detail.empty());
        if (whole && arrived > said.size)
            behind.push_back(bytes.substr(std::max(before, said.size), arrived - std::max(before, said.size)));
    }
    check_same(said, parse_proxy_header(version, bytes));
    if (said.size > 0) {
        const std::vector<std::string> whole{bytes.substr(said.size)};
        HOLDFAST_CHECK(cut_stream(Framing::ndjson, behind, max_item) == cut_stream(Framing::ndjson, whole, max_item));
    }
    return 0;
}
