#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/checks.h"

namespace holdfast {
namespace {

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
                                            " may be open to everybody, and one host could take every place: set "
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
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("one host could take every place")));
    listener().tls.client = TlsClient::optional;
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("one host could take every place")));
    listener().tls.client = TlsClient::required;
    EXPECT_THAT(warnings(), IsEmpty());
    listener().tls.client = TlsClient::off;
    listener().tokens_file = "tokens";
    EXPECT_THAT(warnings(), IsEmpty());
}

TEST_F(ExposureCheckTest, TokensAreReadableWithoutTls) {
    listener().address = "0.0.0.0:7000";
    listener().tokens_file = "tokens";
    EXPECT_THAT(warnings(), ElementsAre(HasSubstr("tokens_file: listener \"devices\": a token goes over the network")));
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
                                        HasSubstr("\"::/0\" trusts everybody")));
}

}  // namespace
}  // namespace holdfast
