#include "testing/client_verbs.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "cli/verbs.h"
#include "client/admin_reply.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(ClientVerbs, Status) {
    gateway_.now.listeners.front().connections = 12'345;
    gateway_.now.listeners.front().closed[static_cast<std::size_t>(CloseReason::peer_reset)] = 7;
    const VerbOutcome outcome = request({"status"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("12,345 of at most"));
    EXPECT_THAT(outcome.out, HasSubstr("7 (7 peer_reset)"));
    EXPECT_THAT(outcome.out, HasSubstr("detect_within  30s: first probe after 10s"));
    EXPECT_THAT(request({"status", "--json"}).out,
                testing::AllOf(StartsWith("{\"version\""), testing::EndsWith("}\n")));
}

TEST_F(ClientVerbs, StatusNamesTheListenersOfEachPlan) {
    ListenerStatus cameras = gateway_.now.listeners.front();
    cameras.name = "cameras";
    cameras.plan = plan_liveness(std::chrono::seconds(9)).value();
    gateway_.now.listeners.push_back(cameras);
    EXPECT_THAT(request({"status"}).out,
                testing::AllOf(testing::ContainsRegex("detect_within  30s: first probe after 10s[^\n]*\\(devices\\)\n"),
                               testing::ContainsRegex("detect_within  9s: first probe after [^\n]*\\(cameras\\)\n")));
}

