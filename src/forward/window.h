#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

/// Messages sent to JetStream, in order, with their acknowledgements. Pure; one thread. Numbers count since the last
/// going back.
class PublishWindow {
public:
    struct Message {
        Position first = 0;
        Position last = 0;
        std::size_t bytes = 0;
        WallTime committed_at{};
        std::chrono::steady_clock::time_point sent{};
        bool acknowledged = false;
        bool staged = false;         ///< JetStream does not know whether it is stored
        bool is_repetition = true;   ///< an earlier try may have been stored
        std::uint64_t sequence = 0;  ///< in the stream, once acknowledged
    };

    [[nodiscard]] std::uint64_t next_number() const { return first_number_ + messages_.size(); }
    void add(const Message& message) {
        bytes_ += message.bytes;
        messages_.push_back(message);
    }

    /// Ignores a number outside the window.
    void acknowledge(std::uint64_t number, std::uint64_t sequence = 0) {
        if (number < first_number_ || number >= next_number()) return;
        messages_[number - first_number_].acknowledged = true;
        messages_[number - first_number_].sequence = sequence;
    }

    /// Returns nullptr if the window does not contain it.
    [[nodiscard]] const Message* find(std::uint64_t number) const {
        return number >= first_number_ && number < next_number() ? &messages_[number - first_number_] : nullptr;
    }

    void note_staged(std::uint64_t number) {
        if (number >= first_number_ && number < next_number()) messages_[number - first_number_].staged = true;
    }
    /// Returns the starts of messages that were staged and not acknowledged since.
    [[nodiscard]] std::vector<Position> staged() const {
        std::vector<Position> firsts;
        for (const Message& message : messages_) {
            if (message.staged && !message.acknowledged) firsts.push_back(message.first);
        }
        return firsts;
    }

    /// Removes acknowledged messages at the beginning. Returns their number; `published` becomes the position of the
    /// last, and `sequence` its sequence.
    std::uint64_t take_acknowledged(Position& published, std::uint64_t& sequence) {
        std::uint64_t taken = 0;
        while (!messages_.empty() && messages_.front().acknowledged) {
            published = messages_.front().last;
            sequence = messages_.front().sequence;
            bytes_ -= messages_.front().bytes;
            messages_.pop_front();
            ++first_number_;
            ++taken;
        }
        return taken;
    }

    /// Empties the window. Returns the ends of its messages, since repetitions must have the same bounds.
    [[nodiscard]] std::deque<Position> go_back() {
        std::deque<Position> ends;
        for (const Message& message : messages_) ends.push_back(message.last);
        messages_.clear();
        bytes_ = 0;
        first_number_ = 0;
        return ends;
    }

    [[nodiscard]] bool empty() const { return messages_.empty(); }
    [[nodiscard]] std::size_t size() const { return messages_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] const Message& oldest() const { return messages_.front(); }

private:
    std::deque<Message> messages_;
    std::uint64_t first_number_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace holdfast
