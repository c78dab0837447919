#pragma once

#include "conn/core.h"

namespace holdfast {

class Drainer;
class MemoryPressure;
class Preamble;
class Sweeper;

/// Frees the connections that Core::close() closed: reports each to the handler once, closes its descriptor and frees
/// its slot. No other part does. The shard's thread.
class Finalizer {
public:
    Finalizer(Core& core, Drainer& drainer, MemoryPressure& memory, Preamble& preamble, Sweeper& sweeper)
        : core_(core), drainer_(drainer), memory_(memory), preamble_(preamble), sweeper_(sweeper) {}

    /// Finalizes connections in the order of closing, while the turn has time, and at least one.
    void finalize_closed();
    /// Finalizes the latest closed connection before the end of the turn.
    void finalize_latest();

private:
    void finalize(const Core::Closed& closed);
    void report(Connection& connection, const CloseInfo& info);
    [[nodiscard]] bool was_found_late(const Connection& connection, const CloseInfo& info);
    void free(Connection& connection, const CloseInfo& info);

    Core& core_;
    Drainer& drainer_;
    MemoryPressure& memory_;
    Preamble& preamble_;
    Sweeper& sweeper_;
};

}  // namespace holdfast
