#include "daemon/exit.h"

#include <algorithm>
#include <iostream>
#include <string>

#include "text/printable.h"

namespace holdfast {

void print_error(std::string_view message) {
    std::string line = printable_lines(message);
    std::replace_if(
        line.begin(), line.end(), [](char byte) { return byte == '\n' || byte == '\t'; }, ' ');
    std::cerr << "holdfast: " << line << std::endl;
}

}  // namespace holdfast
