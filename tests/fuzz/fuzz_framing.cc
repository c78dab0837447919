// The input chooses a limit, the rules of the listener, the split of the rest, and the stream itself. For every split,
// the frames must equal those of an independent oracle. If a json framing can cut the stream without resynchronising,
// they must also equal those of one chunk. The framing length_field has no oracle, and its header is a part of the
// input.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "testing/framing_oracle.h"

namespace {

using namespace holdfast;

constexpr Framing framing = Framing::FUZZED_FRAMING;

FrameRules rules_of(std::uint8_t choice) {
    FrameRules rules{.framing = framing, .arrays = (choice & 1) != 0, .drops = (choice & 2) != 0};
#ifdef FUZZED_DELIMITERS
    rules.delimiter = odd_delimiters[(choice >> 2) % odd_delimiters.size()];
#endif
    return rules;
}

LengthField field_of(const std::uint8_t* choices) {
    constexpr unsigned widths[] = {1, 2, 3, 4, 8};
    return {.offset = choices[0] % 8U,
            .width = widths[choices[1] % 5],
            .order = (choices[1] & 128) != 0 ? ByteOrder::little : ByteOrder::big,
            .adjustment = choices[2] % 32 - 16,
            .strip = choices[3] % 16U};
}

// Splits into chunks of 1 to 64 bytes. The seed bytes give the sizes in turn; 0xff leaves the rest whole.
std::vector<std::string> split(const std::string& stream, const std::uint8_t* seeds, std::size_t count) {
    std::vector<std::string> chunks;
    for (std::size_t at = 0, i = 0; at < stream.size(); at += chunks.back().size(), ++i) {
        const std::uint8_t seed = seeds[i % count];
        chunks.push_back(stream.substr(at, seed == 0xff ? std::string::npos : std::size_t{1} + seed % 64));
    }
    return chunks;
}

bool resynchronised(const std::vector<Cut>& cuts) {
    return std::any_of(cuts.begin(), cuts.end(), [](const Cut& cut) { return cut.kind == Frame::Kind::malformed; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t head = framing == Framing::length_field ? 10 : 6;
    if (size < head) return 0;
    const std::size_t max_bytes = std::size_t{1} + data[0];
    FrameRules rules = rules_of(data[5]);
    if (framing == Framing::length_field) rules.length_field = field_of(data + 6);
    const std::string stream(reinterpret_cast<const char*>(data) + head, size - head);
    const std::vector<std::string> chunks = split(stream, data + 1, 4);

    const std::vector<Cut> cuts = cut_stream(rules, chunks, max_bytes);
    if (rules.framing != Framing::length_field) HOLDFAST_CHECK(cuts == oracle_cuts(rules, chunks, max_bytes));
    if (rules.framing == Framing::json && rules.drops) return 0;  // an item that is dropped may resynchronise unseen
    const std::vector<Cut> whole = cut_stream(rules, {stream}, max_bytes);
    HOLDFAST_CHECK(whole == cuts || resynchronised(cuts));
    return 0;
}
