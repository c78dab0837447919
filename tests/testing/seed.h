#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace holdfast {

/// Returns HOLDFAST_SEED, or a new seed for each run, and prints it once. For tests.
inline std::uint64_t test_seed() {
    static const std::uint64_t seed = [] {
        const char* given = std::getenv("HOLDFAST_SEED");
        const std::uint64_t chosen = given != nullptr ? std::stoull(given) : std::random_device{}();
        std::cout << "HOLDFAST_SEED=" << chosen << std::endl;
        return chosen;
    }();
    return seed;
}

}  // namespace holdfast
