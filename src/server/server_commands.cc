#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/server_impl.h"

// Functions of Server that act on connections.

namespace holdfast {

using std::chrono::milliseconds;

namespace {

Delivery not_sent(SendOutcome outcome) {
    if (outcome == SendOutcome::queue_full) return Delivery::queue_full;
    return outcome == SendOutcome::unencodable ? Delivery::unencodable : Delivery::absent;
}

}  // namespace

void Server::Impl::send_many(std::span<const ConnectionId> ids, std::string_view bytes) {
    std::vector<std::vector<Token>> numbers(threads_.size());
    for (const ConnectionId id : ids) {
        if (thread_of(id) != nullptr) numbers[Registry::reactor_of(id.number)].push_back(id.number);
    }
    const auto shared = std::make_shared<const std::string>(bytes);
    for (std::size_t i = 0; i < threads_.size(); ++i) {
        if (numbers[i].empty()) continue;
        threads_[i]->post([shared, wanted = std::move(numbers[i])](Shard& shard) { send_to(shard, wanted, *shared); });
    }
}

std::optional<ProbeAnswer> Server::probe(ConnectionId id, milliseconds timeout) {
    using Answer = std::optional<ProbeAnswer>;
    return impl().query_connection<Answer>(
        id, std::nullopt, [id, timeout](Shard& shard, Connection& connection, Reply<Answer> reply) {
            shard.probe(connection, as_timer(timeout), [id, reply](ProbeFindings findings) {
                findings.last.conn = id;
                reply(findings.last);
            });
        });
}

ProbeSummary Server::probe_all(const std::optional<Prefix>& peer, milliseconds timeout, OnSilent on_silent,
                               std::optional<std::uint8_t> listener) {
    const SteadyTime began = impl().clock_.steady();
    timeout = as_timer(timeout);
    const auto findings = query_all<ProbeFindings>(
        impl().threads_, [&peer, timeout, on_silent, listener](Shard& shard, Reply<ProbeFindings> reply) {
            const bool marks = on_silent == OnSilent::suspect;
            const auto wanted = [peer, listener, marks](const Connection& connection) {
                return (!peer || peer->contains(connection.peer.address)) &&
                       (!listener || *listener == connection.listener) && !(marks && connection.suspect);
            };
            const auto just_heard = marks ? ProbeRun::JustHeard::probe_soon : ProbeRun::JustHeard::is_alive;
            shard.probe_all(wanted, timeout, just_heard, [reply, timeout, marks, &shard](ProbeFindings found) {
                if (marks) shard.mark_suspects(found.silent, timeout);
                reply(std::move(found));
            });
        });
    ProbeSummary summary;
    for (const ProbeFindings& found : findings) {
        summary.asked += found.probed;
        summary.alive += found.alive;
        for (const Token number : found.silent) summary.silent.push_back({impl().run_, number});
    }
    summary.waited = std::chrono::floor<milliseconds>(impl().clock_.steady() - began);
    return summary;
}

bool Server::close(ConnectionId id, const CloseOrder& order) {
    const CloseInfo info = close_info(order);
    const std::string detail = kept_detail(order.detail);
    return impl().query_connection<bool>(id, false,
                                         [&](Shard& shard, Connection& connection, const Reply<bool>& reply) {
                                             reply(shard.close(connection, info, detail, order.flush));
                                         });
}

bool Server::post(ConnectionId id, ReactorContext::Work work) { return impl().post(id, std::move(work)); }
void Server::send_many(std::span<const ConnectionId> ids, std::string_view bytes) { impl().send_many(ids, bytes); }

std::size_t Server::close_all(const Prefix& peer) {
    const auto counts = query_all<std::size_t>(impl().threads_, [&peer](Shard& shard, Reply<std::size_t> reply) {
        auto count = std::make_shared<std::size_t>(0);
        shard.walk(
            [peer, count, &shard](Connection& connection) {
                if (!peer.contains(connection.peer.address)) return;
                shard.close(connection, CloseReason::kicked);
                ++*count;
            },
            [count, reply] { reply(*count); });
    });
    std::size_t sum = 0;
    for (const std::size_t count : counts) sum += count;
    return sum;
}

SendOutcome Server::send(ConnectionId id, std::string_view json_object) {
    return impl().query_connection<SendOutcome>(
        id, SendOutcome::no_such_connection,
        [this, json_object](Shard& shard, Connection& connection, const Reply<SendOutcome>& reply) {
            if (shard.is_unauthenticated(connection)) return reply(SendOutcome::no_such_connection);
            reply(impl().pipeline_of(shard).send(connection, json_object));
        });
}

Delivery Server::deliver(ConnectionId id, std::string_view json_object, milliseconds timeout) {
    return impl().query_connection<Delivery>(
        id, Delivery::absent,
        [this, json_object, timeout](Shard& shard, Connection& connection, const Reply<Delivery>& reply) {
            if (shard.is_unauthenticated(connection)) return reply(Delivery::absent);
            const SendOutcome outcome = impl().pipeline_of(shard).send(connection, json_object);
            if (outcome != SendOutcome::queued) return reply(not_sent(outcome));
            shard.when_acknowledged(
                shard.registry().number_of(connection), shard.time().steady + as_timer(timeout),
                [reply](bool acknowledged) { reply(acknowledged ? Delivery::acked : Delivery::sent); });
        });
}

}  // namespace holdfast
