// Opens states of a spool's directory and compares each with the promises made before the power cut.
//   power_check TABLE < JOBS > VERDICTS
// TABLE has the sessions and the events of the recording (record.py writes it), a line each:
//   S DEVICE SESSION CRC...  a session: the CRC-32 of each item that the device made, in order
//   T CRC SESSION SEQ        the event at position 1, 2, ...: CRC-32 of the line; index and seq of its item, or -1 0
// A job is a line: NUMBER DIRECTORY ID SEEN REMOVABLE MOVED MOVING TWICE FLOOR:ACKED...
//   ID             the spool's id, or - if it has not been published
//   SEEN           a consumer has read the events up to this position
//   REMOVABLE      retention may have removed events up to this position
//   MOVED, MOVING  the group's position is between these
//   TWICE          1 to open the state a second time
//   FLOOR:ACKED    of each session: items up to FLOOR may have been removed, items up to ACKED are acknowledged
// A verdict is a line: NUMBER EVENTS, and a tab before each violation.
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/spool.h"

namespace {

using namespace holdfast;
using namespace std::chrono_literals;

constexpr auto patience = 20s;
constexpr const char* probe_line = "{\"event\":\"probe\"}";

std::uint32_t crc_of(std::string_view text) {
    return static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

/// Returns the text between two others, empty if they are missing.
std::string_view between(std::string_view text, std::string_view before, std::string_view behind) {
    const std::size_t from = text.find(before);
    if (from == std::string_view::npos) return {};
    const std::size_t end = text.find(behind, from + before.size());
    if (end == std::string_view::npos) return {};
    return text.substr(from + before.size(), end - from - before.size());
}

struct Table {
    struct Session {
        SessionName name;
        std::vector<std::uint32_t> items;
    };
    struct Event {
        std::uint32_t crc = 0;
        long session = -1;
        std::uint64_t seq = 0;
    };
    std::vector<Session> sessions;
    std::vector<Event> events;  // of position 1, 2, ...

    /// Returns what an event says of itself; session -1 if it is no item of a device.
    [[nodiscard]] Event find(std::string_view line) const {
        const std::string_view head = line.substr(0, line.find(",\"item\":"));
        const std::string_view id = between(head, "\"id\":\"", "\"");
        const std::string_view session = between(head, "\"session\":\"", "\"");
        const auto found = std::find_if(sessions.begin(), sessions.end(), [&](const Session& one) {
            return one.name.id == id && one.name.session == session;
        });
        Event event{.crc = crc_of(line), .session = -1, .seq = 0};
        if (found != sessions.end()) event.session = found - sessions.begin();
        std::istringstream(std::string(between(head, "\"seq\":", ","))) >> event.seq;
        return event;
    }

    explicit Table(const char* path) {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
            std::istringstream words(line);
            std::string kind;
            words >> kind;
            if (kind == "S") {
                Session session;
                words >> session.name.id >> session.name.session;
                for (std::uint32_t crc = 0; words >> crc;) session.items.push_back(crc);
                sessions.push_back(std::move(session));
            } else {
                Event event;
                words >> event.crc >> event.session >> event.seq;
                events.push_back(event);
            }
        }
    }
};

struct Job {
    struct Promise {
        std::uint64_t floor = 0;
        std::uint64_t acked = 0;
    };
    std::uint64_t number = 0;
    std::string directory;
    std::string id;
    Position seen = 0;
    Position removable = 0;
    Position moved = 0;
    Position moving = 0;
    int twice = 0;
    std::vector<Promise> sessions;

    explicit Job(const std::string& line) {
        std::istringstream words(line);
        words >> number >> directory >> id >> seen >> removable >> moved >> moving >> twice;
        char colon = 0;
        for (Promise promise; words >> promise.floor >> colon >> promise.acked;) sessions.push_back(promise);
    }
};

/// Owns one opened state and collects its violations. The destructor closes the spool.
class Examination {
public:
    Examination(const Table& table, const Job& job, std::vector<std::string>& violations)
        : table_(table), job_(job), violations_(violations), newest_(table.sessions.size()) {}
    ~Examination() { spool_.reset(); }  // its threads use the other members
    Examination(const Examination&) = delete;
    Examination& operator=(const Examination&) = delete;

