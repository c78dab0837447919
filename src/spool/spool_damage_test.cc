#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "spool/database.h"
#include "testing/seed.h"
#include "testing/test_spool.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::uint64_t test_events = 400;

/// Damages files in many ways and checks that no event is wrong or repeated, and that each missing one is reported.
class SpoolDamageTest : public testing::Test {
protected:
    SpoolOptions options() {
        SpoolOptions options;
        options.directory = directory_.in("spool");
        options.on_quarantine = [this](const std::string& report) {
            const std::lock_guard lock(mutex_);
            reports_.push_back(report);
        };
        return options;
    }
    /// Writes rows of one to a few events and of some bytes to some pages, as commits under a varying load do.
    void fill(std::uint64_t seed) {
        std::mt19937_64 random(seed);
        const auto spool = open_spool(options());
        for (std::uint64_t n = 1; n <= test_events;) {
            const std::uint64_t last = std::min<std::uint64_t>(test_events, n + random() % 5);
            append_and_wait(*spool, n, last, last - n + 1, random() % 4 == 0 ? random() % 20'000 : random() % 300);
            for (; n <= last; ++n) sizes_[n] = 0;
        }
        for (const auto& [position, line] : read_all(*spool).events) lines_[position] = line;
        ASSERT_EQ(lines_.size(), test_events);
    }
    [[nodiscard]] std::string segment() const {
        std::string found;
        for (const auto& entry : fs::directory_iterator(directory_.in("spool"))) {
            const std::string name = entry.path().filename();
            if (name.starts_with("events-") && name.ends_with(".db")) found = std::max(found, entry.path().string());
        }
        return found;
    }
    static void flip(const std::string& path, std::uint64_t byte, int bit) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(byte));
        char value = 0;
        file.get(value);
        file.seekp(static_cast<std::streamoff>(byte));
        file.put(static_cast<char>(value ^ (1 << bit)));
    }
    /// Opens, reads and checks the spool. Returns the missing positions.
    std::set<Position> check() {
        const auto spool = open_spool(options());
        if (!spool) return {};
        const Position last = spool->status().last;
        EXPECT_EQ(last, test_events);
        const ReadBack all = read_all(*spool, 0, 7);
        std::set<Position> missing;
        for (const MissingRange& range : all.missing) {
            EXPECT_LE(range.first, range.last);
            for (Position p = range.first; p <= range.last && p <= test_events * 2; ++p) missing.insert(p);
        }
        Position before = 0;
        for (const auto& [position, line] : all.events) {
            EXPECT_GT(position, before);
            EXPECT_EQ(line, lines_[position]);
            EXPECT_FALSE(missing.contains(position));
            before = position;
        }
        EXPECT_EQ(all.events.size() + missing.size(), last);
        std::uint64_t counted = spool->status().quarantined_events;
        EXPECT_EQ(counted, missing.size());
        const std::size_t reports = reports_.size();
        EXPECT_EQ(reports > 0, !missing.empty());
        EXPECT_EQ(read_all(*spool, 0, 100).events.size(), all.events.size());
        EXPECT_EQ(reports_.size(), reports);  // each damage is reported once
        append_and_wait(*spool, last + 1, last + 3);
        EXPECT_EQ(read_all(*spool, last).events.size(), 3U);
        return missing;
    }

    TemporaryDirectory directory_;
    std::mutex mutex_;
    std::vector<std::string> reports_;
    std::map<Position, std::size_t> sizes_;
    std::map<Position, std::string> lines_;
};

/// Changes a bit of the text of the row that holds the position. Returns the first and last position of that row.
/// SQLite makes the change, because the unused part of a page keeps copies of moved rows.
std::pair<Position, Position> flip_in_text(const std::string& file, Position position, std::mt19937_64& random) {
    DbError error;
    auto database = Database::open(file, Database::Use::write, error);
    Statement rows =
        database->prepare("SELECT position, events, lines FROM batch WHERE position <= ?1 ORDER BY 1 DESC LIMIT 1");
    rows.bind(1, position);
    EXPECT_EQ(rows.step(), Statement::Step::row);
    const auto first = static_cast<Position>(rows.number(0));
    const Position last = first + static_cast<Position>(rows.number(1)) - 1;
    std::string lines(rows.text(2));
    rows.reset();
    char& byte = lines[random() % lines.size()];
    byte = static_cast<char>(byte ^ (1 << (random() % 8)));
    Statement change = database->prepare("UPDATE batch SET lines = ?1 WHERE position = ?2");
    EXPECT_TRUE(change.bind(1, lines).bind(2, first).run());
    return {first, last};
}

