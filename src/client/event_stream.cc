#include "client/event_stream.h"

#include <algorithm>

namespace holdfast {

bool EventStream::take(std::string_view piece) {
    rest_ += piece;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
        if (!take_line(std::string_view(rest_).substr(begin, end - begin))) return false;
    }
    rest_.erase(0, begin);
    return rest_.size() <= max_line;
}

bool EventStream::take_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
        const StreamedEvent event = std::exchange(event_, {});
        return event.data.empty() || take_(event);
    }
    const std::string_view name = line.substr(0, line.find(':'));
    std::string_view value = line.substr(std::min(line.size(), name.size() + 1));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "event") event_.kind = value;
    if (name == "id") event_.id = value;
    if (name == "data") event_.data += (event_.data.empty() ? "" : "\n") + std::string(value);
    return event_.data.size() <= max_line;
}

}  // namespace holdfast
