// A first start is interrupted after each of its file operations: the next start opens the remains. The start runs in a
// child that the kernel stops at each system call (ptrace(2)), so that no operation is skipped.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spool/database.h"
#include "testing/test_spool.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

/// System calls that change what a later start finds; for openat(2), those with O_CREAT.
constexpr int file_calls[] = {
    SYS_openat, SYS_write,   SYS_pwrite64, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync,
    SYS_fchmod, SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat,
#ifdef SYS_open
    SYS_open,   SYS_mkdir,   SYS_unlink,   SYS_rename,    SYS_renameat,  SYS_link
#endif
};

/// Makes the kernel stop the calling process for its tracer at these system calls only.
bool stop_at_file_calls() {
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (const int call : file_calls) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `work` in a child that is killed before operation number `cut_off`, counted from 0 over all its threads.
class CutOff {
public:
    explicit CutOff(std::function<void()> work) : work_(std::move(work)) {}

    /// Returns false if the work had fewer operations, so that it ran to its end.
    [[nodiscard]] bool run(std::size_t cut_off) {
        unsynced_.clear();
        begin();
        std::size_t operations = 0;
        for (;;) {
            int status = 0;
            const pid_t thread = ::waitpid(-1, &status, __WALL);
            if (thread < 0) ADD_FAILURE() << "waitpid: errno " << errno;
            const bool over = WIFEXITED(status) || WIFSIGNALED(status);
            if (thread < 0 || (over && thread == child_)) {
                EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
                return false;
            }
            if (over) continue;
            const bool at_call = status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
            if (at_call && is_operation(thread) && operations++ == cut_off) break;
            const bool is_ours = at_call || status >> 16 != 0 || WSTOPSIG(status) == SIGSTOP;
            go_on(thread, is_ours ? 0 : WSTOPSIG(status));
        }
        ::kill(child_, SIGKILL);
        while (::waitpid(-1, nullptr, __WALL) > 0) continue;
        return true;
    }
    /// Returns the files that the child had written and not synced when it was killed.
    [[nodiscard]] const std::set<std::string>& unsynced() const { return unsynced_; }

private:
    [[noreturn]] void be_child() const {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        if (!stop_at_file_calls()) ::_exit(2);
        work_();
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    void begin() {
        child_ = ::fork();
        if (child_ == 0) be_child();
        int status = 0;
        EXPECT_EQ(::waitpid(child_, &status, 0), child_);
        EXPECT_TRUE(WIFSTOPPED(status));
        constexpr int options = PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE;
        EXPECT_EQ(::ptrace(PTRACE_SETOPTIONS, child_, nullptr, options), 0);
        go_on(child_, 0);
    }
    static void go_on(pid_t thread, int signal) {
        static_cast<void>(::ptrace(PTRACE_CONT, thread, nullptr, signal));  // fails if the thread has just ended
    }
    [[nodiscard]] bool is_operation(pid_t thread) {
        __ptrace_syscall_info call{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof call, &call) <= 0) {
            ADD_FAILURE() << "PTRACE_GET_SYSCALL_INFO: errno " << errno;
            return false;
        }
        const std::uint64_t nr = call.seccomp.nr;
        const std::uint64_t first = call.seccomp.args[0];
        if (nr == SYS_openat) return (call.seccomp.args[2] & O_CREAT) != 0;
        if (nr == SYS_pwrite64 || nr == SYS_write || nr == SYS_ftruncate) unsynced_.insert(file_of(first));
        if (nr == SYS_fsync || nr == SYS_fdatasync) unsynced_.erase(file_of(first));
        return true;
    }
    [[nodiscard]] std::string file_of(std::uint64_t descriptor) const {
        std::error_code none;
        return fs::read_symlink("/proc/" + std::to_string(child_) + "/fd/" + std::to_string(descriptor), none);
    }

    std::function<void()> work_;
    pid_t child_ = 0;
    std::set<std::string> unsynced_;
};

class FirstStartTest : public testing::Test {
protected:
    static SpoolOptions options(const std::string& directory) {
        SpoolOptions options;
        options.directory = directory;
        return options;
    }
    /// Opens the spool as a gateway does, and uses it.
    static void check(const std::string& directory, const std::string& id = {}) {
        const auto spool = open_spool(options(directory));
        ASSERT_TRUE(spool);
        EXPECT_EQ(spool->status().id, id.empty() ? spool->status().id : id);
        EXPECT_EQ(spool->status().id.size(), 16U);
        const Position last = spool->status().last;
        append_and_wait(*spool, last + 1, last + 3);
        EXPECT_TRUE(read_all(*spool).missing.empty());
        EXPECT_EQ(read_all(*spool, last).events.size(), 3U);
        for (const auto& entry : fs::directory_iterator(directory)) {
            const std::string name = entry.path().filename();
            EXPECT_FALSE(name.starts_with("making") || name.ends_with(".new")) << name;
        }
    }
    /// Simulates a power cut on a file system that delays allocation: unsynced files exist and are empty. Returns false
    /// if there are none.
    [[nodiscard]] static bool empty(const std::set<std::string>& files, const std::string& copy) {
        bool any = false;
        for (const std::string& file : files) {
            const std::string copied = copy + "/" + fs::path(file).filename().string();
            if (!fs::exists(copied)) continue;
            fs::resize_file(copied, 0);
            any = true;
        }
        return any;
    }
    /// Returns a path under the root, which is in memory if possible: syncing each state would cost time and test the
    /// disk.
    [[nodiscard]] std::string in(const std::string& name) const { return root_ + "/" + name; }
    void SetUp() override {
        std::string shared = "/dev/shm/holdfast-XXXXXX";
        if (::mkdtemp(shared.data()) != nullptr) root_ = shared;
    }
    void TearDown() override {
        if (root_ != directory_.path()) fs::remove_all(root_);
    }

    TemporaryDirectory directory_;
    std::string root_ = directory_.path();
};

TEST_F(FirstStartTest, OpensAfterACrashBeforeAnyOperationOfAFirstLife) {
    std::size_t states = 0;
    const std::string directory = in("spool");
    CutOff life([&directory] {
        const auto spool = open_spool(options(directory));
        append_and_wait(*spool, 1, 3);
    });
    for (std::size_t cut_off = 0; !HasFailure(); ++cut_off, ++states) {
        SCOPED_TRACE("killed at operation " + std::to_string(cut_off));
        fs::remove_all(directory);
        const bool was_cut = life.run(cut_off);
        const std::string copy = in("power");
        fs::remove_all(copy);
        if (was_cut && fs::exists(directory)) fs::copy(directory, copy);
        check(directory);
        if (!was_cut) break;
        SCOPED_TRACE("with the power off");
        if (!empty(life.unsynced(), copy)) continue;
        ++states;
        check(copy);
    }
    EXPECT_GT(states, 100U);
    std::cout << states << " states of a first life\n";
}

TEST_F(FirstStartTest, FinishesAReplacement) {
    const std::string directory = in("spool");
    for (const std::string& name : {std::string("spool.db"), std::string("events-0000000000000000001.db")}) {
        {
            const auto spool = open_spool(options(directory));
            append_and_wait(*spool, 1, 3);
        }
        fs::rename(directory + "/" + name, directory + "/" + name + ".new");
        std::ofstream(directory + "/" + name + "-wal") << "of the former file";
        check(directory);
        EXPECT_EQ(read_all(*open_spool(options(directory))).events.size(), 6U);
        fs::remove_all(directory);
    }
}

TEST_F(FirstStartTest, RemainsOfASpoolAreRecognised) {
    for (const std::string& name :
         {std::string("spool.db-wal"), std::string("spool.db-shm"), std::string("spool.db.damaged-1"),
          std::string("spool.db.damaged-1-wal"), std::string("events-0000000000000000001.db-wal")}) {
        SCOPED_TRACE(name);
        const std::string directory = in("left");
        fs::remove_all(directory);
        fs::create_directory(directory);
        std::ofstream(directory + "/" + name) << "its bytes";
        check(directory);
    }
    fs::create_directory(in("other"));
    std::ofstream(in("other") + "/photos.db-wal") << "its bytes";
    EXPECT_FALSE(Spool::open(options(in("other"))));
}

/// The remains of an interrupted first start of a version that created spool.db in place.
TEST_F(FirstStartTest, MakesAControlFileAgainThatHasNoIdAndNoEvents) {
    const auto exec = [](const std::string& path, const char* sql) {
        DbError error;
        auto database = Database::open(path, Database::Use::write, error);
        ASSERT_TRUE(database) << error.message;
        EXPECT_FALSE(database->execute(sql));
    };
    for (const std::string& sql : {std::string(), std::string("PRAGMA journal_mode = WAL"),
                                   std::string("PRAGMA application_id = 0x48465350; CREATE TABLE about (key TEXT "
                                               "PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")}) {
        SCOPED_TRACE(sql);
        const std::string directory = in("spool");
        fs::remove_all(directory);
        fs::create_directory(directory);
        fs::permissions(directory, fs::perms::owner_all);
        std::ofstream(directory + "/spool.db") << "";
        if (!sql.empty()) exec(directory + "/spool.db", sql.c_str());
        std::ofstream(directory + "/lock") << "123";
        check(directory);
    }
    for (const std::size_t zeros : {4096U, 8192U}) {
        const std::string directory = in("zeros-" + std::to_string(zeros));
        fs::create_directory(directory);
        std::ofstream(directory + "/spool.db") << std::string(zeros, '\0');
        check(directory);
    }
}

TEST_F(FirstStartTest, LeavesAForeignFileOfThatNameAlone) {
    const std::string text = "these are not the bytes of SQLite";
    const std::string directory = in("spool");
    fs::create_directory(directory);
    std::ofstream(directory + "/spool.db") << text;
    const auto refused = Spool::open(options(directory));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("not a file of a spool"), std::string::npos) << refused.error().message;
    EXPECT_EQ(fs::file_size(directory + "/spool.db"), text.size());

    fs::remove(directory + "/spool.db");
    std::ofstream(directory + "/spool.db") << "";
    {
        DbError error;
        auto database = Database::open(directory + "/spool.db", Database::Use::write, error);
        ASSERT_FALSE(database->execute("CREATE TABLE photos (name TEXT)"));
    }
    const auto refused_too = Spool::open(options(directory));
    ASSERT_FALSE(refused_too);
    EXPECT_NE(refused_too.error().message.find("not a file of a spool"), std::string::npos)
        << refused_too.error().message;
}

