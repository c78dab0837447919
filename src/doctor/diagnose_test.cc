#include "doctor/diagnose.h"

#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_up_facts.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// The facts of a test: sound until the test changes one.
struct Scene {
    HostFacts host = sound_host();
    Demand demand = sound_demand();
    GatewayFacts gateway = sound_gateway();

    Scene() { host.descriptors->soft = host.descriptors->hard; }
    [[nodiscard]] Findings sample() const { return diagnose(host, demand, &gateway); }
};

std::map<std::string, Finding> by_id(const Findings& findings) {
    std::map<std::string, Finding> out;
    for (const Finding& one : findings) EXPECT_TRUE(out.emplace(one.id, one).second) << one.id << " comes twice";
    return out;
}

TEST(Diagnose, ASoundHostIsSound) {
    for (const Finding& one : Scene().sample()) EXPECT_EQ(one.verdict, Verdict::ok) << one.id << ": " << one.found;
}

TEST(Diagnose, EveryFindingSaysAllThatAPersonNeeds) {
    Scene nothing_known;
    nothing_known.host = {};
    for (const Findings& findings : {Scene().sample(), nothing_known.sample()}) {
        EXPECT_GE(findings.size(), 20U);
        for (const auto& [id, one] : by_id(findings)) {
            EXPECT_THAT(one.found, Not(IsEmpty())) << id;
            EXPECT_THAT(one.why, Not(IsEmpty())) << id;
            EXPECT_THAT(one.command, Not(IsEmpty())) << id;
            EXPECT_THAT(one.found + one.why + one.command, Not(HasSubstr("\n"))) << id;
        }
    }
}

TEST(Diagnose, WhatCannotBeReadIsNeverCalledGood) {
    Scene scene;
    scene.host = {};
    const auto findings = by_id(scene.sample());
    for (const char* const id : {"descriptors", "nr_open", "file_max", "epoll_watches", "memory", "tcp_mem",
                                 "somaxconn", "syn_backlog", "netdev_backlog", "port_range", "clock", "clocksource"}) {
        EXPECT_EQ(findings.at(id).verdict, Verdict::warning) << id;
    }
}

TEST(Diagnose, WithoutAGatewayOnlyTheHostIsJudged) {
    const Scene scene;
    const auto findings = by_id(diagnose(scene.host, scene.demand, nullptr));
    EXPECT_EQ(findings.count("live_sockets"), 0U);
    EXPECT_EQ(findings.count("reconciliation"), 0U);
    EXPECT_EQ(findings.count("tcp_mem"), 1U);
}

/// A changed fact, with the finding it causes, its verdict and its words.
struct Spoilt {
    const char* name;
    std::function<void(Scene&)> spoil;
    const char* id;
    Verdict verdict;
    const char* says;     // in `found` or `why`
    const char* command;  // in `command`

    friend void PrintTo(const Spoilt& one, std::ostream* out) { *out << one.name; }
};

class OneThingSpoilt : public testing::TestWithParam<Spoilt> {};

TEST_P(OneThingSpoilt, IsFoundAndNothingElse) {
    Scene scene;
    GetParam().spoil(scene);
    for (const Finding& one : scene.sample()) {
        if (one.id != GetParam().id) {
            EXPECT_EQ(one.verdict, Verdict::ok) << one.id << ": " << one.found;
            continue;
        }
        EXPECT_EQ(one.verdict, GetParam().verdict) << one.found;
        EXPECT_THAT(one.found + " " + one.why, HasSubstr(GetParam().says));
        EXPECT_THAT(one.command, HasSubstr(GetParam().command));
    }
    EXPECT_EQ(by_id(scene.sample()).count(GetParam().id), 1U);
}

std::string name_of(const testing::TestParamInfo<Spoilt>& info) { return info.param.name; }

void unset_limit(Scene& scene) { scene.demand.limit_is_set = false; }

