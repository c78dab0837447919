#include "forward/message.h"

#include <random>

#include <gtest/gtest.h>

#include "forward/ack_inbox.h"
#include "forward/stream_setup.h"
#include "forward/window.h"

namespace holdfast {
namespace {

TEST(Token, WritesWhatASubjectMayHold) {
    EXPECT_EQ(to_token("device-17_a"), "device-17_a");
    EXPECT_EQ(to_token("10.20.30.40"), "10=2E20=2E30=2E40");
    EXPECT_EQ(to_token("*"), "=2A");
    EXPECT_EQ(to_token(">"), "=3E");
    EXPECT_EQ(to_token("a b="), "a=20b=3D");
    EXPECT_EQ(to_token("\xc3\xa4"), "=C3=A4");
    EXPECT_EQ(to_token(std::string_view("\0", 1)), "=00");
    EXPECT_EQ(to_token(""), "=");
    EXPECT_EQ(to_token("_"), "_");
}

TEST(Token, ReadsBackWhatItWrote) {
    std::mt19937 random(17);
    for (int i = 0; i < 2'000; ++i) {
        std::string text(random() % 20, ' ');
        for (char& c : text) c = static_cast<char>(random());
        const std::string token = to_token(text);
        EXPECT_FALSE(token.empty());
        EXPECT_EQ(token.find_first_of(". *>\t\r\n"), std::string::npos);
        EXPECT_EQ(from_token(token), text);
    }
}

TEST(Token, RefusesWhatItNeverWrites) {
    // Two tokens for one text would make two devices of one.
    for (const char* token : {"", "=4", "a=", "=2e", "=41", "=5F", "a.b", "a b", "*", "==", "=GG", "\xc3\xa4", "a=2"}) {
        EXPECT_EQ(from_token(token), std::nullopt) << token;
    }
}

std::vector<SpooledEvent> events(std::initializer_list<Position> positions, std::string_view line) {
    std::vector<SpooledEvent> out;
    for (const Position position : positions) out.push_back({position, "devices", line, WallTime{}});
    return out;
}

std::string subject(std::string_view line, std::string_view listener = "devices") {
    std::optional<bool> authenticated;
    return MessageMaker("holdfast", "id", 1, 1'000).subject_of({1, listener, line, WallTime{}}, authenticated);
}

TEST(Subject, OfABadItemIsItsOwnIfTheStreamHasIt) {
    const std::string line =
        R"({"event":"bad_item","conn":"1-1","id":"d.1","authenticated":true,"kind":"no_key","at":"x"})";
    EXPECT_EQ(subject(line), "holdfast.devices.item._");
    std::optional<bool> authenticated;
    MessageMaker maker("holdfast", "id", 1, 1'000, true);
    EXPECT_EQ(maker.subject_of({1, "devices", line, WallTime{}}, authenticated), "holdfast.devices.bad_item.d=2E1");
    EXPECT_EQ(authenticated, true);
    EXPECT_EQ(event_subjects("holdfast", true).back(), "holdfast.*.bad_item.*");
}

TEST(Subject, NamesListenerEventAndKey) {
    EXPECT_EQ(subject(R"({"event":"item","conn":"1-1","peer":"10.2.0.9:5","n":1,"key":"10.0.0.1","item":{"key":"x"}})"),
              "holdfast.devices.item.10=2E0=2E0=2E1");
    EXPECT_EQ(subject(R"({"event":"connected","conn":"1-1","listener":"d","peer":"10.2.0.9:5","at":"x"})", "a.b"),
              "holdfast.a=2Eb.connected._");
    EXPECT_EQ(subject(R"({"event":"closed","conn":"1-1","peer":"10.2.0.9:5","id":"device-17","reason":"kicked"})"),
              "holdfast.devices.closed.device-17");
    EXPECT_EQ(subject(R"({"event":"item","conn":"1-1","id":"d","n":1,"key":"\u00e4","item":{}})"),
              "holdfast.devices.item.=C3=A4");
}

TEST(MessageMaker, OneEventSaysWhetherItsIdIsProved) {
    const auto authenticated = [](std::string_view line, std::size_t max_events = 1) {
        MessageMaker maker("holdfast", "id", max_events, 1'000);
        return maker.make(events({7}, line), 0).authenticated;
    };
    EXPECT_EQ(authenticated(R"({"event":"item","id":"d","authenticated":true,"n":1,"key":"k","item":{}})"), true);
    EXPECT_EQ(authenticated(R"({"event":"item","id":"d","authenticated":false,"n":1,"key":"k","item":{}})"), false);
    EXPECT_EQ(authenticated(R"({"event":"closed","id":"d","session":"s","authenticated":true,"at":"x"})"), true);
    EXPECT_EQ(authenticated(R"({"event":"item","n":1,"key":"k","item":{"authenticated":true}})"), std::nullopt)
        << "the device's own word";
    EXPECT_EQ(authenticated(R"({"event":"closed","id":"d","authenticated":true})", 2), std::nullopt) << "a batch";
}

TEST(Subject, IsOneOfTheStreamsWhateverTheLine) {
    for (const char* line : {"", "{", "[]", "null", R"({"event":5})", R"({"event":"other"})", R"({"x":1})"}) {
        EXPECT_EQ(subject(line), "holdfast.devices.item._") << line;
    }
}

TEST(Subject, ALongKeyIsCutAndStaysItsOwn) {
    const std::string a = subject_token(std::string(60'000, '.') + "a");
    const std::string b = subject_token(std::string(60'000, '.') + "b");
    EXPECT_LE(a.size(), 256U);
    EXPECT_NE(a, b);
    EXPECT_EQ(from_token(a), std::nullopt) << "it would be taken for a whole key";
    EXPECT_EQ(subject_token(std::string(256, 'a')), std::string(256, 'a'));
}

TEST(MessageMaker, OneEventAMessage) {
    MessageMaker maker("holdfast", "id", 1, 10);
    const auto list = events({7, 8}, R"({"event":"item","key":"k"})");
    const NatsMessage message = maker.make(list, 0);
    EXPECT_EQ(message.id, "id-7");
    EXPECT_EQ(message.last, 7U);
    EXPECT_EQ(message.body, list[0].line);
    EXPECT_FALSE(message.is_batch);
}

TEST(MessageMaker, TheEpochIsPartOfTheId) {
    auto list = events({7, 8, 9}, R"({"event":"item","key":"k"})");
    list[0].epoch = list[1].epoch = 0xabc;
    list[2].epoch = 0xdef;
    EXPECT_EQ(MessageMaker("holdfast", "id", 1, 1'000).make(list, 0).id, "id-0000000000000abc-7");
    MessageMaker batches("holdfast", "id", 10, 1'000);
    const NatsMessage batch = batches.make(list, 0);
    EXPECT_EQ(batch.id, "id-0000000000000abc-7-8") << "a batch ends with its epoch";
    EXPECT_EQ(batch.epoch, 0xabcU);
    EXPECT_EQ(batches.make(std::span(list).subspan(2), 0).id, "id-0000000000000def-9-9");
}

TEST(MessageMaker, ADeadLetterNamesItsEvent) {
    MessageMaker maker("holdfast", "id", 1, 1'000);
    const NatsMessage letter = maker.dead_letter(
        {7, "devices",
         R"({"event":"item","conn":"1-1","peer":"10.0.0.1:5","n":3,"key":"k","item":{"ip":"k","id":"no"},"at":"2026"})",
         WallTime{}},
        "too \"large\"");
    EXPECT_EQ(letter.body,
              R"({"event":"dead_letter","of":"item","conn":"1-1","peer":"10.0.0.1:5","n":3,"listener":"devices",)"
              R"("spool":"id","position":7,"bytes":105,"why":"too \"large\"","at":"2026"})");
    EXPECT_EQ(letter.subject, "holdfast.devices.item.k");
    EXPECT_EQ(letter.id, "id-7!");
    EXPECT_TRUE(letter.is_dead_letter);
    EXPECT_EQ(letter.first, 7U);
    EXPECT_EQ(letter.last, 7U);
}

TEST(MessageMaker, ABatchEndsAtAGapAtABoundAndByBytes) {
    MessageMaker maker("holdfast", "id", 4, 10);
    EXPECT_EQ(maker.make(events({1, 2, 3, 4, 5}, "a"), 0).last, 4U);
    EXPECT_EQ(maker.make(events({1, 2, 4, 5}, "a"), 0).last, 2U);
    EXPECT_EQ(maker.make(events({1, 2, 3, 4}, "a"), 3).last, 3U);
    EXPECT_EQ(maker.make(events({1, 2, 3, 4}, "aaaa"), 0).last, 2U);
    EXPECT_EQ(maker.make(events({1, 2}, std::string(100, 'a')), 0).last, 1U) << "one goes whatever its size";
    const NatsMessage message = maker.make(events({1, 2}, "a"), 0);
    EXPECT_EQ(message.subject, "holdfast.batch.id");
    EXPECT_EQ(message.body, "a\na\n");
    EXPECT_EQ(message.id, "id-1-2");
    EXPECT_TRUE(message.is_batch);
}

TEST(PublishWindow, TakesWhatIsAcknowledgedInOrderOnly) {
    PublishWindow window;
    for (Position at = 1; at <= 4; ++at) window.add({.first = at * 10, .last = at * 10 + 9, .bytes = 5});
    Position published = 0;
    std::uint64_t sequence = 0;
    window.acknowledge(1);
    window.acknowledge(9);
    EXPECT_EQ(window.take_acknowledged(published, sequence), 0U);
    window.acknowledge(0);
    EXPECT_EQ(window.take_acknowledged(published, sequence), 2U);
    EXPECT_EQ(published, 29U);
    EXPECT_EQ(window.bytes(), 10U);
    EXPECT_EQ(window.next_number(), 4U);
    EXPECT_EQ(window.go_back(), (std::deque<Position>{39, 49}));
    EXPECT_TRUE(window.empty());
    EXPECT_EQ(window.next_number(), 0U);
    window.acknowledge(0);  // of the previous round
    EXPECT_EQ(window.take_acknowledged(published, sequence), 0U);
}

TEST(PublishAck, IsReadWithItsReason) {
    using Kind = PublishAck::Kind;
    const auto read = [](std::string_view body) { return read_publish_ack(body, "holdfast"); };
    EXPECT_EQ(read(R"({"stream":"holdfast","seq":17})").kind, Kind::stored);
    EXPECT_EQ(read(R"({"stream":"holdfast","seq":17})").sequence, 17U);
    EXPECT_EQ(read(R"({"stream":"holdfast","seq":17,"duplicate":true})").kind, Kind::duplicate);
    const auto refused = read(R"({"error":{"code":503,"err_code":10077,"description":"no\u001b room"}})");
    EXPECT_EQ(refused.kind, Kind::refused);
    EXPECT_TRUE(refused.error.starts_with("no\\x1b room (JetStream error 10077): the stream is full")) << refused.error;
}

TEST(PublishAck, OfAnotherStreamOrOfNoneProvesNothing) {
    for (const char* body :
         {"", "+OK", "{}", "[]", R"({"stream":"holdfast"})", R"({"stream":"other","seq":17})", R"({"seq":17})",
          R"({"stream":"other","seq":17,"duplicate":true})",
          R"({"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}})"}) {
        EXPECT_EQ(read_publish_ack(body, "holdfast").kind, PublishAck::Kind::foreign) << body;
    }
}

TEST(SubjectCovers, WithWildcards) {
    EXPECT_TRUE(subject_covers(">", "holdfast.*.item.*"));
    EXPECT_TRUE(subject_covers("holdfast.>", "holdfast.*.item.*"));
    EXPECT_TRUE(subject_covers("holdfast.*.*.*", "holdfast.*.item.*"));
    EXPECT_TRUE(subject_covers("holdfast.*.item.*", "holdfast.*.item.*"));
    EXPECT_TRUE(subject_covers("a", "a"));
    for (const char* wide : {"holdfast.devices.item.*", "holdfast.*.item", "holdfast.*.item.*.*", "other.>",
                             "holdfast.*.item.*.>", "holdfast.*.item.17", ""}) {
        EXPECT_FALSE(subject_covers(wide, "holdfast.*.item.*")) << wide;
    }
    EXPECT_FALSE(subject_covers("a.*", "a.>"));
}

TEST(StreamComplaint, NamesWhatIsWrong) {
    const StreamNeeds needs{"events", event_subjects("holdfast"), 3};
    StreamFacts good;
    good.subjects = {"holdfast.>"};
    good.on_disk = true;
    good.replicas = 3;
    good.duplicates = std::chrono::minutes(2);
    EXPECT_EQ(stream_complaint(good, needs), "");
    const auto wrong = [&](auto change) {
        StreamFacts facts = good;
        change(facts);
        return stream_complaint(facts, needs);
    };
    EXPECT_EQ(
        wrong([](StreamFacts& f) {
            f.subjects = {"holdfast.*.item.*", "holdfast.*.closed.*"};
        }),
        "the stream \"events\" does not receive holdfast.*.connected.*; add the subject (nats stream edit events), "
        "or name another in [sink]");
    EXPECT_NE(wrong([](StreamFacts& f) { f.on_disk = false; }).find("in memory"), std::string::npos);
    EXPECT_NE(wrong([](StreamFacts& f) { f.acknowledges = false; }).find("no_ack"), std::string::npos);
    EXPECT_NE(wrong([](StreamFacts& f) { f.sealed = true; }).find("sealed"), std::string::npos);
    EXPECT_NE(wrong([](StreamFacts& f) { f.retention = StreamRetention::interest; }).find("interest"),
              std::string::npos);
    EXPECT_NE(wrong([](StreamFacts& f) { f.duplicates = std::chrono::seconds(5); }).find("5s only, 1m"),
              std::string::npos);
    EXPECT_NE(wrong([](StreamFacts& f) { f.replicas = 1; }).find("has 1 replicas"), std::string::npos);
    EXPECT_NE(wrong([](StreamFacts& f) { f.max_msgs_per_subject = 5; }).find("keeps only 5 of a subject"),
              std::string::npos);
}

TEST(StreamWarnings, NameEachLimit) {
    StreamFacts facts;
    facts.name = "events";
    facts.max_age = std::chrono::hours(24);
    EXPECT_TRUE(stream_warnings(facts).empty());
    facts.max_msgs = 1'000;
    facts.max_age = std::chrono::minutes(5);
    auto warnings = stream_warnings(facts);
    ASSERT_EQ(warnings.size(), 2U);
    EXPECT_NE(warnings[0].find("removes its oldest events when it is full (discard old, max_msgs 1000)"),
              std::string::npos);
    EXPECT_NE(warnings[1].find("removes events after 5m (max_age)"), std::string::npos);
    facts = {};
    facts.max_bytes = 5'000;
    facts.refuses_when_full = true;
    warnings = stream_warnings(facts);
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find("refuses new events when it is full (discard new, max_bytes 5000)"), std::string::npos);
}

TEST(Guarantee, NamesAlsoTheFailuresThatItDoesNotSurvive) {
    StreamFacts facts;
    EXPECT_NE(
        guarantee_text(facts, {"2.9.10", "", true}).find("(nats-server 2.9.10): a crash of nats-server loses nothing"),
        std::string::npos);
    EXPECT_NE(guarantee_text(facts, {}).find("a loss of power at most"), std::string::npos);
    facts.replicas = 3;
    EXPECT_NE(guarantee_text(facts, {}).find("survives the loss of 1 of them, disk included"), std::string::npos);
    facts.replicas = 5;
    EXPECT_NE(guarantee_text(facts, {}).find("survives the loss of 2 of them, disks included"), std::string::npos);
}

}  // namespace

}  // namespace holdfast
