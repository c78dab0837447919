#include "client/event_stream.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::vector<std::string> cut(std::string_view stream, std::size_t piece) {
    std::vector<std::string> events;
    EventStream cutter([&](const StreamedEvent& event) {
        events.push_back(event.kind + "|" + event.data + "|" + event.id);
        return event.kind != "last";
    });
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        if (!cutter.take(stream.substr(at, piece))) break;
    }
    return events;
}

TEST(EventStream, MessagesAreCutFromAnyPieces) {
    constexpr std::string_view stream =
        ": holdfast\n\nevent: item\ndata: {\"a\":1}\nid: 1-2\n\n"
        "event: closed\r\ndata:x\r\ndata: y\r\n\r\nunknown\n: still here\n\nevent: last\ndata: z\n\n"
        "event: item\ndata: behind the end\n\n";
    const std::vector<std::string> expected{"item|{\"a\":1}|1-2", "closed|x\ny|", "last|z|"};
    for (const std::size_t piece : {1UL, 2UL, 7UL, stream.size()}) EXPECT_EQ(cut(stream, piece), expected) << piece;
}

TEST(EventStream, AnEndlessLineEndsTheStream) {
    EventStream cutter([](const StreamedEvent&) { return true; });
    const std::string piece(1024 * 1024, 'x');
    std::size_t taken = 0;
    while (cutter.take(piece)) ASSERT_LT(++taken, 20U);
}

}  // namespace
}  // namespace holdfast
