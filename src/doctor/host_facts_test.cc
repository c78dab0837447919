#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "doctor/facts.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

/// A host made of files in a directory of its own.
class HostFactsTest : public testing::Test {
protected:
    void plant(const fs::path& path, const std::string& text) const {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    [[nodiscard]] HostFacts read(std::optional<int> pid = {}) const { return read_host_facts(pid, root_); }

    const TemporaryDirectory directory_;
    const fs::path root_ = directory_.path();
};

TEST_F(HostFactsTest, NothingThereIsNothingKnown) {
    const HostFacts facts = read();
    EXPECT_FALSE(facts.descriptors || facts.nr_open || facts.somaxconn || facts.tcp_mem || facts.memory_total ||
                 facts.conntrack || facts.cgroup.memory_max || facts.cgroup.pids_max || facts.tcp_pages);
    EXPECT_FALSE(facts.kernel.empty());
}

TEST_F(HostFactsTest, Numbers) {
    plant("proc/sys/fs/nr_open", "1048576\n");
    plant("proc/sys/fs/file-nr", "994\t0\t2466170\n");
    plant("proc/sys/fs/file-max", "99999999999999999999\n");
    plant("proc/sys/net/core/somaxconn", "rubbish\n");
    plant("proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n");
    plant("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\n");
    plant("proc/meminfo", "MemTotal:       24622016 kB\nMemFree: 1 kB\n");
    plant("proc/net/sockstat", "sockets: used 15\nTCP: inuse 1 orphan 0 tw 3 alloc 1 mem 315\nUDP: inuse 0 mem 7\n");
    const HostFacts facts = read();
    EXPECT_EQ(facts.nr_open, 1'048'576U);
    EXPECT_EQ(facts.files_open, 994U);
    EXPECT_EQ(facts.file_max, no_limit);
    EXPECT_FALSE(facts.somaxconn);
    EXPECT_EQ(facts.tcp_mem, (std::array<std::uint64_t, 3>{287'898, 383'867, 575'796}));
    EXPECT_FALSE(facts.tcp_rmem);
    EXPECT_EQ(facts.memory_total, 24'622'016ULL * 1'024);
    EXPECT_EQ(facts.tcp_pages, 315U);
}

TEST_F(HostFactsTest, LimitsAreThoseOfTheGivenProcess) {
    const std::string title = "Limit                     Soft Limit           Hard Limit           Units     \n";
    plant("proc/self/limits",
          title + "Max open files            1024                 524288               files     \n");
    plant("proc/4711/limits",
          title + "Max open files            20000                unlimited            files     \n");
    EXPECT_EQ(read().descriptors->soft, 1'024U);
    EXPECT_EQ(read().descriptors->hard, 524'288U);
    EXPECT_EQ(read(4711).descriptors->soft, 20'000U);
    EXPECT_EQ(read(4711).descriptors->hard, no_limit);
    EXPECT_FALSE(read(1).descriptors);
}

TEST_F(HostFactsTest, ConntrackIsThereOnceItIsLoaded) {
    EXPECT_FALSE(read().conntrack);
    plant("proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", "432000\n");
    plant("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    plant("proc/sys/net/netfilter/nf_conntrack_tcp_loose", "0\n");
    ASSERT_TRUE(read().conntrack);
    EXPECT_EQ(read().conntrack->established_s, 432'000U);
    EXPECT_EQ(read().conntrack->loose, 0U);
    EXPECT_FALSE(read().conntrack->count);
}

TEST_F(HostFactsTest, TheTightestGroupOfTheNewHierarchyCounts) {
    plant("proc/4711/cgroup", "0::/system.slice/holdfast.service\n");
    plant("sys/fs/cgroup/cgroup.controllers", "memory pids\n");
    plant("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
    plant("sys/fs/cgroup/system.slice/holdfast.service/memory.max", "max\n");
    plant("sys/fs/cgroup/system.slice/holdfast.service/pids.max", "100\n");
    plant("sys/fs/cgroup/system.slice/holdfast.service/pids.current", "7\n");
    const CgroupFacts facts = read(4711).cgroup;
    EXPECT_EQ(facts.path, "/system.slice/holdfast.service");
    EXPECT_EQ(facts.memory_max, 1'073'741'824U);
    EXPECT_EQ(facts.memory_file, (root_ / "sys/fs/cgroup/system.slice/memory.max").string());
    EXPECT_EQ(facts.pids_max, 100U);
    EXPECT_EQ(facts.pids_now, 7U);
}

TEST_F(HostFactsTest, TheOldHierarchyHasAFolderForEachController) {
    plant("proc/self/cgroup", "5:pids:/box\n4:cpu,memory:/\n1:name=systemd:/\n0::/other\n");
    plant("sys/fs/cgroup/unified/cgroup.procs", "");
    plant("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    plant("sys/fs/cgroup/pids/box/pids.max", "12\n");
    const CgroupFacts facts = read().cgroup;
    EXPECT_FALSE(facts.memory_max);
    EXPECT_EQ(facts.pids_max, 12U);
    plant("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    EXPECT_EQ(read().cgroup.memory_max, 536'870'912U);
}

TEST_F(HostFactsTest, ThisVeryHostCanBeRead) {
    const HostFacts facts = read_host_facts({});
    ASSERT_TRUE(facts.descriptors);
    EXPECT_GT(facts.descriptors->hard, 0U);
    EXPECT_TRUE(facts.somaxconn);
    EXPECT_TRUE(facts.memory_total);
    EXPECT_GE(facts.page_size, 4'096U);
}

}  // namespace
}  // namespace holdfast
