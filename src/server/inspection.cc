#include "server/inspection.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace holdfast {
namespace {

/// Returns one entry for each connection of all reactors.
template <typename Entries>
Entries gather(const ReactorThreads& threads,
               const std::function<typename Entries::value_type(Shard&, Connection&)>& make_entry) {
    std::vector<Entries> parts = query_all<Entries>(threads, [&make_entry](Shard& shard, Reply<Entries> reply) {
        auto entries = std::make_shared<Entries>();
        entries->reserve(shard.registry().size());
        shard.walk([&make_entry, entries,
                    &shard](Connection& connection) { entries->push_back(make_entry(shard, connection)); },
                   [entries, reply] { reply(std::move(*entries)); });
    });
    std::size_t count = 0;
    for (const Entries& each : parts) count += each.size();
    Entries all;
    all.reserve(count);
    for (Entries& each : parts) {
        all.insert(all.end(), std::make_move_iterator(each.begin()), std::make_move_iterator(each.end()));
        each = {};
    }
    return all;
}

}  // namespace

Observations take_observations(const ReactorThreads& threads) {
    Observations all;
    for (Observations& each : query_all<Observations>(
             threads, [](Shard&shard, const Reply<Observations>&reply) { reply(shard.take_observations()); })) {
        all.seen.insert(all.seen.end(), each.seen.begin(), each.seen.end());
        all.dropped += each.dropped;
    }
    return all;
}

std::vector<CensusEntry> take_census(const ReactorThreads& threads) {
    return gather<std::vector<CensusEntry>>(threads, [](Shard& shard, Connection& connection) -> CensusEntry {
        return {.listener = connection.listener,
                .peer = connection.peer.address,
                .opened = shard.steady_of(connection.opened),
                .suspect = connection.suspect,
                .port = connection.peer.port};
    });
}

std::vector<IpAddress> sample_peers(const ReactorThreads& threads, std::size_t max) {
    std::vector<IpAddress> all;
    for (const std::vector<IpAddress>&each :
         query_all<std::vector<IpAddress>>(threads, [max](Shard&shard, const Reply<std::vector<IpAddress>>&reply) {
             std::vector<IpAddress> peers;
             const std::uint32_t slots = shard.registry().highest_slot();
             const auto stride = std::max<std::uint32_t>(1, slots / static_cast<std::uint32_t>(max));
             for (std::uint32_t slot = 1; slot <= slots && peers.size() < max; slot += stride) {
                 const Connection* connection = shard.registry().in_slot(slot);
                 if (connection != nullptr) peers.push_back(connection->peer.address);
             }
             reply(std::move(peers));
         })) {
        all.insert(all.end(), each.begin(), each.end());
    }
    return all;
}

PageVector<HeldSocket> held_sockets(const ReactorThreads& threads) {
    return gather<PageVector<HeldSocket>>(threads, [](Shard& shard, Connection& connection) -> HeldSocket {
        return {.inode = inode_of_socket(connection.fd),
                .number = shard.registry().number_of(connection),
                .end_is_seen = shard.ends_when_read(connection)};
    });
}

ConnectionRow row_of(const Connection& connection, Shard& shard, const Pipeline& pipeline, const Device* device,
                     std::uint32_t run) {
    const TurnTime time = shard.time();
    const PipelineListener& listener = pipeline.listener(connection.listener);
    const BadItems* bad = pipeline.bad_items_of(shard.registry().number_of(connection));
    return {.conn = {run, shard.registry().number_of(connection)},
            .listener = listener.name,
            .peer = connection.peer,
            .key = std::string(connection.key.view()),
            .id = device != nullptr ? device->id : std::string(),
            .session = device != nullptr ? device->session : std::string(),
            .connected_at = shard.wall_of(connection.opened),
            .age = time.tick.since(connection.opened),
            .since_item = time.tick.since(connection.last_item),
            .items = connection.items,
            .bytes_in = connection.bytes_in,
            .bytes_out = connection.bytes_out,
            .liveness = listener.liveness,
            .authenticated = connection.identity == Identity::authenticated,
            .suspect_since = shard.suspect_since(connection),
            .bad_items = bad != nullptr ? bad->counts : decltype(bad->counts){}};
}

ConnectionDetail detail_of(const Connection& connection, Shard& shard, const Pipeline& pipeline, ConnectionRow row) {
    ConnectionDetail detail{.row = std::move(row),
                            .evidence = {},
                            .unfinished_item_bytes = connection.unfinished ? connection.unfinished->size : 0,
                            .downlink_queue_bytes = connection.downlink ? connection.downlink->waiting() : 0,
                            .plan = shard.policy_of(connection).plan};
    if (const auto facts = read_tcp_facts(connection.fd)) detail.evidence = facts->evidence;
    const BadItems* bad = pipeline.bad_items_of(shard.registry().number_of(connection));
    if (bad != nullptr) detail.last_bad_item = bad->last;
    if (connection.encrypted) {
        const TlsFacts facts = shard.tls_of(connection).facts();
        detail.tls_version = facts.version;
        detail.tls_cipher = facts.cipher;
        detail.tls_resumed = facts.resumed;
    }
    return detail;
}

}  // namespace holdfast
