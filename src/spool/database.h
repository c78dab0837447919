#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace holdfast {

/// What an SQLite error means for a spool.
enum class DbFault : std::uint8_t {
    full,     ///< no space: the transaction was rolled back cleanly
    io,       ///< reading, writing or fsync failed: what the file holds is not known
    damaged,  ///< the bytes are not what was written
    busy,     ///< another program holds a lock
    gone,     ///< there is no such file, or it may not be opened
    other,    ///< e.g. no memory
};

struct DbError {
    DbFault fault{};
    int code = 0;  ///< SQLite's extended one
    std::string message;
    int system = 0;  ///< errno of a file's failed call, or 0
};

/// Returns the latest failed read of this thread's present call of SQLite, whatever SQLite made of it.
[[nodiscard]] std::optional<DbError> read_error();

/// Returns true if the same call may succeed later without anybody changing the file: the error says nothing about the
/// bytes in it.
[[nodiscard]] bool may_pass(const DbError& error);
/// Returns true if it may succeed later without anybody changing the owner, the mode or the mount of the file either.
[[nodiscard]] bool passes_by_itself(const DbError& error);

class Database;

/// A prepared statement; reset by the destructor of what use() returns, or by hand. Must end before its database.
class Statement {
public:
    enum class Step : std::uint8_t { row, done, failed };

    Statement() = default;
    [[nodiscard]] bool valid() const { return handle_ != nullptr; }

    /// From 1. A text must live until the next reset.
    Statement& bind(int index, std::uint64_t number);
    Statement& bind(int index, std::int64_t number);
    Statement& bind(int index, std::string_view text);
    [[nodiscard]] Step step();
    void reset();
    /// step() to the end, then reset.
    [[nodiscard]] bool run();

    // Of the present row; columns from 0.
    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::string_view text(int column) const;  ///< until the next step or reset
    /// Returns true if the latest text is empty because memory was short.
    [[nodiscard]] bool lost_text() const;
    [[nodiscard]] bool is_number(int column) const;
    [[nodiscard]] bool is_text(int column) const;

private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const noexcept;
    };
    void make_ready();
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
    bool stepped_ = false;      // since the last reset: SQLite binds nothing meanwhile (SQLITE_MISUSE)
    bool bind_failed_ = false;  // no memory, or a text that is too long: the next step fails
};

/// One SQLite connection; one thread at a time. Owns it; a connection closes when this is destroyed.
class Database {
public:
    /// The file must exist.
    enum class Use : std::uint8_t { write, read };
    [[nodiscard]] static std::optional<Database> open(const std::string& path, Use use, DbError& error);

    /// For reading a file without a log that no process writes to: makes no file beside it.
    [[nodiscard]] static std::optional<Database> open_immutable(const std::string& path, DbError& error);

    [[nodiscard]] std::optional<DbError> execute(const char* sql);
    [[nodiscard]] Statement prepare(const char* sql);  ///< not valid if it failed: error() says why
    /// The first column of the first row, as a text; nothing if it failed, also behind that row, or there is none.
    [[nodiscard]] std::optional<std::string> value_of(const char* sql);
    /// Reads the first column of the first row; leaves `out` empty if there is no row.
    [[nodiscard]] std::optional<DbError> read_text(const char* sql, std::optional<std::string>& out);
    [[nodiscard]] std::optional<DbError> read_number(const char* sql, std::optional<std::int64_t>& out);
    [[nodiscard]] DbError error() const;  ///< of the call that has just failed

    /// Closing leaves the log as it is, for whoever opens the file next.
    void keep_log_on_close();
    void set_busy_patience_ms(int milliseconds);
    /// Copies the log into the file; `truncate`: and empties it.
    [[nodiscard]] std::optional<DbError> checkpoint(bool truncate);
    [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

private:
    struct Close {
        void operator()(sqlite3* handle) const noexcept;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace holdfast
