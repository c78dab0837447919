#pragma once

#include <vector>

#include "watch/alarm_engine.h"
#include "watch/episode.h"

namespace holdfast {

/// duplicate_device: takeovers of an id were delayed within the last minute (ServerStatus::duplicates). One thread.
class DuplicateWatch {
public:
    void look(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const std::vector<DuplicateDevice>& duplicates);

    Episode episode_;
};

}  // namespace holdfast
