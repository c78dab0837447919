#include "forward/stream_loss.h"

#include <algorithm>
#include <chrono>

#include "text/printable.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Returns true if the stream's own limits may have removed the message.
bool limits_explain(const StreamFacts& facts, const StreamMemo::Mark& mark, const LossTime& now) {
    if (facts.retention != StreamRetention::limits || facts.max_msgs_per_subject > 0) return true;
    // Both clocks may differ by some seconds.
    milliseconds age = now.spool.time_since_epoch() - seconds(mark.at_s);
    if (mark.wall_s != 0) age = std::max<milliseconds>(age, now.wall.time_since_epoch() - seconds(mark.wall_s));
    if (facts.max_age.count() > 0 && age >= facts.max_age - facts.max_age / 10 - seconds(10)) return true;
    if (facts.max_msgs > 0 && facts.messages >= static_cast<std::uint64_t>(facts.max_msgs) / 10 * 9) return true;
    return facts.max_bytes > 0 && facts.bytes >= static_cast<std::uint64_t>(facts.max_bytes) / 2;
}

class Comparison {
public:
    Comparison(const StreamMemo& memo, const StreamFacts& facts, const MarkLookup& find, LossTime now, bool suspects)
        : memo_(memo),
          facts_(facts),
          find_(find),
          now_(now),
          suspects_(suspects),
          is_new_(memo.created_ns() != facts.created_ns) {}

    [[nodiscard]] std::optional<StreamLoss> loss() {
        const auto& marks = memo_.marks();
        if (marks.empty()) return is_new_ ? std::optional(StreamLoss{0, what({})}) : std::nullopt;
        const bool was_new = is_new_;
        const bool is_whole = !is_missing(marks.back(), true);
        // A complete backup; or another gateway has recreated the stream, and this one has published since.
        if (is_whole) is_new_ = false;
        const bool checks_all = was_new || suspects_ || !is_whole || facts_.deleted > memo_.deleted();
        Position before = 0;
        for (const StreamMemo::Mark& mark : marks) {
            if (is_missing(mark, checks_all)) return StreamLoss{before, what(mark)};
            before = mark.position;
        }
        return std::nullopt;
    }

private:
    /// Returns true if the stream lacks the mark's message. Without `reads` the message is not read.
    [[nodiscard]] bool is_missing(const StreamMemo::Mark& mark, bool reads) const {
        if (mark.sequence > facts_.last) return true;
        if (mark.sequence < facts_.first) return is_new_ || !limits_explain(facts_, mark, now_);
        if (!reads) return false;
        switch (find_(mark)) {
            case Stored::yes:
                return false;
            case Stored::unknown:
                return is_new_;
            case Stored::no:
                return is_new_ || !limits_explain(facts_, mark, now_);
        }
        return false;
    }

    [[nodiscard]] std::string what(const StreamMemo::Mark& mark) const {
        const std::string stream = "the stream " + in_quotes(memo_.stream());
        if (is_new_) return stream + " was deleted and recreated";
        const std::string of_it = " sequence " + std::to_string(mark.sequence);
        if (mark.sequence > facts_.last) {
            return stream + " has gone back to sequence " + std::to_string(facts_.last) +
                   " and has lost later acknowledged messages (a loss of power, or a restored backup)";
        }
        if (mark.sequence < facts_.first) {
            return stream + " was emptied up to sequence " + std::to_string(facts_.first - 1) +
                   " (a purge), although no limit required it";
        }
        return stream + " does not have the acknowledged message of" + of_it +
               " (it went back and was written to later, or messages were deleted)";
    }

    const StreamMemo& memo_;
    const StreamFacts& facts_;
    const MarkLookup& find_;
    const LossTime now_;
    const bool suspects_;
    bool is_new_;
};

}  // namespace

std::optional<StreamLoss> find_loss(const StreamMemo& memo, const StreamFacts& facts, const MarkLookup& find,
                                    const LossTime& now, bool suspects) {
    if (memo.empty() || memo.stream() != facts.name) return std::nullopt;
    return Comparison(memo, facts, find, now, suspects).loss();
}

}  // namespace holdfast
