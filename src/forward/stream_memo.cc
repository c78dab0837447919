#include "forward/stream_memo.h"

#include <simdjson.h>

#include <algorithm>
#include <limits>

#include "base/system.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t max_marks = 64;
constexpr std::size_t max_renamings = 16;
constexpr Position no_end = std::numeric_limits<std::int64_t>::max();

void append_number(std::string& out, std::uint64_t number) { out.append(",").append(std::to_string(number)); }

/// Reads up to four numbers of an array.
bool read_numbers(simdjson::dom::element element, std::vector<std::uint64_t>& out) {
    out.clear();
    simdjson::dom::array numbers;
    if (element.get(numbers) != simdjson::SUCCESS) return false;
    for (const simdjson::dom::element each : numbers) {
        std::uint64_t number = 0;
        if (each.get(number) != simdjson::SUCCESS) return false;
        out.push_back(number);
    }
    return true;
}

}  // namespace

std::uint64_t draw_salt() { return random_bits() | 1; }

std::string StreamMemo::text() const {
    if (empty()) return "";
    std::string out = R"({"stream":)";
    append_json_text(out, stream_);
    out += R"(,"created":)" + std::to_string(created_ns_) + R"(,"deleted":)" + std::to_string(deleted_);
    out += R"(,"marks":[)";
    for (const Mark& mark : marks_) {
        if (out.back() != '[') out += ',';
        out += '[' + std::to_string(mark.sequence);
        append_number(out, mark.position);
        append_number(out, static_cast<std::uint64_t>(std::max<std::int64_t>(mark.at_s, 0)));
        append_number(out, static_cast<std::uint64_t>(std::max<std::int64_t>(mark.wall_s, 0)));
        out += ']';
    }
    out += R"(],"renamed":[)";
    for (const Renaming& renaming : renamings_) {
        if (out.back() != '[') out += ',';
        out += '[' + std::to_string(renaming.first);
        append_number(out, renaming.last);
        append_number(out, renaming.salt);
        append_number(out, renaming.is_epoch ? 1 : 0);
        out += ']';
    }
    return out + "]}";
}

StreamMemo StreamMemo::parse(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    simdjson::dom::array marks;
    simdjson::dom::array renamed;
    StreamMemo memo;
    std::string_view stream;
    if (parser.parse(text.data(), text.size()).get(object) != simdjson::SUCCESS ||
        object["stream"].get(stream) != simdjson::SUCCESS ||
        object["created"].get(memo.created_ns_) != simdjson::SUCCESS ||
        object["deleted"].get(memo.deleted_) != simdjson::SUCCESS || object["marks"].get(marks) != simdjson::SUCCESS ||
        object["renamed"].get(renamed) != simdjson::SUCCESS) {
        return {};
    }
    std::vector<std::uint64_t> numbers;
    for (const simdjson::dom::element each : marks) {
        if (!read_numbers(each, numbers) || numbers.size() != 4) return {};
        memo.note(
            {numbers[0], numbers[1], static_cast<std::int64_t>(numbers[2]), static_cast<std::int64_t>(numbers[3])});
    }
    for (const simdjson::dom::element each : renamed) {
        if (!read_numbers(each, numbers) || numbers.size() != 4) return {};
        memo.add({numbers[0], numbers[1], numbers[2], numbers[3] != 0});
    }
    memo.stream_ = stream;
    return memo;
}

void StreamMemo::is_of(const std::string& stream, std::int64_t created_ns, std::uint64_t deleted) {
    if (stream != stream_) marks_.clear();
    stream_ = stream;
    created_ns_ = created_ns;
    deleted_ = deleted;
}

void StreamMemo::note(const Mark& mark) {
    if (!marks_.empty() && (mark.sequence <= marks_.back().sequence || mark.position <= marks_.back().position)) return;
    marks_.push_back(mark);
    // Drops a mark whose neighbours are closer to each other than to the newest.
    for (std::size_t i = 1; i + 2 < marks_.size(); ++i) {
        if (marks_[i + 1].position - marks_[i - 1].position > mark.position - marks_[i + 1].position) continue;
        marks_.erase(marks_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
    }
    if (marks_.size() > max_marks) marks_.erase(marks_.begin() + 1);
}

void StreamMemo::forget_behind(Position position) {
    std::erase_if(marks_, [position](const Mark& mark) { return mark.position > position; });
}

void StreamMemo::send_again(Position first, Position last, std::uint64_t salt) { add({first, last, salt, false}); }

void StreamMemo::leave_epoch(Position first, std::uint64_t salt) { add({first, no_end, salt, true}); }

void StreamMemo::restarted(Position last) {
    for (Renaming& renaming : renamings_) renaming.last = std::min(renaming.last, last);
}

void StreamMemo::forget_up_to(Position published) {
    std::erase_if(renamings_, [published](const Renaming& each) { return !each.is_epoch && each.last <= published; });
}

void StreamMemo::add(const Renaming& renaming) {
    renamings_.push_back(renaming);
    if (renamings_.size() > max_renamings) renamings_.erase(renamings_.begin());
}

bool StreamMemo::is_own_epoch(std::uint64_t epoch) const {
    return std::any_of(renamings_.begin(), renamings_.end(),
                       [epoch](const Renaming& each) { return each.is_epoch && each.salt == epoch; });
}

void StreamMemo::rename(const std::string& spool_id, NatsMessage& message) const {
    const Renaming* suffix = nullptr;
    const Renaming* epoch = nullptr;
    for (const Renaming& each : renamings_) {
        if (message.first >= each.first && message.first <= each.last) (each.is_epoch ? epoch : suffix) = &each;
    }
    if (epoch != nullptr) {
        message.epoch = epoch->salt;
        message.id = message_id(spool_id, message);
    }
    if (suffix != nullptr) message.id += '@' + epoch_text(suffix->salt);
}

}  // namespace holdfast
