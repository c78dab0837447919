#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace holdfast {

/// Lines of a connection whose `closed` event is not in the spool.
struct OpenLines {
    std::string connected;
    std::string identified;  ///< empty if the device identified itself before `connected`, or not at all
};

/// Holds the changes that the rows since the last save make to the manifest's table of open connections. Bounded by
/// the events between two saves, about one second. Any thread.
class OpenBook {
public:
    struct Change {
        bool opened = false;
        bool closed = false;
        OpenLines lines;
    };
    using Changes = std::map<std::string, Change, std::less<>>;  ///< by connection

    /// Records all lines of one row. `may_be_stored`: the table may already contain connections that this row opens. At
    /// the start, rows are read that an earlier process saved in part.
    void note(std::string_view lines, bool may_be_stored);
    /// Records that the connection needs no `closed` event here.
    void forget(std::string_view conn);

    /// Returns nullopt if only the table has the answer.
    [[nodiscard]] std::optional<bool> is_open(std::string_view conn) const;

    // Called by one thread. Changes remain visible until they are saved.
    [[nodiscard]] const Changes& begin_saving();
    void end_saving(bool saved);

private:
    void note_line(std::string_view line, bool may_be_stored);
    void close(std::string_view conn, bool may_be_stored);

    mutable std::mutex mutex_;
    Changes fresh_;   // guarded by mutex_
    Changes saving_;  // changed under mutex_, by the saving thread
};

}  // namespace holdfast
