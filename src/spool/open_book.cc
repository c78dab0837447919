#include "spool/open_book.h"

#include <utility>

#include "codec/event_fields.h"
#include "codec/event_line.h"

namespace holdfast {

void OpenBook::note(std::string_view lines, bool may_be_stored) {
    const std::lock_guard lock(mutex_);
    while (!lines.empty()) {
        const std::size_t end = lines.find('\n');
        note_line(lines.substr(0, end), may_be_stored);
        if (end == std::string_view::npos) return;
        lines.remove_prefix(end + 1);
    }
}

void OpenBook::note_line(std::string_view line, bool may_be_stored) {
    const LifeLine life = life_line(line);
    switch (life.event) {
        case LifeEvent::connected:
            // The fleet repeats the event of a connection that stayed open; such an event opens nothing.
            if (raw_field(line, field::returned.name).empty()) {
                fresh_[std::string(life.conn)] = {.opened = true, .closed = false, .lines = {std::string(line), {}}};
            }
            break;
        case LifeEvent::identified:
            fresh_[std::string(life.conn)].lines.identified = line;
            break;
        case LifeEvent::closed:
            close(life.conn, may_be_stored);
            break;
        case LifeEvent::item:
        case LifeEvent::bad_item:
        case LifeEvent::none:
            break;
    }
}

void OpenBook::close(std::string_view conn, bool may_be_stored) {
    const auto found = fresh_.find(conn);
    if (found != fresh_.end() && found->second.opened && !may_be_stored) {
        fresh_.erase(found);  // most short connections need no row
        return;
    }
    fresh_[std::string(conn)] = {.opened = false, .closed = true, .lines = {}};
}

void OpenBook::forget(std::string_view conn) {
    const std::lock_guard lock(mutex_);
    close(conn, true);
}

std::optional<bool> OpenBook::is_open(std::string_view conn) const {
    const std::lock_guard lock(mutex_);
    for (const Changes* changes : {&fresh_, &saving_}) {
        const auto found = changes->find(conn);
        if (found == changes->end()) continue;
        if (found->second.closed || found->second.opened) return found->second.opened;
    }
    return std::nullopt;
}

const OpenBook::Changes& OpenBook::begin_saving() {
    const std::lock_guard lock(mutex_);
    saving_.swap(fresh_);
    return saving_;
}

void OpenBook::end_saving(bool saved) {
    const std::lock_guard lock(mutex_);
    Changes unsaved = std::exchange(saving_, {});
    if (saved) return;
    for (auto& [conn, change] : fresh_) {
        const auto before = unsaved.find(conn);
        if (before == unsaved.end() || change.opened || change.closed) continue;
        change.opened = before->second.opened;  // only an identified event was added since
        change.lines.connected = std::move(before->second.lines.connected);
    }
    fresh_.merge(unsaved);
}

}  // namespace holdfast
