#include "conn/adoption.h"

namespace holdfast {

AdoptionVerdict classify_slot(const SlotFacts& facts) {
    if (facts.stage == Stage::closing) return {Adoption::drop};
    if (facts.stage == Stage::preamble) {
        const bool is_read = facts.encrypted || (facts.has_preamble && facts.bytes_read != 0U);
        const bool is_untouched = facts.is_socket && facts.listener_known && !is_read;
        return {is_untouched ? Adoption::readmit : Adoption::drop};
    }
    if (!facts.listener_known) return {Adoption::drop};
    // A socket without a peer shows its own reason at its next read.
    const bool is_own = facts.is_socket && (facts.ended || facts.has_preamble || facts.kernel_peer == facts.peer);
    if (!is_own) return {Adoption::detach, "the gateway restarted, and the descriptor was not the connection's"};
    if (facts.encrypted) return {Adoption::end, "the gateway restarted, and the TLS session ended with its process"};
    if (facts.parting) return {Adoption::end, "the gateway restarted while it ended the connection"};
    if (facts.lost_output == LostOutput::cut)
        return {Adoption::end, "the gateway restarted, and lost bytes to the device"};
    if (facts.identified && !facts.has_device)
        return {Adoption::end, "the gateway restarted, and lost the device's session"};
    // The bytes of a PROXY header are not counted, so that only the mark shows a loss.
    const bool lost_bytes =
        facts.has_preamble ? facts.reading : facts.bytes_read && *facts.bytes_read != facts.bytes_in;
    return {facts.has_unfinished || facts.handing_on || lost_bytes ? Adoption::resync : Adoption::keep};
}

}  // namespace holdfast
