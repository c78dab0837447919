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

std::map<std::string, std::string> load_memos(Database& database) {
    std::map<std::string, std::string> found;
    Statement memos = database.prepare("SELECT key, value FROM about WHERE key LIKE 'memo %'");
    while (memos.valid() && memos.step() == Statement::Step::row) {
        const std::string_view group = memos.text(0).substr(key_prefix.size());
        const std::string_view value = memos.text(1);
        if (value.size() <= check_digits) continue;
        const std::string_view memo = value.substr(check_digits);
        if (value == memo_value(group, memo)) found.emplace(group, memo);
    }
    return found;
}

}  // namespace holdfast
