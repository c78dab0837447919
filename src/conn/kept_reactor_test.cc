#include "conn/kept_reactor.h"

#include <string_view>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr Token first = 0x1'0000'0001;

TEST(OwedOutput, KnowsWhetherAMessageWasCut) {
    OwedOutput owed;
    EXPECT_EQ(owed.of(first), LostOutput::none);
    owed.add(first, false);
    EXPECT_EQ(owed.of(first), LostOutput::whole);
    owed.change(first, true);
    EXPECT_EQ(owed.of(first), LostOutput::cut);
    owed.change(first, false);
    EXPECT_EQ(owed.of(first), LostOutput::whole);
    EXPECT_EQ(owed.of(first + 1), LostOutput::none);
    owed.remove(first);
    EXPECT_EQ(owed.of(first), LostOutput::none);
}

TEST(OwedOutput, BeyondItsListEachConnectionMayBeCut) {
    OwedOutput owed;
    for (Token i = 0; i <= OwedOutput::max_listed; ++i) owed.add(first + i, false);
    EXPECT_EQ(owed.of(first), LostOutput::whole);
    EXPECT_EQ(owed.of(first + OwedOutput::max_listed), LostOutput::cut);
    owed.change(first + OwedOutput::max_listed, false);
    owed.remove(first + OwedOutput::max_listed);
    EXPECT_EQ(owed.of(first + OwedOutput::max_listed), LostOutput::none);
}

TEST(KeptReactor, MarksTwoConnectionsWhoseBytesAreHandedOn) {
    KeptReactor kept;
    {
        const KeptMark outer = mark_handing_on(kept, first, std::string_view("{}\n"));
        const KeptMark inner = mark_handing_on(kept, first + 1, std::string_view("{"));
        EXPECT_EQ(kept.handing_on_of(first), first | KeptReactor::at_line_end);
        EXPECT_EQ(kept.handing_on_of(first + 1), first + 1);
        EXPECT_EQ(kept.handing_on_of(first + 2), 0U);
    }
    EXPECT_EQ(kept.handing_on_of(first), 0U);
    EXPECT_EQ(kept.handing_on_of(first + 1), 0U);
}

}  // namespace
}  // namespace holdfast