    void run() {
        SpoolOptions options;
        options.directory = job_.directory;
        options.on_quarantine = [this](const std::string& report) { violate("a disk without damage: " + report); };
        options.on_trouble = [this](const std::string& trouble) { violate(trouble); };
        auto opened = Spool::open(std::move(options));
        if (!opened) return violate("it does not open: " + opened.error().message);
        spool_ = std::move(opened).value();
        check_events();
        check_status();
        check_sessions();
        check_append();
    }
    [[nodiscard]] std::uint64_t events() const { return events_; }

private:
    void violate(const std::string& text) {
        const std::lock_guard lock(mutex_);
        if (violations_.size() < max_violations) violations_.push_back(text);
    }

    void check_events() {
        for (Position after = 0;;) {
            const auto page = spool_->read(after, 10'000, std::size_t{4} << 20);
            if (!page) return violate("it cannot be read: " + page.error().message);
            for (const MissingRange& range : page.value().missing) check_missing(range);
            for (const SpooledEvent& event : page.value().events) check_event(event);
            if (page.value().next_after == after) break;
            after = page.value().next_after;
        }
        if (last_ < job_.seen) {
            violate("the last event is " + std::to_string(last_) + ", a consumer has had " + std::to_string(job_.seen));
        }
    }

    void check_missing(const MissingRange& range) {
        if (range.first == last_ + 1 && range.last <= job_.removable && last_ == 0) {
            last_ = range.last;
            return;
        }
        violate("positions " + std::to_string(range.first) + " to " + std::to_string(range.last) +
                " are missing: " + range.why);
        last_ = range.last;
    }

    void check_event(const SpooledEvent& event) {
        ++events_;
        const std::string at = "position " + std::to_string(event.position);
        if (event.position != last_ + 1) violate(at + " comes behind " + std::to_string(last_));
        last_ = event.position;
        if (event.line == probe_line) return;
        Table::Event truth =
            event.position <= table_.events.size() ? table_.events[event.position - 1] : Table::Event{};
        if (crc_of(event.line) != truth.crc) {
            if (event.position <= job_.seen) return violate(at + " has another event than was written");
            // A row whose sync failed was acknowledged to no device. After a crash, another row may have its position.
            truth = table_.find(event.line);
        }
        if (event.line.starts_with("{\"event\":\"item\"")) check_item(event.line, truth, at);
    }

    void check_item(std::string_view line, const Table::Event& truth, const std::string& at) {
        const std::string_view head = line.substr(0, line.find(",\"item\":"));
        const std::string_view item = line.substr(head.size() + 8, line.rfind(",\"at\":\"") - head.size() - 8);
        if (truth.session < 0) return violate(at + ": an item that no device has sent");
        const Table::Session& session = table_.sessions[static_cast<std::size_t>(truth.session)];
        const std::string who = session.name.id + "/" + session.name.session;
        const bool its = between(head, "\"id\":\"", "\"") == session.name.id &&
                         between(head, "\"session\":\"", "\"") == session.name.session;
        if (!its || truth.seq == 0 || truth.seq > session.items.size())
            return violate(at + ": an item that no device has sent");
        if (crc_of(item) != session.items[truth.seq - 1]) violate(at + ": an item that differs from the one of " + who);
        std::uint64_t& newest = newest_[static_cast<std::size_t>(truth.session)];
        const std::uint64_t before = std::max(newest, promise(static_cast<std::size_t>(truth.session)).floor);
        if (truth.seq <= newest) violate(at + ": item " + std::to_string(truth.seq) + " of " + who + " twice");
        if (truth.seq > before + 1) {
            violate(at + ": items " + std::to_string(before + 1) + " to " + std::to_string(truth.seq - 1) + " of " +
                    who + " are left out");
        }
        newest = std::max(newest, truth.seq);
    }

    [[nodiscard]] Job::Promise promise(std::size_t session) const {
        return session < job_.sessions.size() ? job_.sessions[session] : Job::Promise{};
    }

    void check_status() {
        const SpoolStatus status = spool_->status();
        if (job_.id != "-" && status.id != job_.id) violate("its id is " + status.id + " and was " + job_.id);
        if (status.quarantined_events > 0) violate(std::to_string(status.quarantined_events) + " events quarantined");
        for (const SpoolGroup& group : status.groups) {
            if (group.position > job_.moving) {
                violate("group " + group.name + " is at " + std::to_string(group.position) + ", beyond " +
                        std::to_string(job_.moving));
            }
            if (group.position < job_.moved) {
                violate("group " + group.name + " is at " + std::to_string(group.position) + " and had moved to " +
                        std::to_string(job_.moved));
            }
        }
        if (status.groups.empty() && job_.moved > 0) violate("the group is forgotten");
    }

    /// Compares the answer to a hello with the items: a smaller number repeats items, a larger one loses items.
    void check_sessions() {
        for (std::size_t i = 0; i < table_.sessions.size(); ++i) {
            const Job::Promise promised = promise(i);
            const std::string who = table_.sessions[i].name.id + "/" + table_.sessions[i].name.session;
            if (promised.acked > std::max(newest_[i], promised.floor)) {
                violate(who + ": acknowledged up to " + std::to_string(promised.acked) + ", there up to " +
                        std::to_string(newest_[i]));
            }
            const auto answer = ask(table_.sessions[i].name);
            if (!answer) return violate("no answer about " + who);
            if (*answer < std::max(newest_[i], promised.acked)) {
                violate(who + ": resumes at " + std::to_string(*answer) + " with " + std::to_string(newest_[i]) +
                        " there and " + std::to_string(promised.acked) + " acknowledged");
            }
            if (*answer > std::max(newest_[i], promised.floor)) {
                violate(who + ": resumes at " + std::to_string(*answer) + " with " + std::to_string(newest_[i]) +
                        " there");
            }
        }
    }

    [[nodiscard]] std::optional<std::uint64_t> ask(const SessionName& name) {
        auto answer = std::make_shared<std::promise<std::uint64_t>>();
        auto future = answer->get_future();
        spool_->look_up(name, [answer](std::uint64_t seq) { answer->set_value(seq); });
        if (future.wait_for(patience) != std::future_status::ready) return std::nullopt;
        return future.get();
    }

    void check_append() {
        auto durable = std::make_shared<std::promise<void>>();
        auto future = durable->get_future();
        SpoolBatch batch{.lines = std::string(probe_line) + "\n",
                         .events = 1,
                         .listeners = {{"devices", 1}},
                         .marks = {},
                         .durable = [durable] { durable->set_value(); }};
        spool_->append(std::move(batch));
        if (future.wait_for(patience) != std::future_status::ready) return violate("nothing can be appended");
        const auto page = spool_->read(last_, 10, 10'000);
        const bool there = page && page.value().missing.empty() && page.value().events.size() == 1 &&
                           page.value().events[0].position == last_ + 1 && page.value().events[0].line == probe_line;
        if (!there) violate("what is appended behind " + std::to_string(last_) + " cannot be read");
    }

    static constexpr std::size_t max_violations = 8;
    const Table& table_;
    const Job& job_;
    std::vector<std::string>& violations_;
    std::mutex mutex_;  // guards violations_
    std::vector<std::uint64_t> newest_;
    Position last_ = 0;
    std::uint64_t events_ = 0;
    std::unique_ptr<Spool> spool_;
};

void examine(const Table& table, const Job& job) {
    std::vector<std::string> violations;
    std::uint64_t events = 0;
    for (int i = 0; i <= job.twice; ++i) {
        Examination examination(table, job, violations);
        examination.run();
        events = examination.events();
    }
    std::cout << job.number << ' ' << events;
    for (std::string& violation : violations) {
        std::replace(violation.begin(), violation.end(), '\n', ' ');
        std::cout << '\t' << violation;
    }
    std::cout << std::endl;
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) {
        std::cerr << "usage: power_check TABLE < JOBS\n";
        return 2;
    }
    const Table table(words[1]);
    for (std::string line; std::getline(std::cin, line);) examine(table, Job(line));
    return 0;
}
