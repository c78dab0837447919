#include "alarm/webhook.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "testing/comes_true.h"
#include "testing/raw_server.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

/// Passes lines from one thread to another.
class Lines {
public:
    void add(const std::string& line) {
        const std::lock_guard lock(mutex_);
        lines_.push_back(line);
        added_.notify_all();
    }
    /// Waits for `count` lines and returns all of them.
    std::vector<std::string> await(std::size_t count) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(added_.wait_for(lock, seconds(20), [&] { return lines_.size() >= count; }));
        return lines_;
    }

private:
    std::mutex mutex_;
    std::condition_variable added_;
    std::vector<std::string> lines_;
};

/// A receiver on loopback with answers that the test sets.
class Receiver {
public:
    [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/alarms"; }

    std::atomic<int> status{200};
    Lines bodies;
    Lines heads;

private:
    RawServer server_{[this](const RawServer::Request& request, int connection) {
        heads.add(request.head);
        bodies.add(request.body);
        return RawServer::say(connection, RawServer::with_status(status));
    }};
};

/// A listening socket whose backlog takes connections that are never accepted.
class Mute {
public:
    Mute() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(listener_.get(), 16), 0);
        EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
    }
    [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/secret"; }
    [[nodiscard]] UniqueFd accept() const {
        return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }

private:
    UniqueFd listener_;
    int port_ = 0;
};

WebhookPolicy impatient() {
    WebhookPolicy policy;
    policy.pauses = {milliseconds(1), milliseconds(1), milliseconds(1)};
    return policy;
}

TEST(Webhook, DeliversInOrder) {
    Receiver receiver;
    Webhook webhook({receiver.url()}, [](const std::string& line) { ADD_FAILURE() << line; });
    webhook.post("{\"id\":1}");
    webhook.post("{\"id\":2}");
    EXPECT_THAT(receiver.bodies.await(2), ElementsAre("{\"id\":1}", "{\"id\":2}"));
    EXPECT_THAT(receiver.heads.await(1)[0], StartsWith("POST /alarms HTTP/1.1\r\n"));
    EXPECT_THAT(receiver.heads.await(1)[0], HasSubstr("\r\nContent-Type: application/json\r\n"));
}

TEST(Webhook, SendsItsHeaderAndNeverLogsIt) {
    Receiver receiver;
    receiver.status = 401;
    Lines log;
    Webhook webhook(
        {receiver.url(), "Authorization: Bearer 0123456789"}, [&log](const std::string& line) { log.add(line); },
        impatient());
    webhook.post("{}");
    EXPECT_THAT(receiver.heads.await(1)[0], HasSubstr("\r\nAuthorization: Bearer 0123456789\r\n"));
    EXPECT_THAT(log.await(1), ElementsAre(testing::Not(HasSubstr("0123456789"))));
}

