#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace holdfast {

/// The lines of a connection whose `closed` event is not in the spool.
struct OpenLines {
    std::string connected;
    std::string identified;  ///< empty: its device had said its name before, or not at all
};

/// What the newest rows change in the control file's table of open connections: those of the last second or so. Any
/// thread. Bounded by the events that come between two saves.
class OpenBook {
public:
    struct Change {
        bool opened = false;
        bool closed = false;
        OpenLines lines;
    };
    using Changes = std::map<std::string, Change, std::less<>>;  ///< by connection

    /// Notes all lines of one row. `may_be_stored`: the table may know connections that this row opens, as at the
    /// start, when rows are read that were saved in part.
    void note(std::string_view lines, bool may_be_stored);
    /// Notes that the connection needs no `closed` event here.
    void forget(std::string_view conn);

    /// nullopt: only the table can know.
    [[nodiscard]] std::optional<bool> is_open(std::string_view conn) const;

    // One thread: what is to be saved now stays known until it is.
    [[nodiscard]] const Changes& begin_saving();
    void end_saving(bool saved);

private:
    void note_line(std::string_view line, bool may_be_stored);
    void close(std::string_view conn, bool may_be_stored);

    mutable std::mutex mutex_;
    Changes fresh_;   // guarded by mutex_
    Changes saving_;  // changed under mutex_, by the thread that saves
};

}  // namespace holdfast
