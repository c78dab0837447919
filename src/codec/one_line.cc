#include "codec/one_line.h"

#include <algorithm>
#include <cstring>

namespace holdfast {

void append_one_line(std::string& out, std::string_view json) {
    const std::size_t from = out.size();
    out += json;
    for (const char line_break : {'\n', '\r'}) {
        if (std::memchr(out.data() + from, line_break, json.size()) == nullptr) continue;
        std::replace(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(), line_break, ' ');
    }
}

}  // namespace holdfast
