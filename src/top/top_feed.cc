#include "top/top_feed.h"

#include <utility>

#include "api/api_endpoint.h"
#include "client/admin_client.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds answer_wait{3};

/// Sends requests one after the other, until one has no answer.
class Questions {
public:
    explicit Questions(const AdminAccess& admin) : admin_(admin) {}

    /// Returns the body of a 200, or an empty text for another status. A gateway without a watch answers with another
    /// status.
    std::string request(const std::string& target) {
        if (!trouble_.empty()) return {};
        const auto answer = call_admin(admin_, {.target = target, .timeout = answer_wait});
        if (!answer) {
            trouble_ = answer.error().message;
            return {};
        }
        return answer.value().status == 200 ? answer.value().body : std::string();
    }

    [[nodiscard]] const std::string& trouble() const { return trouble_; }

private:
    const AdminAccess& admin_;
    std::string trouble_;
};

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
    answers.status = questions.request(std::string(api_path::status));
    answers.trend = questions.request(std::string(api_path::trend) + "?window=10m&step=10s");
    answers.recent = questions.request(std::string(api_path::trend) + "?window=10s&step=1s");
    answers.alarms = questions.request(std::string(api_path::alarms));
    for (const std::string& target : connection_targets(controls, rows)) {
        answers.connections = questions.request(target);
        if (finds_any(answers.connections)) break;
    }
    if (!questions.trouble().empty()) answers = before;
    if (questions.trouble().empty() && answers.status.empty()) {
        answers.trouble =
            "the server at " + admin.address + " is not a holdfast gateway; name the admin address with --admin";
    } else {
        answers.trouble = questions.trouble();
    }
    return answers;
}

TopFeed::TopFeed(AdminAccess admin, std::chrono::milliseconds interval, TopControls controls, std::size_t rows)
    : admin_(std::move(admin)), interval_(interval), controls_(std::move(controls)), rows_(rows), thread_([this] {
          run();
      }) {}

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
    TopAnswers latest;
    std::unique_lock lock(mutex_);
    while (!ended_) {
        const bool due = fetch_now_ || !controls_.paused;
        fetch_now_ = false;
        if (due) {
            const TopControls controls = controls_;
            const std::size_t rows = rows_;
            lock.unlock();
            latest = fetch_top(admin_, controls, rows, latest);
            lock.lock();
            fresh_ = latest;
        }
        changed_.wait_for(lock, interval_, [this] { return ended_ || fetch_now_; });
    }
}

}  // namespace holdfast
