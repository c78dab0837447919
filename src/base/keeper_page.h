#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

/// First page of the memory file that a keeper shares with its workers. The keeper writes it while no worker runs, and
/// reads nothing else of the file. All zero in a new file.
struct KeeperPage {
    std::int64_t worker_ended_ns = 0;  ///< end of the latest worker, of the steady clock; 0: there was none
    std::uint64_t workers = 0;         ///< workers that ended

    static constexpr std::size_t size = 4'096;
};

}  // namespace holdfast
