#include "forward/forwarder_report.h"

#include <algorithm>

namespace holdfast {
namespace {

/// Time for which a single occurrence is shown.
constexpr std::chrono::minutes shows_for{10};

}  // namespace

void ForwarderReport::trouble(const std::string& error) {
    bool begins = false;
    {
        const std::lock_guard lock(mutex_);
        begins = status_.error.empty();
        status_.error = error;
    }
    if (begins && options_.on_trouble) options_.on_trouble(error);
}

void ForwarderReport::well() {
    {
        const std::lock_guard lock(mutex_);
        if (status_.error.empty()) return;
        status_.error.clear();
    }
    if (options_.on_recovered) options_.on_recovered();
}

void ForwarderReport::count(std::uint64_t ForwarderStatus::*figure, std::uint64_t more) {
    const std::lock_guard lock(mutex_);
    status_.*figure += more;
}

void ForwarderReport::published(Position position, std::optional<WallTime> oldest) {
    const std::lock_guard lock(mutex_);
    status_.published = position;
    oldest_ = oldest;
}

void ForwarderReport::set_oldest(WallTime oldest) {
    const std::lock_guard lock(mutex_);
    oldest_ = oldest;
}

bool ForwarderReport::knows_oldest() const {
    const std::lock_guard lock(mutex_);
    return oldest_.has_value();
}

std::optional<WallTime> ForwarderReport::oldest() const {
    const std::lock_guard lock(mutex_);
    return oldest_;
}

void ForwarderReport::note(std::string ForwarderStatus::*text, Steady::time_point& at, const std::string& what) {
    const std::lock_guard lock(mutex_);
    status_.*text = what;
    at = Steady::now();
}

void ForwarderReport::dead_letter(const std::string& what, bool is_new) {
    count(&ForwarderStatus::dead_letters, is_new ? 1 : 0);
    note(&ForwarderStatus::dead_letter, dead_letter_at_, what);
    if (options_.on_dead_letter) options_.on_dead_letter(what);
}

void ForwarderReport::loss(const std::string& what) {
    count(&ForwarderStatus::losses, 1);
    note(&ForwarderStatus::loss, loss_at_, what);
    if (options_.on_loss) options_.on_loss(what);
}

void ForwarderReport::rival(const std::string& what) {
    const bool is_new = status().rival.empty();
    note(&ForwarderStatus::rival, rival_at_, what);
    if (is_new && options_.on_rival) options_.on_rival(what);
}

void ForwarderReport::warn(const std::vector<std::string>& warnings) {
    std::vector<std::string> fresh;
    {
        const std::lock_guard lock(mutex_);
        for (const std::string& warning : warnings) {
            if (std::find(warnings_.begin(), warnings_.end(), warning) == warnings_.end()) fresh.push_back(warning);
        }
        warnings_ = warnings;
        status_.warning.clear();
        for (const std::string& warning : warnings) status_.warning += (status_.warning.empty() ? "" : "; ") + warning;
    }
    for (const std::string& warning : fresh) {
        if (options_.on_warning) options_.on_warning(warning);
    }
}

void ForwarderReport::guarantee(const std::string& text) {
    const std::lock_guard lock(mutex_);
    status_.guarantee = text;
}

ForwarderStatus ForwarderReport::status() const {
    const std::lock_guard lock(mutex_);
    ForwarderStatus out = status_;
    const auto now = Steady::now();
    if (now - dead_letter_at_ > shows_for) out.dead_letter.clear();
    if (now - loss_at_ > shows_for) out.loss.clear();
    if (now - rival_at_ > shows_for) out.rival.clear();
    return out;
}

}  // namespace holdfast
