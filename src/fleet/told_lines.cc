#include "fleet/told_lines.h"

#include "codec/event_writer.h"

namespace holdfast {

std::string lost_line(const LostLife& life, const std::string& by, WallTime at) {
    const PresenceRecord& record = life.record;
    std::string line;
    append_event(line, ClosedByFleet{.conn = record.conn,
                                     .listener = record.listener,
                                     .peer = record.peer,
                                     .device = {life.id, {}, record.proved},
                                     .detail = "its gateway " + record.gateway + " is gone; " + by + " tells it",
                                     .gateway = record.gateway,
                                     .by = by,
                                     .at = at});
    return line;
}

std::string returned_line(const std::string& id, const PresenceRecord& record, WallTime at) {
    std::string line;
    append_event(line, ConnectedAgain{.conn = record.conn,
                                      .listener = record.listener,
                                      .peer = record.peer,
                                      .device = {id, {}, record.proved},
                                      .gateway = record.gateway,
                                      .at = at});
    return line;
}

}  // namespace holdfast
