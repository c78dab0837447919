#pragma once

#include <algorithm>
#include <cstdint>

namespace holdfast {

/// Tracks the sequence numbers of one device's session: the expected, the safe and the acknowledged one. A value; pure.
/// docs/reference/protocol.md has the table.
class SequenceTracker {
public:
    enum class Verdict : std::uint8_t {
        expected,
        repeated,
        gap,
        skipped,  ///< above the durable number and below the device's own `from`: never stored, never acknowledged
    };

    SequenceTracker() = default;
    /// Starts with the last safe number, `durable`. `from` is the device's next number, or 0 if it sent none. A `from`
    /// above durable + 1 is a jump: it makes nothing safe.
    SequenceTracker(std::uint64_t durable, std::uint64_t from)
        : durable_(durable), first_(std::max(durable + 1, from)), next_(first_), safe_(durable), reported_(durable) {}

    [[nodiscard]] std::uint64_t next() const { return next_; }
    [[nodiscard]] std::uint64_t safe() const { return safe_; }

    [[nodiscard]] Verdict classify(std::uint64_t seq) const {
        if (seq == next_) return Verdict::expected;
        if (seq > next_) return Verdict::gap;
        return seq > durable_ && seq < first_ ? Verdict::skipped : Verdict::repeated;
    }
    /// Returns true if the numbers of this connection begin at `seq`, which is a gap. A device that sent no `from`
    /// repeats its first number after the reported gap if it has no earlier item: it was served elsewhere.
    [[nodiscard]] bool begins_at(std::uint64_t seq) {
        if (next_ != first_ || first_ != durable_ + 1) return false;
        if (gap_told_ && seq == first_gap_) {
            first_ = next_ = seq;
            return true;
        }
        if (first_gap_ == 0) first_gap_ = seq;
        return false;
    }
    /// Consumes the expected number: its item was admitted, or refused for good.
    void take() {
        ++next_;
        gap_told_ = false;
    }
    /// Records that numbers up to `seq` are safe. Returns whether an ack is due.
    bool make_safe(std::uint64_t seq) {
        safe_ = std::max(safe_, seq);
        return reported_ < safe_;
    }
    /// Makes an ack due again, since a device repeated a safe item.
    void repeat_ack() { reported_ = 0; }
    [[nodiscard]] bool ack_is_due() const { return reported_ < safe_; }
    void told() { reported_ = safe_; }
    /// Returns true if each item that was taken is acknowledged.
    [[nodiscard]] bool is_settled() const { return !ack_is_due() && (next_ == first_ || safe_ + 1 == next_); }

    /// Returns true once for each gap.
    [[nodiscard]] bool reports_gap() const { return !gap_told_; }
    void gap_reported() { gap_told_ = true; }

private:
    std::uint64_t durable_ = 0;  // before this connection
    std::uint64_t first_ = 1;    // of this connection
    std::uint64_t next_ = 1;
    std::uint64_t safe_ = 0;
    std::uint64_t reported_ = 0;
    std::uint64_t first_gap_ = 0;  // the first item's number, if it was not the expected one
    bool gap_told_ = false;
};

}  // namespace holdfast
