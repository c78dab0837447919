#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "testing/fake_bucket.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

/// Moves devices between gateways within milliseconds, while notes, puts, answers and watches are delayed, reordered
/// and lost, and gateways lose the bucket. Each device must then stay with its last connection: only that one lives,
/// and the bucket and each gateway name it. Time is simulated.
class Hops {
public:
    enum class Former : std::uint8_t { closed, closed_late, left_open };

    Hops(std::uint64_t seed, Former former) : random_(seed), former_(former) {
        for (std::size_t n = 0; n < places_.size(); ++n) {
            Place& place = places_[n];
            place.gateway =
                std::make_unique<Gateway>(bucket_, "g" + std::to_string(n), static_cast<std::uint32_t>(n) + 1);
            place.clock = std::chrono::milliseconds(static_cast<int>(draw(180'000)) - 90'000);
        }
        for (int beat = 0; beat < 3; ++beat) receive_beats();
    }

    void run() {
        const int until = now_ + 300 + static_cast<int>(draw(1'500));
        for (Device& device : devices_) device.next = now_ + static_cast<int>(draw(20));
        while (now_ < until) {
            for (std::size_t n = 0; n < devices_.size(); ++n) hop(n);
            if (draw(400) == 0) cut(places_[draw(places_.size())]);
            turn(1);
        }
        for (Place& place : places_) restore(place);
        for (int step = 0; step < 4'000; ++step) turn(10);
        check();
    }

private:
    struct Note {
        std::string id;
        HeldDevice held;
        bool gone = false;
        CloseReason reason{};
        int due = 0;
    };
    struct Place {
        std::unique_ptr<Gateway> gateway;
        std::map<std::string, ConnectionId> directory;
        std::map<ConnectionId, std::string> living;
        std::vector<Note> notes;
        std::chrono::milliseconds clock{};
        bool is_cut = false;
        int restored_at = 0;
    };
    struct Device {
        std::size_t place = 0;
        ConnectionId latest;
        int next = 0;
    };
    struct Closing {
        std::size_t place;
        ConnectionId conn;
        int due;
    };

    unsigned draw(std::size_t below) {
        return std::uniform_int_distribution<unsigned>(0, static_cast<unsigned>(below) - 1)(random_);
    }
    WallTime wall(const Place& place) const { return at(now_) + place.clock; }
    static std::string name(std::size_t device) { return "d" + std::to_string(device); }

    // Devices.

    void hop(std::size_t n) {
        Device& device = devices_[n];
        if (now_ < device.next) return;
        const std::size_t former_place = device.place;
        const ConnectionId former = device.latest;
        if (former != ConnectionId{}) device.place = (device.place + 1 + draw(places_.size() - 1)) % places_.size();
        open(n);
        device.next = now_ + 5 + static_cast<int>(draw(16));
        if (former == ConnectionId{} || former_ == Former::left_open) return;
        const int delay = former_ == Former::closed ? 0 : static_cast<int>(draw(300));
        closings_.push_back({former_place, former, now_ + delay});
    }
    void open(std::size_t n) {
        Place& place = places_[devices_[n].place];
        const ConnectionId conn{static_cast<std::uint32_t>(devices_[n].place) + 1, ++number_};
        devices_[n].latest = conn;
        if (const auto older = place.directory.find(name(n)); older != place.directory.end()) {
            end(place, older->second, CloseReason::superseded);
        }
        place.living[conn] = name(n);
        place.directory[name(n)] = conn;
        HeldDevice held = holdfast::held(conn, 0);
        held.since = held.accepted = wall(place);
        place.notes.push_back({.id = name(n), .held = held, .due = now_ + static_cast<int>(draw(30))});
    }
    void close_what_is_due() {
        std::erase_if(closings_, [this](const Closing& closing) {
            if (closing.due > now_) return false;
            end(places_[closing.place], closing.conn, CloseReason::peer_closed);
            return true;
        });
    }
    void end(Place& place, ConnectionId conn, CloseReason reason) {
        const auto found = place.living.find(conn);
        if (found == place.living.end()) return;
        const std::string id = found->second;
        place.living.erase(found);
        if (place.directory[id] == conn) place.directory.erase(id);
        Note note{.id = id, .held = holdfast::held(conn, 0), .gone = true, .reason = reason};
        note.due = now_ + static_cast<int>(draw(30));
        for (const Note& other : place.notes) {
            if (other.held.conn == conn) note.due = std::max(note.due, other.due + 1);
        }
        place.notes.push_back(note);
    }

    // Gateways.

    void turn(int milliseconds) {
        now_ += milliseconds;
        if (now_ >= beats_due_) receive_beats();
        close_what_is_due();
        for (Place& place : places_) {
            Presence& presence = place.gateway->presence;
            presence.set_time(SteadyTime(std::chrono::milliseconds(now_)), wall(place));
            take_notes(place);
            presence.step([&place](const std::string&) { return !place.is_cut; });
            if (place.is_cut && now_ >= place.restored_at) restore(place);
            if (!place.is_cut) exchange(place);
            do_tasks(place);
            audit(place);
        }
    }
    void take_notes(Place& place) {
        std::vector<Note> due;
        std::erase_if(place.notes, [&](const Note& note) {
            if (note.due > now_) return false;
            due.push_back(note);
            return true;
        });
        std::stable_sort(due.begin(), due.end(), [](const Note& a, const Note& b) { return a.due < b.due; });
        for (Note& note : due) apply(place, note);
    }
    static void apply(Place& place, Note& note) {
        Presence& presence = place.gateway->presence;
        if (note.gone) return presence.gone(note.id, note.held.conn, note.reason, note.held.since);
        const auto holder = place.directory.find(note.id);
        if (holder != place.directory.end() && holder->second != note.held.conn) return;
        note.held.ended = holder == place.directory.end();
        presence.here(note.id, note.held);
    }
    void exchange(Place& place) {
        Gateway& gateway = *place.gateway;
        if (draw(4) == 0) gateway.put_all();
        for (unsigned n = draw(6); n > 0; --n) gateway.watch_one();
        for (unsigned n = draw(6); n > 0 && !gateway.answers.empty(); --n) {
            if (draw(100) == 0) {
                gateway.presence.failed(gateway.answers.front().first);  // the answer is lost, not the put
                gateway.answers.pop_front();
            } else {
                gateway.answer_one();
            }
        }
        for (const std::string& id : gateway.presence.take_unresolved()) {
            gateway.check(id);
            gateway.presence.retry(id);
        }
    }
    void do_tasks(Place& place) {
        const auto tasks = place.gateway->presence.take_tasks();
        for (const ConnectionId conn : tasks.superseded) {
            for (const Device& device : devices_) {
                EXPECT_NE(device.latest, conn) << "the latest connection is ended at " << now_;
            }
            end(place, conn, CloseReason::superseded);
        }
        EXPECT_TRUE(tasks.denied.empty());
    }
    static void audit(Place& place) {
        const auto found = place.gateway->presence.audit(100, [&place](const std::string& id) {
            const auto holder = place.directory.find(id);
            return holder == place.directory.end() ? std::nullopt : std::optional(holder->second);
        });
        for (const auto& [id, conn] : found.unknown) place.gateway->presence.here(id, holdfast::held(conn, 0));
    }
    void cut(Place& place) {
        place.is_cut = true;
        place.restored_at = now_ + static_cast<int>(draw(1'000));
    }
    /// Drops all pending answers and restarts the watch.
    void restore(Place& place) {
        if (!std::exchange(place.is_cut, false)) return;
        Gateway& gateway = *place.gateway;
        for (const auto& answer : std::exchange(gateway.answers, {})) gateway.presence.failed(answer.first);
        gateway.presence.begin_snapshot();
        bucket_.for_each([&gateway](const FakeBucket::Change& change) {
            gateway.presence.saw(change.id, change.record, change.revision);
        });
        gateway.watched = bucket_.log.size();
        gateway.presence.end_snapshot();
    }
    /// Delivers beats, each after one to three milliseconds.
    void receive_beats() {
        beats_due_ = now_ + 2'000;
        for (std::size_t from = 0; from < places_.size(); ++from) {
            for (std::size_t to = 0; to < places_.size(); ++to) {
                if (from == to) continue;
                const auto late = std::chrono::milliseconds(1 + draw(3));
                places_[to].gateway->presence.heard_clock("g" + std::to_string(from),
                                                          static_cast<std::uint32_t>(from) + 1,
                                                          wall(places_[from]) - late, wall(places_[to]));
            }
        }
    }

    void check() {
        std::set<ConnectionId> living;
        for (const Place& place : places_) {
            EXPECT_EQ(place.gateway->presence.unsettled(), 0U);
            for (const auto& [conn, id] : place.living) living.insert(conn);
        }
        std::set<ConnectionId> expected;
        for (std::size_t n = 0; n < devices_.size(); ++n) {
            expected.insert(devices_[n].latest);
            const auto* const there = bucket_.find(name(n));
            ASSERT_NE(there, nullptr);
            EXPECT_TRUE(there->record.online) << name(n);
            EXPECT_EQ(there->record.conn, devices_[n].latest) << name(n);
            for (const Place& place : places_) {
                const auto known = place.gateway->presence.find(name(n));
                ASSERT_TRUE(known);
                EXPECT_EQ(known->record, there->record) << name(n);
            }
        }
        EXPECT_EQ(living, expected);
    }

    std::mt19937_64 random_;
    const Former former_;
    FakeBucket bucket_;
    std::array<Place, 3> places_;
    std::array<Device, 4> devices_;
    std::vector<Closing> closings_;
    std::uint64_t number_ = 0;
    int now_ = 1'000'000;
    int beats_due_ = 0;
};

void run_hops(Hops::Former former) {
    const std::uint64_t seed = test_seed();
    const char* const trials = std::getenv("HOLDFAST_TRIALS");
    const unsigned long count = trials != nullptr ? std::strtoul(trials, nullptr, 10) : 4;
    for (std::uint32_t trial = 0; trial < count && !testing::Test::HasFailure(); ++trial) {
        SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(seed + trial));
        Hops(seed + trial, former).run();
    }
}

TEST(PresenceHops, EachDeviceEndsWithItsLastConnectionIfItClosesTheFormer) { run_hops(Hops::Former::closed); }

TEST(PresenceHops, EachDeviceEndsWithItsLastConnectionIfItClosesTheFormerLate) { run_hops(Hops::Former::closed_late); }

TEST(PresenceHops, EachDeviceEndsWithItsLastConnectionIfItLeavesTheFormerOpen) { run_hops(Hops::Former::left_open); }

}  // namespace
}  // namespace holdfast
