#include <cstddef>
#include <string_view>

#include "codec/json_scan.h"
#include "pipeline/pipeline.h"

namespace holdfast {

/// Takes the elements of an array, each as an item. An array that is not valid as a whole is one bad item.
Pipeline::Next Pipeline::on_batch(Arrival& arrival, std::string_view array) {
    const ItemDecoder::Decoded decoded = decoder_.decode(array);
    arrival.mistake = decoded.mistake;
    if (decoded.bad != BadItem::not_object) return on_unreadable(arrival, decoded.bad.value_or(BadItem::not_json));
    arrival.first = false;  // a hello is not an element
    arrival.in_batch = true;
    std::string_view rest = array;
    const bool was_closing = arrival.connection.is_closing();
    while (const auto element = next_element(rest)) {
        if (on_item(arrival, *element) == Next::end) return Next::end;
        if (is_cut(arrival, rest, was_closing)) [[unlikely]]
            break;
    }
    arrival.in_batch = false;
    return Next::go_on;
}

/// Returns true if the program has closed or held the connection at an element. The rest of the array is left over
/// then, or waits. A frame with a length in front cannot be split, so a hold waits for its end. All that a peer sent
/// before its own end is delivered at once.
bool Pipeline::is_cut(Arrival& arrival, std::string_view rest, bool was_closing) {
    const bool is_closed = !was_closing && arrival.connection.is_closing();
    const bool may_wait = !arrival.connection.peer_ended && !arrival.is_last;
    const bool is_held =
        arrival.connection.held && may_wait && !arrival.listener.has_own_codec && !arrival.listener.is_counted();
    if (!is_closed && !is_held) return false;
    const std::size_t at = skip_json_space(rest, 0);
    if (rest[at] != ',') return false;
    if (!arrival.listener.has_own_codec)
        arrival.cut_at = rest.data() + at;  // a codec's item may be no part of the window
    return true;
}

}  // namespace holdfast
