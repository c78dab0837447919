// The input chooses a limit, the bytes after each window, the split of the rest, and the stream itself. A decoder that
// is given each window first must give the same result for every line as for that line alone.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "testing/line_verdicts.h"

namespace {

using namespace holdfast;

constexpr unsigned max_depth = 4;
constexpr std::size_t max_item = 512;

// Splits into chunks of 1 to 254 bytes. The two seed bytes give the sizes in turn; 0xff leaves the rest whole.
std::vector<std::string> split(const std::string& stream, const std::uint8_t* seeds) {
    std::vector<std::string> chunks;
    for (std::size_t at = 0, i = 0; at < stream.size(); at += chunks.back().size(), ++i) {
        const std::uint8_t seed = seeds[i % 2];
        chunks.push_back(stream.substr(at, seed == 0xff ? std::string::npos : std::size_t{1} + seed));
    }
    return chunks;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static ItemDecoder decoder("ip", max_depth, max_item);
    constexpr std::size_t head = 4;
    if (size < head) return 0;
    const std::size_t max_bytes = 2 * (std::size_t{1} + data[0]);
    const char padding = static_cast<char>(data[1]);
    const std::string stream(reinterpret_cast<const char*>(data) + head, size - head);
    const std::vector<std::string> chunks = split(stream, data + 2);
    const std::vector<LineVerdict> ahead = line_verdicts(decoder, chunks, max_bytes, padding, true);
    HOLDFAST_CHECK(ahead == line_verdicts(decoder, chunks, max_bytes, padding, false));
    return 0;
}
