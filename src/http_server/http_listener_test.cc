#include "http_server/http_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class UnixDoor : public testing::Test {
protected:
    [[nodiscard]] Result<HttpListener> open() const { return HttpListener::open("unix:" + path_); }

    /// Creates the stale socket of a killed process at the path.
    void drop_dead_entry() const {
        const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, path_.data(), path_.size());
        ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    }

    const TemporaryDirectory directory_;
    const std::string path_ = directory_.in("admin.sock");
};

TEST_F(UnixDoor, IsForItsOwnerOnlyAndGoesWithItsListener) {
    const mode_t before = ::umask(0);  // a mask that removes no right
    auto listener = open();
    ::umask(before);
    ASSERT_TRUE(listener) << listener.error().message;
    struct stat info {};
    ASSERT_EQ(::lstat(path_.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    EXPECT_TRUE(listener.value().is_unix());
    listener.value().close();
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixDoor, ADeadOneIsReplaced) {
    drop_dead_entry();
    EXPECT_TRUE(open());
}

TEST_F(UnixDoor, ALivingOneIsNot) {
    const auto first = open();
    ASSERT_TRUE(first);
    const auto second = open();
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("admin.sock\" is in use by a running gateway; stop it, or"));
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixDoor, NoOtherFileIsRemoved) {
    std::ofstream(path_) << "precious";
    const auto refused = open();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("is a file of another kind; remove it or"));
    std::filesystem::remove(path_);
    std::filesystem::create_symlink("elsewhere", path_);
    EXPECT_FALSE(open());
    EXPECT_TRUE(std::filesystem::is_symlink(path_));
}

TEST_F(UnixDoor, AnothersSocketAtItsPathStays) {
    auto listener = open();
    ASSERT_TRUE(listener);
    std::filesystem::remove(path_);
    drop_dead_entry();
    listener.value().close();
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixDoor, APlaceThatIsNoneIsOneClearLine) {
    EXPECT_THAT(HttpListener::open("unix:").error().message, HasSubstr("write 1 to 107 bytes"));
    EXPECT_THAT(HttpListener::open("unix:/" + std::string(107, 'x')).error().message, HasSubstr("write 1 to 107"));
    EXPECT_THAT(HttpListener::open("unix:" + directory_.in("none/admin.sock")).error().message,
                HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace holdfast
