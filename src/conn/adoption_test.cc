#include "conn/adoption.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Endpoint peer() { return parse_endpoint("10.2.0.9:51514").value(); }

/// Returns the facts of an idle plain connection.
SlotFacts idle() {
    return {.stage = Stage::unidentified,
            .listener_known = true,
            .bytes_in = 120,
            .peer = peer(),
            .is_socket = true,
            .kernel_peer = peer(),
            .bytes_read = 120};
}

Adoption verdict_with(void (*change)(SlotFacts&)) {
    SlotFacts facts = idle();
    change(facts);
    const AdoptionVerdict verdict = classify_slot(facts);
    const bool ends = verdict.adoption == Adoption::end || verdict.adoption == Adoption::detach;
    EXPECT_EQ(ends, !verdict.detail.empty()) << "an end has a detail";
    return verdict.adoption;
}

TEST(ClassifySlot, KeepsAnIdleConnection) {
    EXPECT_EQ(verdict_with([](SlotFacts&) {}), Adoption::keep);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.bytes_read.reset(); }), Adoption::keep);
}

TEST(ClassifySlot, ResynchronizesAStreamThatLostBytes) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.has_unfinished = true; }), Adoption::resync);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.handing_on = true; }), Adoption::resync);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.bytes_read = 121; }), Adoption::resync);
}

TEST(ClassifySlot, KnowsThatAHeaderWasReadBesideTheCountedBytes) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) {
                  facts.has_preamble = true;
                  facts.bytes_read = 200;
                  facts.kernel_peer = Endpoint{};  // the proxy's
              }),
              Adoption::keep);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.reading = true; }), Adoption::keep);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.reading = facts.has_preamble = true; }), Adoption::resync);
}

TEST(ClassifySlot, ASocketWithoutAPeerShowsItsOwnReason) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) {
                  facts.ended = true;
                  facts.kernel_peer = Endpoint{};
                  facts.bytes_read.reset();
              }),
              Adoption::keep);
}

TEST(ClassifySlot, AdmitsAgainWhatWaitedForItsPreamble) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) {
                  facts.stage = Stage::preamble;
                  facts.has_preamble = true;
                  facts.bytes_read = facts.bytes_in = 0;
              }),
              Adoption::readmit);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) {
                  facts.stage = Stage::preamble;
                  facts.has_preamble = true;
              }),
              Adoption::drop)
        << "a part of the header, or of the handshake, is lost";
}

TEST(ClassifySlot, TrustsNoDescriptorOfAnother) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.is_socket = false; }), Adoption::detach);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { ++facts.kernel_peer.port; }), Adoption::detach);
}

TEST(ClassifySlot, EndsWhatTheProcessTookWithIt) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.encrypted = true; }), Adoption::end);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.identified = true; }), Adoption::end);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.identified = facts.has_device = true; }), Adoption::keep);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.parting = true; }), Adoption::end);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.lost_output = LostOutput::cut; }), Adoption::end);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.lost_output = LostOutput::whole; }), Adoption::keep);
}

TEST(ClassifySlot, DropsWhatHasBeenReportedOrHasNoListener) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.stage = Stage::closing; }), Adoption::drop);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.listener_known = false; }), Adoption::drop);
}

TEST(ClassifySlot, AdmitsAgainWhatTheHandlerDoesNotKnow) {
    EXPECT_EQ(verdict_with([](SlotFacts& facts) { facts.stage = Stage::preamble; }), Adoption::readmit);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) {
                  facts.stage = Stage::preamble;
                  facts.has_preamble = true;  // a part of its header may have been read
              }),
              Adoption::drop);
    EXPECT_EQ(verdict_with([](SlotFacts& facts) {
                  facts.stage = Stage::preamble;
                  facts.is_socket = false;
              }),
              Adoption::drop);
}

}  // namespace
}  // namespace holdfast
