#pragma once

#include "conn/core.h"
#include "conn/drainer.h"
#include "conn/finalizer.h"
#include "conn/listeners.h"
#include "conn/memory_pressure.h"
#include "conn/preamble.h"
#include "conn/receiver.h"
#include "conn/sender.h"
#include "conn/sweeper.h"
#include "conn/walks.h"

namespace holdfast {

/// The parts of a shard, connected with each other. Each part refers to the core and to the parts that it calls. The
/// shard's thread.
struct Parts {
    Parts(Reactor& reactor, StreamHandler& handler, Admission& admission, const ShardOptions& options)
        : core(reactor, handler, admission, options),
          memory(core, receiver, sweeper, options),
          sweeper(core, memory, receiver, options) {}

    Core core;
    Walks walks{core};
    Listeners listeners{core, finalizer, preamble, receiver, sweeper};
    Preamble preamble{core, listeners, memory, receiver, sender};
    Receiver receiver{core, memory, preamble, sender};
    Sender sender{core, memory, receiver};
    MemoryPressure memory;
    Sweeper sweeper;
    Drainer drainer{core, memory, receiver, sender, walks};
    Finalizer finalizer{core, drainer, memory, preamble, sweeper};
};

}  // namespace holdfast