INSTANTIATE_TEST_SUITE_P(
    Limits, OneThingSpoilt,
    testing::ValuesIn(std::vector<Spoilt>{
        {"FewDescriptors",
         [](Scene& s) {
             s.host.descriptors = DescriptorLimit{100'100, 100'100};
         },
         "descriptors", Verdict::wrong, "100,100 hard", "prlimit --pid 4711 --nofile=100128:100128"},
        {"SoftLimitOfARunningOne",
         [](Scene& s) {
             s.host.descriptors = DescriptorLimit{1'024, 524'288};
         },
         "descriptors", Verdict::wrong, "1,024 soft", "--pid 4711"},
        {"ALoginShellsDescriptors",
         [](Scene& s) {
             unset_limit(s);
             s.host.descriptors = DescriptorLimit{1'024, 1'024};
         },
         "descriptors", Verdict::warning, "login shell", "1048576"},
        {"NrOpen", [](Scene& s) { s.host.nr_open = 65'536; }, "nr_open", Verdict::wrong, "65,536",
         "sysctl -w fs.nr_open=1048576"},
        {"FileMax", [](Scene& s) { s.host.file_max = 101'000; }, "file_max", Verdict::wrong, "ENFILE",
         "sysctl -w fs.file-max="},
        {"EpollWatches", [](Scene& s) { s.host.epoll_watches = 50'000; }, "epoll_watches", Verdict::wrong,
         "50,000 a user", "sysctl -w fs.epoll.max_user_watches="},
        {"EpollWatchesWhereNoLimitIsSet",
         [](Scene& s) {
             unset_limit(s);
             s.host.epoll_watches = 50'000;
         },
         "epoll_watches", Verdict::warning, "no limit is set", "sysctl -w fs.epoll.max_user_watches="},
        {"TooLittleMemory",
         [](Scene& s) {
             s.host.memory_total = std::uint64_t{400} << 20;
             s.host.tcp_mem = {{1, 50'000, 100'000}};
             s.host.tcp_rmem = {{1, 1, 1}};
             s.host.tcp_wmem = {{1, 1, 1}};
         },
         "memory", Verdict::wrong, "400.0 MiB", "--max-connections"},
        {"HalfOfMemory",
         [](Scene& s) {
             s.host.memory_total = std::uint64_t{700} << 20;
             s.host.tcp_mem = {{1, 50'000, 100'000}};
             s.host.tcp_rmem = {{1, 1, 1}};
             s.host.tcp_wmem = {{1, 1, 1}};
         },
         "memory", Verdict::warning, "more than half", "free -h"},
        {"TcpMemBelowTheLeastBuffers",
         [](Scene& s) {
             s.host.tcp_mem = {{9'000, 12'000, 18'000}};
         },
         "tcp_mem", Verdict::wrong, "8.0 KiB each: 781.3 MiB", "sysctl -w net.ipv4.tcp_mem='200000 300000 400000'"},
        {"TcpMemPressure",
         [](Scene& s) {
             s.host.tcp_mem = {{100'000, 150'000, 380'000}};
         },
         "tcp_mem", Verdict::warning, "pressure from 585.9 MiB", "net.ipv4.tcp_mem"},
        {"TcpMemUsedUp", [](Scene& s) { s.host.tcp_pages = 380'001; }, "tcp_mem", Verdict::wrong, "in use 1.4 GiB",
         "net.ipv4.tcp_mem"},
        {"TcpMemAboveMemory",
         [](Scene& s) {
             s.host.tcp_mem = {{1'900'000, 2'000'000, 3'000'000}};
         },
         "tcp_mem", Verdict::warning, "above the machine's memory", "net.ipv4.tcp_mem"},
        {"GroupsMemory", [](Scene& s) { s.host.cgroup.memory_max = std::uint64_t{256} << 20; }, "cgroup_memory",
         Verdict::wrong, "256.0 MiB in /system.slice/holdfast.service", "holdfast.service/memory.max"},
        {"GroupsThreads", [](Scene& s) { s.host.cgroup.pids_max = 10; }, "cgroup_pids", Verdict::wrong, "needed 20",
         "holdfast.service/pids.max"},
    }),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Network, OneThingSpoilt,
    testing::ValuesIn(std::vector<Spoilt>{
        {"Somaxconn16", [](Scene& s) { s.host.somaxconn = 16; }, "somaxconn", Verdict::wrong,
         "16, for a backlog of 4,096", "sysctl -w net.core.somaxconn=4096"},
        {"Somaxconn1024", [](Scene& s) { s.host.somaxconn = 1'024; }, "somaxconn", Verdict::warning, "1,024",
         "sysctl -w net.core.somaxconn=4096"},
        {"BacklogCutWhenItStarted", [](Scene& s) { s.gateway.sockets->listening.front().backlog = 128; }, "somaxconn",
         Verdict::warning, "the gateway's listeners have 128", "restart"},
        {"NoSynCookies", [](Scene& s) { s.host.syncookies = 0; }, "syn_backlog", Verdict::warning, "SYN cookies off",
         "sysctl -w net.ipv4.tcp_syncookies=1"},
        {"ShortQueue", [](Scene& s) { s.host.netdev_backlog = 300; }, "netdev_backlog", Verdict::warning, "300",
         "sysctl -w net.core.netdev_max_backlog=10000"},
        {"HerdsWithoutRoom",
         [](Scene& s) {
             const LivenessPlan plan = plan_liveness(std::chrono::seconds(5)).value();
             s.demand.listeners.front().plan = s.gateway.listeners.front().plan = plan;
             s.gateway.sockets->connections.front().options = options_of(plan);
         },
         "netdev_backlog", Verdict::warning, "25,000 connections of a reactor", "netdev_max_backlog"},
        {"BlackHoles", [](Scene& s) { s.host.mtu_probing = 0; }, "mtu_probing", Verdict::warning, "black hole",
         "sysctl -w net.ipv4.tcp_mtu_probing=1"},
        {"SlowAnswers", [](Scene& s) { s.host.invalid_ratelimit_ms = 2'000; }, "invalid_ratelimit", Verdict::warning,
         "2000 ms", "sysctl -w net.ipv4.tcp_invalid_ratelimit=500"},
        {"FewWindowProbes", [](Scene& s) { s.host.retries2 = 8; }, "retries2", Verdict::warning, "slow reader",
         "sysctl -w net.ipv4.tcp_retries2=15"},
        {"ListenerAmongOutgoingPorts", [](Scene& s) { s.demand.listeners.front().address.port = 40'000; }, "port_range",
         Verdict::warning, "has port 40000", "sysctl -w net.ipv4.ip_local_reserved_ports=40000"},
        {"ForgetfulFirewall", [](Scene& s) { s.host.conntrack->established_s = 10; }, "conntrack_timeout",
         Verdict::wrong, "probes after 10s of silence",
         "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established="},
        {"ForgetsWhileAProbeIsLate", [](Scene& s) { s.host.conntrack->established_s = 12; }, "conntrack_timeout",
         Verdict::wrong, "12 s", "nf_conntrack_tcp_timeout_established"},
        {"ForgetfulFirewallThatNobodyUses",
         [](Scene& s) {
             s.host.conntrack->established_s = 10;
             s.host.conntrack->count = 0;
         },
         "conntrack_timeout", Verdict::warning, "empty at present", "nf_conntrack_tcp_timeout_established"},
        {"SmallTable", [](Scene& s) { s.host.conntrack->max = 65'536; }, "conntrack_table", Verdict::wrong,
         "17 of 65,536", "sysctl -w net.netfilter.nf_conntrack_max=262144"},
        {"SmallTableThatNobodyUses",
         [](Scene& s) {
             s.host.conntrack->max = 65'536;
             s.host.conntrack->count = 0;
         },
         "conntrack_table", Verdict::warning, "0 of 65,536", "nf_conntrack_max"},
        {"FullTable", [](Scene& s) { s.host.conntrack->count = 262'000; }, "conntrack_table", Verdict::wrong,
         "262,000 of 262,144", "nf_conntrack_max"},
        {"StrictTable", [](Scene& s) { s.host.conntrack->loose = 0; }, "conntrack_loose", Verdict::warning, "invalid",
         "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1"},
    }),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Machine, OneThingSpoilt,
    testing::ValuesIn(std::vector<Spoilt>{
        {"WildClock", [](Scene& s) { s.host.clock.synchronised = false; }, "clock", Verdict::warning,
         "not synchronised", "chrony"},
        {"SlowClock", [](Scene& s) { s.host.clock.source = "hpet"; }, "clocksource", Verdict::warning, "hpet",
         "echo tsc >"},
        {"SlowClockAndNoBetter",
         [](Scene& s) { s.host.clock = {.synchronised = true, .source = "acpi_pm", .available = "hpet acpi_pm"}; },
         "clocksource", Verdict::warning, "acpi_pm", "boot log"},
        {"Kernel4_14", [](Scene& s) { s.host.kernel = "4.14.302"; }, "kernel", Verdict::wrong, "4.19",
         "apt-get install"},
        {"Kernel4_19", [](Scene& s) { s.host.kernel = "4.19.0-27-amd64"; }, "kernel", Verdict::wrong, "window_stalled",
         "apt-get install"},
        {"Kernel5_4", [](Scene& s) { s.host.kernel = "5.4.0-200-generic"; }, "kernel", Verdict::warning, "pidfd_getfd",
         "apt-get install"},
        {"Kernel5_10", [](Scene& s) { s.host.kernel = "5.10.0-33-amd64"; }, "kernel", Verdict::warning,
         "window stays zero", "apt-get install"},
        {"KernelUnknown", [](Scene& s) { s.host.kernel = "next"; }, "kernel", Verdict::wrong, "next",
         "apt-get install"},
        {"PlanRefused", [](Scene& s) { s.demand.listeners.front().plan_refused = "an accepted socket has no"; },
         "plan_kept", Verdict::wrong, "an accepted socket has no", "holdfast plan --detect-within 30s"},
        {"NoCapOfRetransmissions", [](Scene& s) { s.demand.listeners.front().plan.rto_max = std::chrono::seconds(0); },
         "safe_outage", Verdict::warning, "devices 7.5s; this kernel has no TCP_RTO_MAX_MS", "6.15"},
    }),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Gateway, OneThingSpoilt,
    testing::ValuesIn(std::vector<Spoilt>{
        {"AdminOpenToAll", [](Scene& s) { s.gateway.admin_listens_on = {parse_endpoint("0.0.0.0:7080").value()}; },
         "admin_address", Verdict::warning, "0.0.0.0:7080", "--admin 127.0.0.1:7080"},
        {"AdminConfiguredOpen", [](Scene& s) { s.demand.admin = parse_endpoint("[::]:7080").value(); }, "admin_address",
         Verdict::warning, "[::]:7080", "--admin 127.0.0.1:7080"},
        {"NoKeepalive", [](Scene& s) { s.gateway.sockets->connections.front().options.keepalive = false; },
         "live_sockets", Verdict::wrong, "10.2.0.9:51514 has SO_KEEPALIVE off (planned on)", "sport = :7000"},
        {"OtherIdle", [](Scene& s) { s.gateway.sockets->connections.front().options.idle = std::chrono::hours(2); },
         "live_sockets", Verdict::wrong, "TCP_KEEPIDLE 2h (planned 10s)", "ss -tino"},
        {"OtherInterval",
         [](Scene& s) { s.gateway.sockets->connections.front().options.interval = std::chrono::seconds(75); },
         "live_sockets", Verdict::wrong, "TCP_KEEPINTVL 75s (planned 1s)", "ss -tino"},
        {"OtherCount", [](Scene& s) { s.gateway.sockets->connections.front().options.count = 9; }, "live_sockets",
         Verdict::wrong, "TCP_KEEPCNT 9 (planned 16)", "ss -tino"},
        {"NoUserTimeout",
         [](Scene& s) { s.gateway.sockets->connections.front().options.user_timeout = std::chrono::seconds(0); },
         "live_sockets", Verdict::wrong, "TCP_USER_TIMEOUT 0s (planned 28.375s)", "ss -tino"},
        {"NotPermittedToLook",
         [](Scene& s) {
             s.gateway.sockets = {{}, {}, "not permitted", 7, 0};
         },
         "live_sockets", Verdict::warning, "7 of 7 connections have a running timer", "sudo"},
        {"NotPermittedToLookAndNoTimer",
         [](Scene& s) {
             s.gateway.sockets = {{}, {}, "not permitted", 7, 2};
         },
         "live_sockets", Verdict::wrong, "7 of 9 connections", "sudo"},
        {"OnAnotherHost", [](Scene& s) { s.gateway.sockets.reset(); }, "live_sockets", Verdict::warning,
         "runs on another host", "holdfast doctor"},
        {"AnotherNamespace", [](Scene& s) { s.gateway.same_network = false; }, "namespace", Verdict::warning,
         "another network namespace", "nsenter -t 4711 -n"},
        {"AcceptPaused", [](Scene& s) { s.gateway.accept_paused = {"devices"}; }, "accepting", Verdict::wrong,
         R"(listener "devices" has paused accepting)", "holdfast status"},
        {"Refused", [](Scene& s) { s.gateway.refused = 3; }, "accepting", Verdict::warning, "3 refused",
         "holdfast status"},
        {"SinkBroken", [](Scene& s) { s.gateway.sink_error = "No space left on device"; }, "sink", Verdict::wrong,
         "the sink cannot write: No space left", "holdfast status"},
        {"Ghosts", [](Scene& s) { s.gateway.reconciliation->ghosts = 2; }, "reconciliation", Verdict::wrong, "2 ghosts",
         "restart"},
        {"Orphans",
         [](Scene& s) {
             s.gateway.reconciliation->orphans = 1;
             s.gateway.reconciliation->examples = {"orphan 10.2.0.9:51514"};
         },
         "reconciliation", Verdict::wrong, "E.g. orphan 10.2.0.9:51514.", "restart"},
        {"StuckCloseWait", [](Scene& s) { s.gateway.reconciliation->stuck_close_wait = 4; }, "reconciliation",
         Verdict::wrong, "4 stuck in CLOSE_WAIT", "restart"},
        {"CannotReconcile", [](Scene& s) { s.gateway.reconciliation->error = "sock_diag: EPERM"; }, "reconciliation",
         Verdict::warning, "sock_diag: EPERM", "curl -X POST"},
        {"AnOlderGateway", [](Scene& s) { s.gateway.reconciliation.reset(); }, "reconciliation", Verdict::warning,
         "unknown to this gateway", "curl -X POST"},
    }),
    name_of);

TEST(Diagnose, AGatewayThatStartsMayRaiseItsSoftLimit) {
    const HostFacts host = sound_host();
    EXPECT_EQ(by_id(diagnose(host, sound_demand(), nullptr)).at("descriptors").verdict, Verdict::ok);
}

TEST(Diagnose, OutstandingBytesMayHaveALongerUserTimeout) {
    Scene scene;
    SocketOptions& options = scene.gateway.sockets->connections.front().options;
    options.user_timeout += std::chrono::minutes(5);
    EXPECT_EQ(by_id(scene.sample()).at("live_sockets").verdict, Verdict::wrong);
    options.outstanding = true;
    EXPECT_EQ(by_id(scene.sample()).at("live_sockets").verdict, Verdict::ok);
}

TEST(Diagnose, ReservedPortsAreNotTaken) {
    Scene scene;
    scene.demand.listeners.front().address.port = 40'000;
    for (const char* const reserved : {"40000", "7000,39990-40010", "39000-40000"}) {
        scene.host.reserved_ports = reserved;
        EXPECT_EQ(by_id(scene.sample()).at("port_range").verdict, Verdict::ok) << reserved;
    }
    for (const char* const reserved : {"", "7000", "4000", "40001-40100", "-", ",,"}) {
        scene.host.reserved_ports = reserved;
        EXPECT_EQ(by_id(scene.sample()).at("port_range").verdict, Verdict::warning) << reserved;
    }
}

TEST(Diagnose, TheQuietestListenerDecidesAboutConntrack) {
    Scene scene;
    scene.host.conntrack->established_s = 60;
    EXPECT_EQ(by_id(scene.sample()).at("conntrack_timeout").verdict, Verdict::ok);
    DemandedListener quiet = sound_listener();
    quiet.name = "meters";
    quiet.plan = plan_liveness(std::chrono::minutes(10)).value();
    scene.demand.listeners.push_back(quiet);
    const Finding finding = by_id(scene.sample()).at("conntrack_timeout");
    EXPECT_EQ(finding.verdict, Verdict::wrong);
    EXPECT_THAT(finding.found, HasSubstr("\"meters\" probes after 200s"));
}

TEST(Diagnose, ConntrackThatIsNotLoadedIsGood) {
    Scene scene;
    scene.host.conntrack.reset();
    EXPECT_EQ(by_id(scene.sample()).at("conntrack").verdict, Verdict::ok);
}

TEST(Finding, JsonCountsWhatIsNotWell) {
    const Findings findings{{"a", Verdict::ok, "1", "b", "c"}, {"d", Verdict::wrong, "\"2\"", "e", "f"}};
    EXPECT_EQ(to_json(findings),
              R"({"findings":[{"id":"a","verdict":"ok","found":"1","why":"b","command":"c"},)"
              R"({"id":"d","verdict":"wrong","found":"\"2\"","why":"e","command":"f"}],"wrong":1,"warnings":0})");
    EXPECT_EQ(to_json({}), R"({"findings":[],"wrong":0,"warnings":0})");
}

}  // namespace
}  // namespace holdfast
