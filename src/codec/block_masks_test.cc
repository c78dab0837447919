#include "codec/block_masks.h"

#include <array>
#include <random>

#include <gtest/gtest.h>

#include "testing/framing_oracle.h"

namespace holdfast {
namespace {

TEST(BlockMasks, NameEveryByteInEveryPlace) {
    for (std::size_t at = 0; at < block_size; ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::array<char, block_size> block;
            block.fill('x');
            block[at] = static_cast<char>(byte);
            const auto bit = [at](bool hit) { return static_cast<std::uint64_t>(hit) << at; };
            const BlockMasks expected{bit(byte == '"'),
                                      bit(byte == '\\'),
                                      bit(byte == '{' || byte == '['),
                                      bit(byte == '}' || byte == ']'),
                                      bit(byte == ',' || byte == ':'),
                                      bit(byte < 0x20),
                                      bit(byte <= 0x20)};
            ASSERT_EQ(masks_of(block.data()), expected) << at << " " << byte;
            ASSERT_EQ(masks_of_portable(block.data()), expected) << at << " " << byte;
        }
    }
}

TEST(BlockMasks, AreTheSameWithoutVectorInstructions) {
    std::mt19937_64 random(test_seed());
    for (int round = 0; round < 10'000; ++round) {
        std::array<char, block_size> block;
        for (char& byte : block) byte = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
        ASSERT_EQ(masks_of(block.data()), masks_of_portable(block.data())) << "HOLDFAST_SEED=" << test_seed();
    }
}

}  // namespace
}  // namespace holdfast
