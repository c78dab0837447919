#include "server/drains.h"

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <utility>

#include "codec/framing.h"
#include "model/words.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds min_duration{1'000};
constexpr milliseconds max_duration{24 * 3'600'000};

const RunningListener* find(const Running& running, const std::string& name) {
    const auto is_it = [&name](const RunningListener& listener) { return listener.config.name == name; };
    const auto found = std::find_if(running.listeners.begin(), running.listeners.end(), is_it);
    return found == running.listeners.end() ? nullptr : &*found;
}

std::string retry_after(milliseconds time) {
    return JsonWriter().begin_object().field("retry_after_ms", time.count()).end_object().take();
}

/// Returns a function that makes the framed farewell for a connection of the pipeline's reactor, on its thread.
std::function<std::string(const Connection&, milliseconds)> goodbye_by(Pipeline& pipeline) {
    return [&pipeline](const Connection& connection, milliseconds time) {
        std::string framed;
        const PipelineListener& listener = pipeline.listener(connection.listener);
        const bool has_word = listener.has_json();  // another protocol has no such word
        if (!has_word || !pipeline.frame(connection, retry_after(time), framed)) framed.clear();
        return framed;
    };
}

std::optional<Error> refusal(const DrainOrder& order, const Running& running) {
    if (order.over < min_duration || order.over > max_duration) {
        return Error{"over = " + format_duration(order.over) + " is out of range; write " +
                         format_duration(min_duration) + " to " + format_duration(max_duration),
                     ErrorCode::invalid_argument};
    }
    if (order.listener && find(running, *order.listener) == nullptr) {
        return Error{"unknown listener " + in_quotes(*order.listener) + "; take a name from the status",
                     ErrorCode::invalid_argument};
    }
    return std::nullopt;
}

}  // namespace

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

std::string_view to_string(ComeBack when) noexcept { return when == ComeBack::later ? "later" : "at_once"; }

std::optional<ComeBack> parse_come_back(std::string_view word) noexcept {
    for (const ComeBack each : {ComeBack::at_once, ComeBack::later}) {
        if (word == to_string(each)) return each;
    }
    return std::nullopt;
}

std::string_view to_string(DrainStatus::State state) noexcept {
    constexpr std::array<std::string_view, 3> words{"running", "done", "cancelled"};
    return word_at(words, state);
}

}  // namespace HOLDFAST_PUBLIC

void report_stop(StopTask& task, Pipeline& pipeline, milliseconds drain_time) {
    constexpr milliseconds max{30'000};
    task.goodbye = goodbye_by(pipeline);
    task.spread = std::clamp(drain_time, min_duration, max);
    task.seed = std::uint64_t{std::random_device{}()} << 32;
}

DrainTask Drains::task_of(const Latest& latest, const Running& running) const {
    const DrainOrder& order = latest.order;
    std::optional<std::uint8_t> listener;
    if (order.listener) listener = find(running, *order.listener)->number;
    return {.began = clock_.steady(),
            .over = order.over,
            .timeout = running.config.drain_time,
            .wanted =
                [peer = order.peer, listener](const Connection& connection) {
                    return (!peer || peer->contains(connection.peer.address)) &&
                           (!listener || *listener == connection.listener);
                },
            .goodbye = {},
            .come_back_later = order.come_back == ComeBack::later,
            .seed = std::random_device{}(),
            .progress = latest.progress};
}

Result<DrainStatus> Drains::begin(const DrainOrder& order, const Running& running) {
    if (auto error = refusal(order, running)) return *error;
    const std::lock_guard lock(mutex_);
    if (latest_) latest_->progress->cancelled = true;
    latest_ = Latest{order, clock_.wall(), std::make_shared<DrainProgress>()};
    latest_->progress->reactors_busy = static_cast<unsigned>(threads_.size());
    out_of_service_ = out_of_service_ || order.is_of_all();
    for (const auto& thread : threads_) {
        DrainTask task = task_of(*latest_, running);
        if (order.goodbye) task.goodbye = goodbye_by(thread->pipeline());
        if (!thread->post([task](Shard& shard) { shard.drain_over(task); })) --latest_->progress->reactors_busy;
    }
    return status_of(*latest_);
}

std::optional<DrainStatus> Drains::cancel() {
    const std::lock_guard lock(mutex_);
    out_of_service_ = false;
    if (!latest_) return std::nullopt;
    if (latest_->progress->reactors_busy > 0) latest_->progress->cancelled = true;
    return status_of(*latest_);
}

DrainStatus Drains::status_of(const Latest& latest) {
    const DrainProgress& progress = *latest.progress;
    const bool busy = progress.reactors_busy > 0;  // read before the figures, which are then final
    DrainStatus status{.order = latest.order, .began_at = latest.began_at};
    status.ended = progress.ended;
    status.gone = progress.gone;
    status.found = progress.found;  // read after the figures that are part of it
    if (!busy) status.state = DrainStatus::State::done;
    if (progress.cancelled) status.state = DrainStatus::State::cancelled;
    return status;
}

void Drains::add_to(ServerStatus& status) const {
    const std::lock_guard lock(mutex_);
    status.out_of_service = out_of_service_;
    if (latest_) status.drain = status_of(*latest_);
}

}  // namespace holdfast
