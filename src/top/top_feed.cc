#include "top/top_feed.h"

#include <utility>

#include "api/api_endpoint.h"
#include "client/admin_reply.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds answer_wait{3};

/// Sends requests one after the other, until one has no answer.
class Questions {
public:
    explicit Questions(const AdminAccess& admin) : admin_(admin) {}

    /// Returns the body of the answer that every gateway has.
    std::string request_status() {
        auto reply = read_reply(admin_, call(std::string(api_path::status)), status_proof);
        if (const auto* const answered = std::get_if<AdminReply>(&reply)) return answered->body();
        failure_ = std::get<AdminFailure>(std::move(reply));
        return {};
    }

    /// Returns the body of a 200, or an empty text for another status. A gateway without a watch answers with another
    /// status.
    std::string request(const std::string& target) {
        if (failure_) return {};
        auto answer = call(target);
        if (!answer) failure_ = failure_of(admin_, answer);
        return answer && answer.value().status == 200 ? std::move(answer.value().body) : std::string();
    }

    [[nodiscard]] const std::optional<AdminFailure>& failure() const { return failure_; }

private:
    [[nodiscard]] Result<AdminAnswer> call(const std::string& target) const {
        return call_admin(admin_, {.target = target, .timeout = answer_wait});
    }

    const AdminAccess& admin_;
    std::optional<AdminFailure> failure_;
};

/// Returns "08:00:09".
std::string utc_clock(std::chrono::system_clock::time_point time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    const std::chrono::hh_mm_ss parts(second - std::chrono::floor<std::chrono::days>(second));
    std::string text;
    for (const auto part : {parts.hours().count(), parts.minutes().count(), parts.seconds().count()}) {
        text += (text.empty() ? "" : ":") + std::string(part < 10 ? "0" : "") + std::to_string(part);
    }
    return text;
}

bool finds_any(const std::string& page) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    return !parser.parse(page).get(root) && AnswerView(root).count("/total") > 0;
}

}  // namespace

TopAnswers fetch_top(const AdminAccess& admin, const TopControls& controls, std::size_t rows,
                     const TopAnswers& before) {
    Questions questions(admin);
    TopAnswers answers;
    answers.status = questions.request_status();
    answers.trend = questions.request(std::string(api_path::trend) + "?window=10m&step=10s");
    answers.recent = questions.request(std::string(api_path::trend) + "?window=10s&step=1s");
    answers.alarms = questions.request(std::string(api_path::alarms));
    for (const std::string& target : connection_targets(controls, rows)) {
        answers.connections = questions.request(target);
        if (finds_any(answers.connections)) break;
    }
    answers.at = utc_clock(std::chrono::system_clock::now());
    if (questions.failure()) answers = before;
    answers.failure = questions.failure();
    return answers;
}

TopFeed::TopFeed(AdminAccess admin, std::chrono::milliseconds interval, TopControls controls, std::size_t rows,
                 TopAnswers before)
    : admin_(std::move(admin)),
      interval_(interval),
      latest_(std::move(before)),
      controls_(std::move(controls)),
      rows_(rows),
      thread_([this] { run(); }) {}

TopFeed::~TopFeed() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void TopFeed::want(const TopControls& controls, std::size_t rows) {
    const std::lock_guard lock(mutex_);
    const bool as_before = controls.sort == controls_.sort && controls.reverse == controls_.reverse &&
                           controls.filter == controls_.filter && rows <= rows_;
    fetch_now_ = fetch_now_ || !as_before || (controls_.paused && !controls.paused);
    controls_ = controls;
    rows_ = rows;
    changed_.notify_one();
}

std::optional<TopAnswers> TopFeed::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(fresh_, std::nullopt);
}

void TopFeed::run() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
        const bool due = fetch_now_ || !controls_.paused;
        fetch_now_ = false;
        if (due) {
            const TopControls controls = controls_;
            const std::size_t rows = rows_;
            lock.unlock();
            latest_ = fetch_top(admin_, controls, rows, latest_);
            lock.lock();
            fresh_ = latest_;
        }
        changed_.wait_for(lock, interval_, [this] { return ended_ || fetch_now_; });
    }
}

}  // namespace holdfast
