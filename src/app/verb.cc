#include "app/verb.h"

#include <algorithm>
#include <iostream>
#include <string>

namespace holdfast {

void print_error(std::string_view message) {
    std::string line(message);
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    std::cerr << "holdfast: " << line << std::endl;
}

}  // namespace holdfast
