#include "capi/durable_events.h"

namespace holdfast {

void DurableEvents::look_up(const DeviceName& device, std::function<void(std::uint64_t seq)> answer) {
    EventBatch batch;
    hf_event event{};
    event.kind = HF_LOOK_UP;
    event.authenticated = device.authenticated ? 1 : 0;
    event.id = batch.keep(device.id);
    event.session = batch.keep(device.session);
    event.number = questions_.add(std::move(answer));
    batch.add(event);
    queue_.push(std::move(batch));
}

}  // namespace holdfast
