#include "spool/group_memo.h"

#include <array>
#include <cstdio>

#include "spool/row.h"

namespace holdfast {
namespace {

constexpr std::string_view key_prefix = "memo ";
constexpr std::size_t check_digits = 8;

}  // namespace

std::string memo_key(std::string_view group) { return std::string(key_prefix) + std::string(group); }

std::string memo_value(std::string_view group, std::string_view memo) {
    std::array<char, check_digits + 1> check{};
    std::snprintf(check.data(), check.size(), "%08x", checksum({group, memo}, {}));
    return check.data() + std::string(memo);
}

std::optional<DbError> read_memos(Database& database, std::map<std::string, std::string>& memos) {
    Statement rows = database.prepare("SELECT key, value FROM about WHERE key LIKE 'memo %'");
    if (!rows.valid()) return database.error();
    Statement::Step step{};
    while ((step = rows.step()) == Statement::Step::row) {
        const std::string_view group = rows.text(0).substr(key_prefix.size());
        const std::string_view value = rows.text(1);
        if (value.size() <= check_digits) continue;
        const std::string_view memo = value.substr(check_digits);
        if (value == memo_value(group, memo)) memos.emplace(group, memo);
    }
    return step == Statement::Step::failed ? std::optional(database.error()) : std::nullopt;
}

}  // namespace holdfast
