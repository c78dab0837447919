#include "daemon/exit.h"

#include <cstddef>
#include <iostream>
#include <string>

namespace holdfast {

void print_error(std::string_view message) {
    std::string line;
    for (std::size_t i = 0; i < message.size(); ++i) {
        const auto byte = static_cast<unsigned char>(message[i]);
        const auto next = static_cast<unsigned char>(i + 1 < message.size() ? message[i + 1] : 0);
        const bool c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;  // U+0080 to U+009F
        line += byte < 0x20 || byte == 0x7f || c1 ? ' ' : message[i];
        if (c1) ++i;
    }
    std::cerr << "holdfast: " << line << std::endl;
}

}  // namespace holdfast