TEST_F(ClientVerbs, ListHandsItsFlagsOn) {
    gateway_.row.key = "a\x1b[31m";
    const VerbOutcome outcome = request({"list", "--peer", "10.2.0.0/16", "--key", "a b&c", "--listener", "devices",
                                         "--sort", "items", "--reverse", "--limit", "5", "--offset", "2"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("a\\x1b[31m"));
    EXPECT_THAT(outcome.out, HasSubstr("1 of 1 connections\n"));
    EXPECT_EQ(gateway_.last_list.peer, parse_prefix("10.2.0.0/16").value());
    EXPECT_EQ(gateway_.last_list.key, "a b&c");
    EXPECT_EQ(gateway_.last_list.listener, "devices");
    EXPECT_EQ(gateway_.last_list.sort, ConnectionSort::items);
    EXPECT_TRUE(gateway_.last_list.reverse);
    EXPECT_EQ(gateway_.last_list.limit, 5U);
    EXPECT_EQ(gateway_.last_list.offset, 2U);
    EXPECT_FALSE(gateway_.last_list.suspect);
    (void)request({"list", "--suspect"});
    EXPECT_EQ(gateway_.last_list.suspect, true);
    (void)request({"list", "--sort", "peer", "--reverse"});
    EXPECT_TRUE(gateway_.last_list.reverse);
    (void)request({"list", "--sort", "peer"});
    EXPECT_FALSE(gateway_.last_list.reverse);
    expect_one_line(request({"list", "--peer", "10.2.0.0/99"}), 2, "10.2.0.0/99");
    expect_one_line(request({"list", "--sort", "colour", "--reverse"}), 2, "allowed are age,");
}

TEST_F(ClientVerbs, BadValuesAreRefusedWithoutAGatewayInItsWords) {
    AdminAccess access;
    access.address = to_string(server_->address());
    const auto words_of_the_gateway = [&](std::string_view target) {
        return failure_of(access, call_admin(access, {.target = std::string(target)}))->text();
    };
    const auto refuse = [](std::vector<std::string> words) {
        words.insert(words.end(), {"--admin", "127.0.0.1:1"});
        return run(std::move(words));
    };
    const std::vector<std::pair<std::vector<std::string>, std::string>> rows{
        {{"list", "--limit", "abc"}, "/v1/connections?limit=abc"},
        {{"list", "--fleet", "--state", "gone"}, "/v1/fleet?state=gone"},
        {{"list", "--peer", ""}, "/v1/connections?peer="},
        {{"closed", "--reason", "timeout"}, "/v1/closed?reason=timeout"},
        {{"trend", "--window", "100d"}, "/v1/trend?window=100d"},
    };
    for (const auto& [words, target] : rows) {
        const VerbOutcome outcome = refuse(words);
        EXPECT_EQ(outcome.code, 2) << target;
        EXPECT_EQ(outcome.err, "holdfast: " + words_of_the_gateway(target) + "\n");
    }
    expect_one_line(refuse({"drain", "--over", "1y"}), 2, "over=\"1y\" is not a time; write e.g. 500ms or 3s");
    expect_one_line(refuse({"send", "--id", "van", "--wait", "1h", "{}"}), 2, "wait=\"1h\" is not a time to wait");
    expect_one_line(refuse({"list", "--limit", "7"}), 3, "no gateway answers");
}

TEST_F(ClientVerbs, Show) {
    EXPECT_THAT(request({"show", known}).out, HasSubstr("peer           10.2.0.9:51514\n"));
    expect_one_line(request({"show", "7f2c91a0-2"}), 1, "unknown connection \"7f2c91a0-2\"");
    expect_one_line(request({"show", "../../etc"}), 1, "unknown connection");
}

TEST_F(ClientVerbs, Closed) {
    EXPECT_EQ(request({"closed"}).out, "no closed connection matches\n");
    ClosedLife& life = gateway_.lives.emplace_back();
    life.conn = FakeControlPlane::known;
    life.reason = CloseReason::keepalive_expired;
    life.detail = "\x1b]0;owned\x07";
    const VerbOutcome outcome =
        request({"closed", "--reason", "keepalive_expired", "--peer", "10.0.0.0/8", "--limit", "3"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("keepalive_expired"));
    EXPECT_THAT(outcome.out, HasSubstr("\\x1b]0;owned\\x07"));
    EXPECT_EQ(gateway_.last_closed.reason, CloseReason::keepalive_expired);
    EXPECT_EQ(gateway_.last_closed.limit, 3U);
    expect_one_line(request({"closed", "--reason", "timeout"}), 2, "allowed are peer_closed");
}

TEST_F(ClientVerbs, ProbeExitsByItsAnswer) {
    EXPECT_EQ(request({"probe", known}).code, 0);
    gateway_.alive = false;
    EXPECT_EQ(request({"probe", known, "--timeout", "500ms"}).code, 1);
    EXPECT_EQ(gateway_.last_timeout, std::chrono::milliseconds(500));
    EXPECT_EQ(request({"probe", known, "--json"}).code, 1);
    const VerbOutcome some = request({"probe", "--all"});
    EXPECT_EQ(some.code, 1);
    EXPECT_EQ(some.out, "3 probed, 2 alive, 1 silent, in 2s\nsilent 7f2c91a0-1\n");
    EXPECT_EQ(request({"probe", "--peer", "10.0.0.0/8"}).code, 1);
    EXPECT_TRUE(gateway_.last_peer.has_value());
    expect_one_line(request({"probe", "7f2c91a0-2"}), 1, "unknown connection");
    expect_one_line(request({"probe"}), 2, "no connection is selected");
    expect_one_line(request({"probe", known, "--all"}), 2, "no connection is selected");
    expect_one_line(request({"probe", "--all", "--timeout", "soon"}), 2, "timeout=\"soon\"");
    expect_one_line(request({"probe", "--all", "--timeout", "1h"}), 2, "timeout=\"1h\"");
}

TEST_F(ClientVerbs, Close) {
    EXPECT_EQ(request({"close", known}).out, "closed 7f2c91a0-1\n");
    EXPECT_EQ(request({"close", "--peer", "10.0.0.0/8"}).out, "closed 7 connections\n");
    expect_one_line(request({"close", "7f2c91a0-2"}), 1, "unknown connection");
    expect_one_line(request({"close"}), 2, "no connection is selected");
    expect_one_line(request({"close", known, "--peer", "10.0.0.0/8"}), 2, "no connection is selected");
}

TEST_F(ClientVerbs, Send) {
    EXPECT_EQ(request({"send", known, "{\"a\": 1}"}).out, "queued for 7f2c91a0-1\n");
    EXPECT_THAT(gateway_.sent, testing::ElementsAre("{\"a\":1}"));
    expect_one_line(request({"send", known, "[]"}), 2, "not an object");
    expect_one_line(request({"send", "7f2c91a0-2", "{}"}), 1, "unknown connection");
    gateway_.full = true;
    expect_one_line(request({"send", known, "{}"}), 1, "send again later");
}

TEST_F(ClientVerbs, ADeviceIsFoundByItsOwnId) {
    EXPECT_EQ(request({"list"}).out.find(" ID "), std::string::npos) << "nobody has one";
    gateway_.row.id = "van 17/\x1b";
    gateway_.row.session = "boot-42";
    EXPECT_THAT(request({"list", "--id", gateway_.row.id}).out, HasSubstr("van 17/\\x1b"));
    EXPECT_THAT(request({"list"}).out, HasSubstr(" ID "));
    (void)request({"list", "--id", gateway_.row.id});
    EXPECT_EQ(gateway_.last_list.id, gateway_.row.id);
    EXPECT_THAT(request({"show", "--id", gateway_.row.id}).out,
                HasSubstr("device         van 17/\\x1b, session boot-42, not authenticated\n"));
    EXPECT_THAT(request({"probe", "--id", gateway_.row.id}).out, StartsWith("van 17/\\x1b is alive"));
    EXPECT_EQ(request({"close", "--id", gateway_.row.id}).out, "closed 7f2c91a0-1\n");
    (void)request({"closed", "--id", "x"});
    EXPECT_EQ(gateway_.last_closed.id, "x");
    expect_one_line(request({"show", "--id", "nobody"}), 1, "device \"nobody\" is unknown: ");
    expect_one_line(request({"probe", "--id", "nobody"}), 1, "no device \"nobody\" is connected; look it up");
    expect_one_line(request({"close", "--id", "nobody"}), 1, "no device \"nobody\" is connected; look it up");
    for (const char* verb : {"show", "probe", "close"}) {
        expect_one_line(request({verb, known, "--id", "x"}), 2, "no connection is selected");
    }
}

TEST_F(ClientVerbs, SendToADeviceSaysHowFarItGot) {
    gateway_.row.id = "van";
    const VerbOutcome acked = request({"send", "--id", "van", "--wait", "2s", "{\"a\": 1}"});
    EXPECT_EQ(acked.out, "acked: the kernel of van received the message\n") << acked.err;
    EXPECT_EQ(gateway_.last_timeout, std::chrono::seconds(2));
    EXPECT_THAT(gateway_.sent, testing::ElementsAre("{\"a\":1}"));
    gateway_.alive = false;
    EXPECT_EQ(request({"send", "--id", "van", "{}"}).out, "sent to van, not acknowledged yet\n");
    EXPECT_EQ(request({"send", "--id", "van", "{}"}).code, 0);
    expect_one_line(request({"send", "--id", "nobody", "{}"}), 1, "no device \"nobody\"");
    expect_one_line(request({"send", "--id", "van", known, "{}"}), 2, "send --id DEVICE");
    expect_one_line(request({"send", "{}"}), 2, "send ID JSON");
    expect_one_line(request({"send", known, "{}", "--wait", "1s"}), 2, "send ID JSON");
}

TEST_F(ClientVerbs, SendReadsStandardInput) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const UniqueFd saved(::dup(STDIN_FILENO));
    ASSERT_EQ(::write(ends[1], "{\"b\":2}\n", 8), 8);
    ::close(ends[1]);
    ::dup2(ends[0], STDIN_FILENO);
    ::close(ends[0]);
    const VerbOutcome outcome = request({"send", known, "-"});
    ::dup2(saved.get(), STDIN_FILENO);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(gateway_.sent, testing::ElementsAre("{\"b\":2}"));
}

TEST_F(ClientVerbs, AlarmsExplainThemselves) {
    EXPECT_EQ(request({"alarms"}).out, "no alarm is active\n");
    EXPECT_EQ(request({"alarms"}).code, 0);
    watch_.board.active.push_back(example_alarm());
    const VerbOutcome outcome = request({"alarms"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out,
              "population_drop on listener devices, alarm 1, since 2026-11-22T08:00:00.123Z\n"
              "  what        4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16\n"
              "  cause       A network partition: the whole of 10.2.0.0/16 fell silent at once.\n"
              "  advice      Look at the router in front of 10.2.0.0/16.\n"
              "  reasons     3,813 keepalive_expired, 287 peer_reset\n"
              "  where       10.2.0.0/16: 4,100 of 4,100\n"
              "  population  5,900, was 10,000\n"
              "  commands    holdfast closed --reason keepalive_expired --peer 10.2.0.0/16\n");
    EXPECT_EQ(request({"alarms", "--json"}).code, 1);
    EXPECT_THAT(request({"alarms", "--json"}).out, StartsWith("{\"total\":1,\"active\":[{\"id\":1,"));
    EXPECT_THAT(request({"status"}).out, HasSubstr("! 1 alarm is active; see holdfast alarms\n"));
}

TEST_F(ClientVerbs, AlarmsOfThePast) {
    EXPECT_EQ(request({"alarms", "--recent"}).out, "no alarm is active\n\nno alarm has been cleared\n");
    Alarm past = example_alarm();
    past.cleared_at = past.raised_at + std::chrono::minutes(2);
    past.summary = "\x1b[2J";
    past.elsewhere = 5;
    watch_.board.recent.push_back(past);
    const VerbOutcome outcome = request({"alarms", "--recent"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("2026-11-22T08:00:00.123Z to 2026-11-22T08:02:00.123Z\n"));
    EXPECT_THAT(outcome.out, HasSubstr("\\x1b[2J"));
    EXPECT_THAT(outcome.out, HasSubstr("; elsewhere: 5\n"));
    EXPECT_EQ(request({"alarms"}).out, "no alarm is active\n");
}

TEST_F(ClientVerbs, StatusSaysHowWellRegistryAndKernelAgree) {
    EXPECT_THAT(request({"status"}).out, HasSubstr("alarms         0 active, registry drift not known yet\n"));
    watch_.latest.emplace().ghosts = 2;
    EXPECT_THAT(request({"status"}).out, HasSubstr("0 active, registry drift 2\n"));
    EXPECT_THAT(request({"status"}).out, HasSubstr("! registry and kernel disagree about 2 connections"));
}

TEST_F(ClientVerbs, ReloadSaysWhatItDid) {
    EXPECT_EQ(request({"reload"}).out, "nothing has changed\n");
    reloaded_ = {{}, {"log.level is debug"}, {"reactors"}, {"w"}};
    EXPECT_EQ(request({"reload"}).out, "applied: log.level is debug\nneeds a restart: reactors\nwarning: w\n");
    EXPECT_THAT(request({"reload", "--json"}).out, StartsWith("{\"applied\":["));
    reloaded_.errors = {"a.toml:3: one", "a.toml:9: t\x1bwo"};
    const VerbOutcome bad = request({"reload"});
    EXPECT_EQ(bad.code, 1);
    EXPECT_EQ(bad.err, "holdfast: a.toml:3: one\nholdfast: a.toml:9: t\\x1bwo\n");
    server_->stop();
    EXPECT_EQ(request({"reload"}).code, 3);
}

TEST_F(ClientVerbs, AnEndpointWithoutATextOfItsOwnPrintsATable) {
    watch_.points.points.emplace_back().closed[static_cast<std::size_t>(CloseReason::peer_reset)] = 2;
    const VerbOutcome outcome = request({"trend", "--window", "10m", "--step", "10s"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, testing::ContainsRegex("^AT  +CONNECTIONS  +FEWEST  +MOST  +ACCEPTED  +REFUSED  +CLOSED  "
                                                    "+ITEMS  +BAD ITEMS\n[^\n]+  2 peer_reset +0 +0\n$"));
    EXPECT_THAT(request({"trend", "--window", "10m", "--json"}).out, StartsWith("{\"window_s\":600,"));
    EXPECT_EQ(watch_.queries.front().step, std::chrono::seconds(10));
    expect_one_line(request({"trend", "--window", "soon"}), 2, "window=\"soon\" is not a duration of whole seconds");
}

TEST_F(ClientVerbs, TopPrintsOneFrame) {
    gateway_.row.key = "a\x1b[31m";
    gateway_.now.listeners.front().connections = 12'345;
    const VerbOutcome outcome = request({"top", "--once"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("12,345 of at most"));
    EXPECT_THAT(outcome.out, HasSubstr("a\\x1b[31m"));
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
    EXPECT_EQ(watch_.queries.back().window, std::chrono::seconds(10));
    const std::string json = request({"top", "--once", "--json", "--sort", "items", "--filter", "10.2.0.0/16"}).out;
    EXPECT_THAT(json, StartsWith("{\"status\":{\"version\""));
    EXPECT_THAT(json, HasSubstr(",\"connections\":{\"total\":1,"));
    EXPECT_EQ(gateway_.last_list.sort, ConnectionSort::items);
    EXPECT_EQ(gateway_.last_list.peer, parse_prefix("10.2.0.0/16").value());
}

TEST_F(ClientVerbs, TopSaysWhatItNeeds) {
    expect_one_line(request({"top"}), 2,
                    "standard output is not a terminal; use --once");  // standard output is a file here
    expect_one_line(request({"top", "--json"}), 2, "--once");
    expect_one_line(request({"top", "--once", "--sort", "colour"}), 2, "allowed are age,");
    expect_one_line(request({"top", "--once", "--interval", "1ms"}), 2, "100ms to 1h");
    server_->stop();
    expect_one_line(request({"top", "--once"}), 3, "no gateway answers at");
}

TEST_F(ClientVerbs, TheAddressMayComeFromTheEnvironment) {
    ::setenv("HOLDFAST_ADMIN", to_string(server_->address()).c_str(), 1);
    EXPECT_EQ(run({"show", known}).code, 0);
    ::unsetenv("HOLDFAST_ADMIN");
    EXPECT_EQ(run({"show", known, "--admin", "localhost:" + std::to_string(server_->address().port)}).code, 0);
}

TEST_F(ClientVerbs, AGatewayThatIsNotThereIsCode3) {
    const std::string address = to_string(server_->address());
    server_->stop();
    const VerbOutcome outcome = run({"status", "--admin", address});
    expect_one_line(outcome, 3,
                    "no gateway answers at " + address + ": Connection refused; start one with `holdfast serve`");
    expect_one_line(run({"status", "--admin", "nonsense"}), 2, "is not an address with a port");
    expect_one_line(run({"status", "--admin", "127.0.0.1:99999"}), 2, "is not an address with a port");
}

TEST(ClientVerbsElsewhere, AStrangerIsNotTakenForAGateway) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const UniqueFd listener(socket);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(socket, 1), 0);
    ASSERT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length), 0);
    const auto answer_once = [&](std::string_view text) {
        std::jthread stranger([&, text] {
            const UniqueFd client(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
            char request[4096];
            (void)!::read(client.get(), request, sizeof request);
            ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
        });
        return run({"status", "--admin", "127.0.0.1:" + std::to_string(ntohs(address.sin_port))});
    };
    expect_one_line(answer_once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), 3, "is not a holdfast gateway");
    expect_one_line(answer_once("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"), 3,
                    "is not a holdfast gateway");
    expect_one_line(answer_once("SSH-2.0-x\r\n"), 3, "sent no HTTP response");
}

using namespace std::chrono_literals;

class ClientDrain : public ClientVerbs {
protected:
    int run(std::vector<std::string> words) {
        words.insert(words.begin(), "drain");
        const VerbOutcome outcome = request(std::move(words));
        out_ = outcome.out;
        err_ = outcome.err;
        return outcome.code;
    }

    std::string out_;
    std::string err_;
};

TEST_F(ClientDrain, HandsItsFlagsOn) {
    EXPECT_EQ(run({"--over", "90s", "--peer", "10.2.0.0/16", "--listener", "devices", "--no-goodbye"}), 0);
    const DrainOrder& order = gateway_.now.drain->order;
    EXPECT_EQ(order.over, 90s);
    EXPECT_EQ(order.peer, parse_prefix("10.2.0.0/16").value());
    EXPECT_EQ(order.listener, "devices");
    EXPECT_FALSE(order.goodbye);
    EXPECT_EQ(order.come_back, ComeBack::at_once);
    EXPECT_THAT(out_, HasSubstr("10.2.0.0/16, listener devices over 90s"));
}

TEST_F(ClientDrain, OfAllTakesTheGatewayOutOfService) {
    EXPECT_EQ(run({}), 0);
    EXPECT_EQ(gateway_.now.drain->order.over, 2min);
    EXPECT_EQ(gateway_.now.drain->order.come_back, ComeBack::later);
    EXPECT_THAT(out_, HasSubstr("out of service"));
    gateway_.now.drain->found = 12'345;
    gateway_.now.drain->ended = 345;
    EXPECT_EQ(run({"--status"}), 0);
    EXPECT_THAT(out_, StartsWith("running: all over 2m; 345 of 12,345 ended, 0 had gone, 12,000 left\n"));
    EXPECT_EQ(run({"--cancel"}), 0);
    EXPECT_THAT(out_, StartsWith("cancelled: "));
    EXPECT_FALSE(gateway_.now.out_of_service);
}

TEST_F(ClientDrain, WhatIsWrongIsSaid) {
    EXPECT_EQ(run({"--status"}), 1);
    EXPECT_THAT(err_, HasSubstr("no drain has begun"));
    EXPECT_EQ(run({"--over", "soon"}), 2);
    EXPECT_THAT(err_, HasSubstr("over=\"soon\" is not a time"));
    EXPECT_EQ(run({"--cancel", "--status"}), 2);
    gateway_.now.draining = true;
    EXPECT_EQ(run({}), 1);
    EXPECT_THAT(err_, HasSubstr("stopping"));
}

}  // namespace

}  // namespace holdfast