TEST_F(FirstStartTest, KeepsTheIdOverAControlFileThatIsLostOrUnreadable) {
    const std::string directory = in("spool");
    std::string id;
    {
        const auto spool = open_spool(options(directory));
        id = spool->status().id;
        append_and_wait(*spool, 1, 9);
    }
    fs::remove(directory + "/spool.db");
    check(directory, id);
    fs::resize_file(directory + "/spool.db", 100);
    check(directory, id);
    EXPECT_TRUE(fs::exists(directory + "/spool.db.damaged-1"));
    fs::resize_file(directory + "/spool.db", 0);
    check(directory, id);
    EXPECT_TRUE(fs::exists(directory + "/spool.db.damaged-2"));
    EXPECT_EQ(read_all(*open_spool(options(directory))).events.size(), 18U);
}

/// An interrupted rebuild keeps the id and the groups that could be read.
TEST_F(FirstStartTest, OpensAfterACrashBeforeAnyOperationOfARebuild) {
    const std::string kept = in("kept");
    std::string id;
    {
        const auto spool = open_spool(options(kept));
        id = spool->status().id;
        append_and_wait(*spool, 1, 9);
        ASSERT_FALSE(spool->set_position("billing", 5));
    }
    {
        DbError error;
        auto database = Database::open(kept + "/spool.db", Database::Use::write, error);
        ASSERT_FALSE(database->execute("DELETE FROM about WHERE key = 'id'"));
    }
    for (std::size_t cut_off = 0; !HasFailure(); ++cut_off) {
        SCOPED_TRACE("killed at operation " + std::to_string(cut_off));
        const std::string directory = in("spool");
        fs::remove_all(directory);
        fs::copy(kept, directory);
        CutOff start([&directory] { ASSERT_TRUE(Spool::open(options(directory))); });
        const bool was_cut = start.run(cut_off);
        check(directory, id);
        const auto groups = open_spool(options(directory))->groups();
        ASSERT_EQ(groups.size(), 1U);
        EXPECT_EQ(groups[0].position, 5U);
        if (!was_cut) break;
    }
}

}  // namespace
}  // namespace holdfast