TEST_F(SpoolDamageTest, AFlippedBitInTheTextTakesItsRowAndNothingElse) {
    const std::uint64_t seed = test_seed();
    fill(seed);
    std::mt19937_64 random(seed + 1);
    const auto [first, last] = flip_in_text(segment(), 1 + random() % test_events, random);
    const std::set<Position> missing = check();
    ASSERT_FALSE(missing.empty());
    EXPECT_EQ(*missing.begin(), first);
    EXPECT_EQ(*missing.rbegin(), last);
    EXPECT_EQ(missing.size(), last - first + 1);
    EXPECT_EQ(reports_.size(), 1U);
}

/// Returns, by page of the file, the positions of the events that the page holds in part, according to SQLite. For a
/// leaf, these are all its events; for an overflow page, those of the row.
std::map<std::uint64_t, std::set<Position>> events_by_page(const std::string& file) {
    DbError error;
    auto database = Database::open(file, Database::Use::read, error);
    std::vector<std::set<Position>> rows;
    Statement batches = database->prepare("SELECT position, events FROM batch ORDER BY position");
    while (batches.step() == Statement::Step::row) {
        auto& row = rows.emplace_back();
        for (std::int64_t i = 0; i < batches.number(1); ++i) row.insert(static_cast<Position>(batches.number(0) + i));
    }
    std::map<std::uint64_t, std::set<Position>> found;
    std::map<std::string, std::size_t> first_of;  // number of the first row, by the leaf's path
    Statement pages = database->prepare(
        "SELECT pageno, pagetype, path, ncell FROM dbstat WHERE name = 'batch' AND pagetype IN ('leaf', 'overflow')"
        " ORDER BY pagetype = 'overflow', path");
    std::size_t next = 0;
    while (pages.step() == Statement::Step::row) {
        auto& events = found[static_cast<std::uint64_t>(pages.number(0))];
        const std::string path(pages.text(2));
        if (pages.text(1) == "leaf") {
            first_of[path] = next;
            for (std::int64_t i = 0; i < pages.number(3); ++i, ++next)
                events.insert(rows[next].begin(), rows[next].end());
        } else {  // "/000/00a+000001": of the cell 00a in the leaf /000
            const std::string cell = path.substr(0, path.find('+'));
            const std::size_t slash = cell.rfind('/');
            const std::size_t row =
                first_of.at(cell.substr(0, slash) + "/") + std::stoul(cell.substr(slash + 1), nullptr, 16);
            events = rows[row];
        }
    }
    EXPECT_EQ(next, rows.size());
    return found;
}

TEST_F(SpoolDamageTest, AFlippedBitAnywhereInADataPageIsContainedAndNamed) {
    const std::uint64_t seed = test_seed();
    fill(seed);
    const auto pages = events_by_page(segment());
    ASSERT_GT(pages.size(), 20U);
    const std::string kept = directory_.in("kept");
    fs::copy(directory_.in("spool"), kept, fs::copy_options::recursive);
    const std::uint64_t page_size = 8192;
    std::mt19937_64 random(seed + 2);
    std::size_t harmless = 0;
    const int trials = 40;
    for (int trial = 0; trial < trials; ++trial) {
        auto page = pages.begin();
        std::advance(page, random() % pages.size());
        const std::uint64_t byte = (page->first - 1) * page_size + random() % page_size;
        const int bit = static_cast<int>(random() % 8);
        SCOPED_TRACE("seed " + std::to_string(seed) + ", trial " + std::to_string(trial) + ": byte " +
                     std::to_string(byte) + ", bit " + std::to_string(bit));
        fs::remove_all(directory_.in("spool"));
        fs::copy(kept, directory_.in("spool"), fs::copy_options::recursive);
        reports_.clear();
        flip(segment(), byte, bit);
        const std::set<Position> missing = check();
        if (missing.empty()) ++harmless;  // the byte is unused
        EXPECT_TRUE(std::includes(page->second.begin(), page->second.end(), missing.begin(), missing.end()))
            << missing.size() << " are missing, from " << *missing.begin() << " to " << *missing.rbegin();
        if (HasFailure()) break;
    }
    EXPECT_LT(harmless, static_cast<std::size_t>(trials));
}

