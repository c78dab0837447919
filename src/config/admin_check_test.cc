#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/checks.h"
#include "config/load.h"
#include "testing/made_certificates.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class AdminCheck : public testing::Test {
protected:
    std::vector<std::string> complaints() {
        std::vector<Violation> found;
        check_admin(config_, found);
        std::vector<std::string> out;
        for (const Violation& violation : found) out.push_back(violation.message);
        return out;
    }

    /// Sets everything that an open address needs.
    void shut() {
        const MadeCertificate made = make_certificate({.common_names = {"gateway"}});
        config_.admin.token_file = folder_.text("tokens", "0123456789abcdef\n");
        config_.admin.tls_certificate = folder_.certificates("chain.pem", {&made});
        config_.admin.tls_key = folder_.key("key.pem", made);
    }

    CertificateFolder folder_;
    DaemonConfig config_;
};

TEST_F(AdminCheck, LoopbackNeedsNothing) {
    for (const char* address : {"127.0.0.1:7080", "127.9.9.9:0", "[::1]:7080", "off"}) {
        config_.admin.address = address;
        EXPECT_THAT(complaints(), IsEmpty()) << address;
    }
}

TEST_F(AdminCheck, AnyOtherAddressNeedsTokensAndTls) {
    for (const char* address :
         {"0.0.0.0:7080", "[::]:7080", "10.0.0.1:7080", "[::ffff:10.0.0.1]:7080", "128.0.0.1:7080"}) {
        config_.admin = {};
        config_.admin.address = address;
        EXPECT_THAT(complaints(), ElementsAre(HasSubstr(" is not loopback, and any client that reaches it")))
            << address;
        shut();
        EXPECT_THAT(complaints(), IsEmpty()) << address;
        config_.admin.token_file.clear();
        EXPECT_THAT(complaints(), ElementsAre(HasSubstr(" is not loopback"))) << address;
    }
}

TEST_F(AdminCheck, AFileThatCannotBeLoadedIsReportedByItsKey) {
    shut();
    config_.admin.tls_key = folder_.text("broken.pem", "nonsense");
    EXPECT_THAT(complaints(), ElementsAre(StartsWith("tls_key in [admin]: ")));
    config_.admin.tls_key.clear();
    EXPECT_THAT(complaints(), ElementsAre(HasSubstr("go together")));
    shut();
    config_.admin.read_token_file = folder_.text("open", "0123456789abcdef\n", 0644);
    EXPECT_THAT(complaints(), ElementsAre(StartsWith("read_token_file in [admin]: the token file")));
    config_.admin.read_token_file = config_.admin.token_file;
    config_.admin.token_file.clear();
    EXPECT_THAT(complaints(), ElementsAre(HasSubstr("no token has the right to control")));
}

TEST_F(AdminCheck, ATokenForReadingMayNotActToo) {
    config_.admin.token_file = folder_.text("tokens", "0123456789abcdef\nfedcba9876543210\n");
    config_.admin.read_token_file = folder_.text("other", "0000000000000000\n");
    EXPECT_THAT(complaints(), IsEmpty());
    config_.admin.read_token_file = folder_.text("same", "0000000000000000\nfedcba9876543210\n");
    EXPECT_THAT(complaints(),
                ElementsAre(StartsWith("read_token_file in [admin]: one of its tokens is in token_file, too")));
}

TEST_F(AdminCheck, NamesAndPathsHaveTheirForm) {
    config_.admin.hosts = {"gateway.example.org", "a b", "ok"};
    EXPECT_THAT(complaints(), ElementsAre(StartsWith("hosts in [admin]: \"a b\" is not a host name")));
    config_.admin.hosts = {"gateway.example.org", "gw"};
    config_.admin.socket = "/" + std::string(107, 'x');
    EXPECT_THAT(complaints(), ElementsAre(HasSubstr("write 1 to 107 bytes")));
    config_.admin.socket = "/" + std::string(106, 'x');
    EXPECT_THAT(complaints(), IsEmpty());
}

