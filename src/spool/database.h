#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;
namespace holdfast {

/// Meaning of an SQLite error for a spool.
enum class DbFault : std::uint8_t {
    full,     ///< no space: the transaction was rolled back cleanly
    io,       ///< failed read, write or fsync: the content of the file is unknown
    damaged,  ///< content that differs from what was written
    busy,     ///< lock held by another program
    gone,     ///< no such file, or no permission to open it
    other,    ///< any other error, e.g. no memory
};

struct DbError {
    DbFault fault{};
    int code = 0;  ///< SQLite's extended code
    std::string message;
    int system = 0;  ///< errno of the failed system call, or 0
};

/// Returns the latest failed read(2) of this thread's present SQLite call, whatever error SQLite derived from it.
[[nodiscard]] std::optional<DbError> read_error();

/// Returns true if the same call may succeed later although no one changes the file. Such an error says nothing about
/// the content.
[[nodiscard]] bool may_pass(const DbError& error);
/// Returns true if the call may succeed later although no one changes the owner, mode or mount of the file either.
[[nodiscard]] bool passes_by_itself(const DbError& error);

class Database;

/// Owns a prepared statement. The destructor of the result of use() resets it, or the caller does. Must end before its
/// database.
class Statement {
public:
    enum class Step : std::uint8_t { row, done, failed };

    Statement() = default;
    [[nodiscard]] bool valid() const { return handle_ != nullptr; }

    /// Binds a parameter, counted from 1. A text must live until the next reset.
    Statement& bind(int index, std::uint64_t number);
    Statement& bind(int index, std::int64_t number);
    Statement& bind(int index, std::string_view text);
    [[nodiscard]] Step step();
    void reset();
    /// Steps to the end, then resets.
    [[nodiscard]] bool run();

    // Columns of the present row, counted from 0.
    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::string_view text(int column) const;  ///< valid until the next step or reset
    /// Returns true if the latest text is empty because memory ran out.
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
    bool stepped_ = false;      // since the last reset: SQLite binds nothing until then (SQLITE_MISUSE)
    bool bind_failed_ = false;  // no memory, or a text that is too long: the next step fails
};

/// Owns one SQLite connection and closes it on destruction. One thread at a time.
class Database {
public:
    /// Access to an existing file.
    enum class Use : std::uint8_t { write, read };
    [[nodiscard]] static std::optional<Database> open(const std::string& path, Use use, DbError& error);

    /// Opens, for reading, a file without a log to which no process writes. Creates no companion file.
    [[nodiscard]] static std::optional<Database> open_immutable(const std::string& path, DbError& error);

    [[nodiscard]] std::optional<DbError> execute(const char* sql);
    [[nodiscard]] Statement prepare(const char* sql);  ///< invalid on failure: see error()
    /// Returns the first column of the first row as text, or nullopt if the statement returns no row or fails, even
    /// after it.
    [[nodiscard]] std::optional<std::string> value_of(const char* sql);
    /// Reads the first column of the first row; leaves `out` empty if there is no row.
    [[nodiscard]] std::optional<DbError> read_text(const char* sql, std::optional<std::string>& out);
    [[nodiscard]] std::optional<DbError> read_number(const char* sql, std::optional<std::int64_t>& out);
    [[nodiscard]] DbError error() const;  ///< error of the call that has just failed

    /// Keeps the log when the connection closes, for the next process that opens the file.
    void keep_log_on_close();
    void set_busy_timeout_ms(int milliseconds);
    /// Copies the log into the file; with `truncate`, also empties the log.
    [[nodiscard]] std::optional<DbError> checkpoint(bool truncate);
    [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

private:
    struct Close {
        void operator()(sqlite3* handle) const noexcept;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

/// Copies the content of an open database at one moment, page by page, into a new plain file without a log, and syncs
/// it. Another thread may write to the source during the copy, and the source file may already be removed. Copies
/// damaged pages unchanged. `path` must not exist; the function removes it on failure.
[[nodiscard]] std::optional<DbError> copy_database(Database& from, const std::string& path);

}  // namespace holdfast