TEST_F(SpoolDamageTest, AFlippedBitInTheTreeAboveTheDataInventsNothing) {
    const std::uint64_t seed = test_seed();
    fill(seed);
    const auto data = events_by_page(segment());
    const std::uint64_t page_size = 8192;
    const std::uint64_t pages = fs::file_size(segment()) / page_size;
    std::vector<std::uint64_t> others;
    for (std::uint64_t page = 1; page <= pages; ++page) {
        if (!data.contains(page)) others.push_back(page);
    }
    const std::string kept = directory_.in("kept");
    fs::copy(directory_.in("spool"), kept, fs::copy_options::recursive);
    std::mt19937_64 random(seed + 3);
    for (int trial = 0; trial < 20 && !HasFailure(); ++trial) {
        // Only its beginning is in use.
        const std::uint64_t byte = (others[random() % others.size()] - 1) * page_size + random() % 600;
        const int bit = static_cast<int>(random() % 8);
        SCOPED_TRACE("trial " + std::to_string(trial) + ": byte " + std::to_string(byte) + ", bit " +
                     std::to_string(bit));
        fs::remove_all(directory_.in("spool"));
        fs::copy(kept, directory_.in("spool"), fs::copy_options::recursive);
        reports_.clear();
        flip(segment(), byte, bit);
        static_cast<void>(check());
    }
}

TEST_F(SpoolDamageTest, ADamagedManifestIsReplaced) {
    fill(1);
    std::string id;
    {
        const auto spool = open_spool(options());
        id = spool->status().id;
        ASSERT_FALSE(spool->set_position("billing", 17));
        SpoolBatch batch{.lines = "{}\n",
                         .events = 1,
                         .listeners = {{"devices", 1}},
                         .marks = {{{"device-1", "boot-1"}, 9}},
                         .durable = {}};
        spool->append(std::move(batch));
        ASSERT_TRUE(spool->wait_for(test_events, 30s));
    }
    fs::resize_file(directory_.in("spool/spool.db"), 100);
    const auto spool = open_spool(options());
    ASSERT_EQ(reports_.size(), 1U) << reports_.back();
    EXPECT_NE(reports_[0].find("spool.db.damaged-1"), std::string::npos);
    EXPECT_EQ(spool->status().last, test_events + 1);
    EXPECT_EQ(read_all(*spool).events.size(), test_events + 1);
    std::promise<std::uint64_t> seq;
    spool->look_up({"device-1", "boot-1"}, [&](std::uint64_t n) { seq.set_value(n); });
    EXPECT_EQ(seq.get_future().get(), 9U);
}

TEST_F(SpoolDamageTest, ANewerSchemaIsLeftAlone) {
    { const auto spool = open_spool(options()); }
    {
        DbError error;
        auto database = Database::open(directory_.in("spool/spool.db"), Database::Use::write, error);
        ASSERT_TRUE(database);
        ASSERT_FALSE(database->execute("PRAGMA user_version = 2"));
    }
    const auto refused = Spool::open(options());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("newer version"), std::string::npos);
}

TEST_F(SpoolDamageTest, ALostFileOfEventsIsNamed) {
    fill(1);
    const std::string first = segment();
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, test_events + 1, test_events + 10);
    }
    std::ofstream(first, std::ios::trunc) << "nothing that SQLite knows";
    const auto spool = open_spool(options());
    const ReadBack all = read_all(*spool);
    EXPECT_EQ(all.events.size(), 10U);
    ASSERT_EQ(all.missing.size(), 1U);
    EXPECT_EQ(all.missing[0].first, 1U);
    EXPECT_EQ(all.missing[0].last, test_events);
}

}  // namespace
}  // namespace holdfast
