#include "cli/doctor_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::HasSubstr;

TEST(ProofText, MeasuredBesidePromised) {
    using std::chrono::microseconds;
    using std::chrono::milliseconds;
    const SteadyTime start{std::chrono::hours(1)};
    const ProofRow fin{Way::fin, "fin", "closes (FIN)", CloseReason::peer_closed, milliseconds(250)};
    const ProofRow idle{Way::idle, "idle", "vanishes while idle", CloseReason::keepalive_expired, milliseconds(5'000)};
    const ProofRow quiet{Way::quiet, "quiet", "lives and sends nothing", std::nullopt, milliseconds(5'000)};
    Proof proof;
    proof.plan = plan_liveness(milliseconds(5'000)).value();
    proof.kernel = "6.1";
    proof.took = milliseconds(6'100);
    proof.rows = {
        classify(fin, {{start, start + microseconds(310), CloseReason::peer_closed}}),
        classify(idle, {{start, start + milliseconds(4'030), CloseReason::keepalive_expired}, {start, {}, {}}}),
        classify(quiet, {{start, {}, {}}})};
    EXPECT_EQ(
        proof_text(proof),
        "detect_within 5s, measured in two network namespaces on Linux 6.1: from the last sign of life to the closed "
        "event.\n\n"
        "THE DEVICE ...           CONNECTIONS  SEEN                          MEDIAN   WORST     PROMISED  VERDICT\n"
        "closes (FIN)                       1  1 peer_closed                 0.3 ms  0.3 ms        250ms  kept\n"
        "vanishes while idle                2  1 keepalive_expired, 1 never  4.03 s  4.03 s           5s  NOT KEPT, "
        "expected keepalive_expired\n"
        "lives and sends nothing            1  none closed                        -       -  none closed  kept\n"
        "\nNOT every promise was kept; it took 6.1s.\n");
    proof.rows.erase(proof.rows.begin() + 1);
    EXPECT_THAT(proof_text(proof), HasSubstr("\nEvery promise was kept; it took 6.1s.\n"));
}

}  // namespace

}  // namespace holdfast
