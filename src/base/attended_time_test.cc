#include "base/attended_time.h"

#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

const SteadyTime start{1h};

TEST(AttendedTime, WithoutAbsencesItIsSteadyTime) {
    const AttendedTime time;
    EXPECT_EQ(time.at(start), start);
    EXPECT_EQ(time.missed_since(start), 0s);
}

TEST(AttendedTime, AnAbsenceCountsForWhatIsOlderThanIt) {
    AttendedTime time;
    time.miss(start + 20s, 10s);
    EXPECT_EQ(time.missed_since(start + 5s), 10s);
    EXPECT_EQ(time.missed_since(start + 10s), 10s);
    EXPECT_EQ(time.missed_since(start + 15s), 5s) << "it lies within the absence";
    EXPECT_EQ(time.missed_since(start + 20s), 0s);
    EXPECT_EQ(time.at(start + 30s), start + 20s);
    EXPECT_EQ(time.steady(time.at(start + 30s)), start + 30s);
}

TEST(AttendedTime, SeveralAbsencesAddUp) {
    AttendedTime time;
    time.miss(start + 2s, 1s);
    time.miss(start + 5s, 2s);
    time.miss(start + 5s, 0s);  // no absence
    EXPECT_EQ(time.missed_since(start), 3s);
    EXPECT_EQ(time.missed_since(start + 2s), 2s);
    EXPECT_EQ(time.missed_since(start + 4s), 1s);
    EXPECT_EQ(time.at(start + 5s), start + 2s);
}

/// Each absence may delay or advance the end of a second of attended time by the tolerance at most.
TEST(AttendedTime, RepeatedAbsencesNeitherEndNorKeepASilentPeer) {
    AttendedTime time;
    SteadyTime now = start;
    nanoseconds attended{0};
    while (attended < 10s) {
        now += 30s;
        time.miss(now, 29s);
        attended = now - start - time.missed_since(start);
    }
    EXPECT_EQ(attended, 10s);
    EXPECT_EQ(now - start, 300s);
}

struct Span {
    SteadyTime from;
    SteadyTime until;
};
nanoseconds missed_by(const std::vector<Span>& spans, SteadyTime since) {
    nanoseconds sum{0};
    for (const Span& span : spans) {
        if (span.until > since) sum += span.until - std::max(span.from, since);
    }
    return sum;
}

TEST(AttendedTime, AgreesWithTheSumOfTheSpans) {
    std::minstd_rand dice(7);
    const auto draw = [&dice](int max) { return std::chrono::milliseconds(dice() % static_cast<unsigned>(max)); };
    AttendedTime time;
    std::vector<Span> spans;
    SteadyTime now = start;
    for (std::size_t i = 0; i < AttendedTime::max_absences; ++i) {
        const SteadyTime from = now + draw(3'000);
        now = from + 1ms + draw(20'000);
        spans.push_back({from, now});
        time.miss(now, now - from);
        const SteadyTime since = start + draw(static_cast<int>((now - start) / 1ms));
        ASSERT_EQ(time.missed_since(since), missed_by(spans, since)) << i;
    }
}

/// An endless series of pauses takes bounded memory. Merged pauses can delay the verdict by their sum, and never
/// advance it.
TEST(AttendedTime, MergedAbsencesErrInFavourOfThePeer) {
    std::minstd_rand dice(11);
    AttendedTime time;
    std::vector<Span> spans;
    SteadyTime now = start;
    for (std::size_t i = 0; i < 5 * AttendedTime::max_absences; ++i) {
        const SteadyTime from = now + 1s;
        now = from + 1s;
        spans.push_back({from, now});
        time.miss(now, 1s);
    }
    for (int i = 0; i < 1'000; ++i) {
        const SteadyTime since = start + std::chrono::milliseconds(dice() % static_cast<unsigned>((now - start) / 1ms));
        const nanoseconds exact = missed_by(spans, since);
        ASSERT_GE(time.missed_since(since), exact);
        ASSERT_LE(time.missed_since(since), exact + (now - since) / 20 + 1s);
        ASSERT_LE(time.missed_since(since), now - since);
    }
    EXPECT_EQ(time.missed_since(now - 10s), 5s) << "the latest are exact";
}

TEST(AbsenceDetector, OnlyATurnThatComesLateIsAnAbsence) {
    AbsenceDetector detector;
    EXPECT_EQ(detector.absence(start), 0s) << "nothing was planned";
    detector.expect(start);
    EXPECT_EQ(detector.absence(start - 1s), 0s) << "readiness came before the timer";
    EXPECT_EQ(detector.absence(start + AbsenceDetector::tolerance), 0s);
    EXPECT_EQ(detector.absence(start + AbsenceDetector::tolerance + 5s), 5s);
}

}  // namespace
}  // namespace holdfast
