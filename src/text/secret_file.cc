#include "text/secret_file.h"

#include <algorithm>

#include "text/input_file.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t largest = std::size_t{64} << 10;
constexpr std::size_t shortest_token = 16;
constexpr std::size_t longest_token = 256;
constexpr std::string_view token_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";

Error bad_token(const std::string& named, std::size_t line) {
    return Error{named + ", line " + std::to_string(line) +
                 ": a token is 16 to 256 of A-Z a-z 0-9 - . _ ~ + / =, one a line: write one, e.g. by "
                 "`openssl rand -hex 32`"};
}

}  // namespace

Result<std::string> read_secret_file(std::string_view what, const std::string& path) {
    return read_input_file(what, path, {.largest = largest, .readers = Readers::owner});
}

Result<std::vector<std::string>> read_bearer_tokens(const std::string& path) {
    const auto text = read_secret_file("the token file", path);
    if (!text) return text.error();
    const std::string named = "the token file " + path_in_quotes(path);
    std::vector<std::string> tokens;
    std::string_view rest = text.value();
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
            line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        const bool fits = line.size() >= shortest_token && line.size() <= longest_token;
        if (!fits || line.find_first_not_of(token_characters) != std::string_view::npos)
            return bad_token(named, number);
        tokens.emplace_back(line);
    }
    if (tokens.empty()) return Error{named + " holds no token: write one, e.g. by `openssl rand -hex 32`"};
    return tokens;
}

}  // namespace holdfast