TEST(Webhook, TriesAgainAfterAnError) {
    Receiver receiver;
    receiver.status = 500;
    WebhookPolicy policy = impatient();
    policy.pauses = std::vector<milliseconds>(10'000, milliseconds(1));
    Webhook webhook(
        {receiver.url()}, [](const std::string& line) { ADD_FAILURE() << line; }, policy);
    webhook.post("{}");
    receiver.bodies.await(3);
    receiver.status = 204;
    EXPECT_TRUE(comes_true([&] { return webhook.status().delivered != 0; }));
    EXPECT_EQ(webhook.status().failed, 0U);
}

TEST(Webhook, GivesUpAfterTheLastTryAndContinues) {
    Receiver receiver;
    receiver.status = 503;
    Lines log;
    Webhook webhook(
        {receiver.url()}, [&log](const std::string& line) { log.add(line); }, impatient());
    webhook.post("first");
    EXPECT_THAT(log.await(1), ElementsAre(HasSubstr("the response was 503")));
    EXPECT_THAT(log.await(1)[0], testing::Not(HasSubstr("/alarms"))) << "the path may be a secret";
    EXPECT_THAT(receiver.bodies.await(4), SizeIs(4));
    receiver.status = 200;
    webhook.post("second");
    EXPECT_THAT(receiver.bodies.await(5), ElementsAre("first", "first", "first", "first", "second"));
    EXPECT_TRUE(comes_true([&] { return webhook.status().delivered != 0; }));
    EXPECT_EQ(webhook.status().failed, 1U);
}

TEST(Webhook, ARefusalIsFinal) {
    Receiver receiver;
    receiver.status = 404;
    Lines log;
    Webhook webhook(
        {receiver.url()}, [&log](const std::string& line) { log.add(line); }, impatient());
    webhook.post("{}");
    EXPECT_THAT(log.await(1), ElementsAre(HasSubstr("the response was 404")));
    EXPECT_THAT(receiver.bodies.await(1), SizeIs(1));
}

TEST(Webhook, AnAbsentReceiverIsReportedOnce) {
    std::string url;
    {
        const Mute gone;
        url = gone.url();
    }
    Lines log;
    Webhook webhook(
        {url}, [&log](const std::string& line) { log.add(line); }, impatient());
    webhook.post("{}");
    EXPECT_THAT(log.await(1), ElementsAre(HasSubstr("no answer")));
}

TEST(Webhook, AMuteReceiverBlocksNothingAndTheOldestAreDropped) {
    const Mute mute;
    WebhookPolicy policy = impatient();
    policy.answer_timeout = std::chrono::hours(1);
    policy.max_waiting = 8;
    Webhook webhook(
        {mute.url()}, [](const std::string& line) { ADD_FAILURE() << line; }, policy);
    webhook.post("running");
    const UniqueFd connection = mute.accept();
    for (int i = 0; i < 20; ++i) webhook.post(std::to_string(i));
    EXPECT_EQ(webhook.status().dropped, 12U);
    EXPECT_EQ(webhook.status().delivered, 0U);
}  // the destructor does not wait for the hour

TEST(Webhook, AReceiverThatIsTooSlowIsTriedAgain) {
    const Mute mute;
    WebhookPolicy policy = impatient();
    policy.connect_timeout = policy.answer_timeout = milliseconds(20);
    Lines log;
    Webhook webhook(
        {mute.url()}, [&log](const std::string& line) { log.add(line); }, policy);
    webhook.post("{}");
    EXPECT_THAT(log.await(1), ElementsAre(HasSubstr("no answer")));
}

TEST(Webhook, StopsWhileItPauses) {
    Receiver receiver;
    receiver.status = 500;
    WebhookPolicy policy;
    policy.pauses = {std::chrono::hours(1)};
    Webhook webhook(
        {receiver.url()}, [](const std::string& line) { ADD_FAILURE() << line; }, policy);
    webhook.post("{}");
    receiver.bodies.await(1);
}  // the destructor does not wait for the hour

TEST(Webhook, AnAnswerWithoutEndIsNotReadToTheEnd) {
    std::atomic<std::size_t> sent{0};
    const RawServer server([&sent](const RawServer::Request&, int connection) {
        RawServer::say(connection, "HTTP/1.1 200 OK\r\n\r\n");
        while (RawServer::say(connection, std::string(4'096, 'x'))) sent += 4'096;
        return false;
    });
    Webhook webhook({"http://127.0.0.1:" + std::to_string(server.port())}, [](const std::string&) {});
    webhook.post("{}");
    EXPECT_TRUE(comes_true([&] { return webhook.status().delivered != 0; }));
    EXPECT_GE(sent, 65'536U);
}

TEST(Webhook, AHostileAnswerIsAFailureAndNothingElse) {
    const RawServer server([](const RawServer::Request&, int connection) {
        RawServer::say(connection, "HTTP/1.1 200 " + std::string(1'000'000, 'x') + "\r\nContent-Length: 0\r\n\r\n");
        return false;
    });
    Lines log;
    Webhook webhook(
        {"http://127.0.0.1:" + std::to_string(server.port())}, [&log](const std::string& line) { log.add(line); },
        impatient());
    webhook.post("{}");
    EXPECT_THAT(log.await(1), ElementsAre(HasSubstr("no answer (")));
}

}  // namespace
}  // namespace holdfast