TEST(AdminSocket, IsInTheRuntimeDirectoryIfThereIsOne) {
    ::setenv("RUNTIME_DIRECTORY", "/run/holdfast:/run/other", 1);
    EXPECT_EQ(load_config_text("x", "", {}).loaded->config.admin.socket, "/run/holdfast/admin.sock");
    EXPECT_EQ(load_config_text("x", "[admin]\nsocket = \"off\"\n", {}).loaded->config.admin.has_socket(), false);
    ::unsetenv("RUNTIME_DIRECTORY");
    EXPECT_EQ(load_config_text("x", "", {}).loaded->config.admin.socket, "");
}

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ExposureCheckTest : public testing::Test {
protected:
    ListenerConfig& listener() { return config_.listeners[0]; }
    std::vector<std::string> warnings() {
        std::vector<Violation> found;
        warn_of_exposure(config_, found);
        std::vector<std::string> out;
        for (const Violation& violation : found)
            out.push_back(std::string(violation.option) + ": " + violation.message);
        return out;
    }

    ServerConfig config_;
};

TEST_F(ExposureCheckTest, APublicAddressNeedsALimitPerPeer) {
    for (const char* open : {"0.0.0.0:7000", "[::]:7000", "203.0.113.9:7000", "[2001:db8::1]:7000"}) {
        listener().address = open;
        config_.limits = {};
        EXPECT_THAT(warnings(), ElementsAre("address: listener \"devices\": " + std::string(open) +
                                            " is not private, and one host could use up max_connections; set "
                                            "max_connections_per_peer or max_connections_per_prefix in [limits]"));
        config_.limits.max_connections_per_prefix = 10;
        EXPECT_THAT(warnings(), IsEmpty());
        config_.limits = {};
        config_.limits.max_connections_per_peer = 10;
        EXPECT_THAT(warnings(), IsEmpty());
    }
    config_.limits = {};
    for (const char* own : {"127.0.0.1:7000", "[::1]:7000", "10.0.0.1:7000", "192.168.3.4:7000", "[fd00::1]:7000"}) {
        listener().address = own;
        EXPECT_THAT(warnings(), IsEmpty()) << own;
    }
}

TEST_F(ExposureCheckTest, WhereStrangersCannotStayTheyTakeNoPlaces) {
    listener().address = "0.0.0.0:7000";
    listener().tls.certificate = "chain.pem";
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("one host could use up max_connections")));
    listener().tls.client = TlsClient::optional;
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("one host could use up max_connections")));
    listener().tls.client = TlsClient::required;
    EXPECT_THAT(warnings(), IsEmpty());
    listener().tls.client = TlsClient::off;
    listener().tokens_file = "tokens";
    EXPECT_THAT(warnings(), IsEmpty());
}

TEST_F(ExposureCheckTest, TokensAreReadableWithoutTls) {
    listener().address = "0.0.0.0:7000";
    listener().tokens_file = "tokens";
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("tokens_file: listener \"devices\": tokens cross the network")));
    listener().proxy_protocol = ProxyProtocol::v2;
    listener().trusted_proxies = {"10.0.0.0/8"};
    EXPECT_THAT(warnings(), IsEmpty());
    listener().proxy_protocol = ProxyProtocol::off;
    listener().address = "10.0.0.1:7000";
    EXPECT_THAT(warnings(), IsEmpty());
}

TEST_F(ExposureCheckTest, AnyAddressIsNoProxy) {
    listener().proxy_protocol = ProxyProtocol::v1;
    listener().trusted_proxies = {"0.0.0.0/1", "0.0.0.0/0", "::/0", "2000::/3"};
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("trusted_proxies: listener \"devices\": \"0.0.0.0/0\" trusts every"),
                                        HasSubstr("\"::/0\" trusts every peer")));
}

}  // namespace

}  // namespace holdfast
