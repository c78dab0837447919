#include "server/kept_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "base/keeper_page.h"
#include "base/kernel.h"
#include "tcp/inherited_socket.h"

namespace holdfast {

namespace {

constexpr std::uint64_t magic = 0x6b65'7074'6866'0004;  // "kepthf", and the version of this layout
constexpr std::size_t page = KeeperPage::size;
constexpr std::size_t max_strays = 960;
constexpr std::size_t max_kept_listeners = 256;
// A new descriptor takes the lowest free number, so the others of a process lie closely above those in use.
constexpr int numbers_above = 4'096;

static_assert(std::is_trivially_copyable_v<KeptListener> && std::is_trivially_copyable_v<KeptReactor>);

constexpr std::size_t whole_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t part) {
    return (hash ^ part) * 0x100'0000'01b3;
}  // FNV-1a
constexpr std::uint64_t first_hash = 0xcbf2'9ce4'8422'2325;

constexpr std::uint64_t check_of(const KeptShape& shape) {
    return mix(mix(mix(first_hash, shape.run), shape.reactors), shape.capacity);
}

/// Returns a number that differs if the tables are laid out in another way.
constexpr std::uint64_t layout() {
    std::uint64_t hash = first_hash;
    for (const std::size_t part :
         {sizeof(Connection), alignof(Connection), sizeof(KeptReactor), sizeof(KeptDevice), sizeof(ListenerCounters),
          sizeof(ShardCounters), sizeof(KeptListener), sizeof(LivenessPlan), sizeof(UnfinishedItemPtr),
          sizeof(InlineString), std::size_t{Registry::slot_bits}, std::size_t{Registry::reactor_bits},
          std::size_t{SlotTable<Connection>::spare_slots}, max_kept_listeners}) {
        hash = mix(hash, part);
    }
    return hash;
}

Error unusable(const std::string& why) {
    return Error{"cannot use the kept state: " + why, ErrorCode::invalid_config, "kept_state"};
}

}  // namespace

struct KeptState::Header {
    std::uint64_t magic = 0;  // written last
    std::uint64_t layout = 0;
    KeptShape shape;
    std::uint64_t check = 0;  ///< check_of(shape)
    std::uint32_t stray_count = 0;
    std::array<int, max_strays> strays{};
};

namespace {

// The file: the keeper's page, the header, the listeners, and a part for each reactor. Its order is the record, the
// slots, their devices, their marks of an adoption, and the counters.
constexpr std::size_t header_at = page;
constexpr std::size_t listeners_at = 2 * page;
constexpr std::size_t reactors_at = listeners_at + whole_pages(sizeof(KeptListener) * max_kept_listeners);
constexpr std::size_t slots_at = whole_pages(sizeof(KeptReactor));  // within a reactor's part

std::size_t devices_at(const KeptShape& shape) {
    return slots_at + whole_pages(SlotTable<Connection>::bytes_for(shape.capacity));
}
std::size_t slots_of(const KeptShape& shape) {
    return std::size_t{shape.capacity} + SlotTable<Connection>::spare_slots + 1;
}
std::size_t marks_at(const KeptShape& shape) {
    return devices_at(shape) + whole_pages(slots_of(shape) * sizeof(KeptDevice));
}
std::size_t counters_at(const KeptShape& shape) { return marks_at(shape) + whole_pages(slots_of(shape)); }
constexpr std::size_t listener_counters_at = whole_pages(sizeof(ShardCounters));  // behind the former
std::size_t part_size(const KeptShape& shape) {
    return counters_at(shape) + listener_counters_at + whole_pages(sizeof(ListenerCounters) * max_kept_listeners);
}

Connection& connection_at(const KeptShard& shard, std::uint32_t slot) {
    return *std::launder(reinterpret_cast<Connection*>(shard.slots + std::size_t{slot} * sizeof(Connection)));
}

}  // namespace

std::string_view KeptListener::name_text() const noexcept {
    return {name.data(), static_cast<std::size_t>(std::find(name.begin(), name.end(), '\0') - name.begin())};
}

std::uint64_t KeptListener::right_check() const noexcept {
    std::uint64_t hash = mix(first_hash, bound.port);
    for (const std::uint8_t byte : bound.address.bytes) hash = mix(hash, byte);
    for (const char byte : name) hash = mix(hash, static_cast<unsigned char>(byte));
    return hash;
}

Result<std::unique_ptr<KeptState>> KeptState::open(int descriptor) {
    std::unique_ptr<KeptState> state(new KeptState(descriptor));
    struct stat file {};
    if (::fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode))
        return unusable("the descriptor is no memory file; pass one of memfd_create(2)");
    if (auto error = state->map(static_cast<std::size_t>(file.st_size))) return *error;
    return state;
}

void KeptState::discard(int descriptor) noexcept {
    static_cast<void>(::ftruncate(descriptor, static_cast<off_t>(page)) == 0);
}

KeptState::~KeptState() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
}

std::optional<Error> KeptState::map(std::size_t size) {
    if (size < reactors_at) return std::nullopt;  // nothing is kept yet
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor_, 0);
    if (memory == MAP_FAILED) return unusable(std::string("mmap: ") + std::strerror(errno));
    static_cast<void>(::madvise(memory, size, MADV_DONTDUMP));  // a dump would give every page of the tables memory
    memory_ = static_cast<std::byte*>(memory);
    size_ = size;
    header_ = reinterpret_cast<Header*>(memory_ + header_at);
    listeners_ = reinterpret_cast<KeptListener*>(memory_ + listeners_at);
    if (header_->magic == 0) return std::nullopt;
    if (header_->magic != magic || header_->layout != layout())
        return unusable("another version of the gateway wrote it");
    const KeptShape& shape = header_->shape;
    const bool is_possible = shape.run != 0 && shape.reactors != 0 && shape.reactors <= Registry::max_reactors &&
                             shape.capacity != 0 && shape.capacity <= Registry::max_connections &&
                             header_->check == check_of(shape);
    if (!is_possible || size_of(shape) != size) return unusable("its size does not fit its content");
    shape_ = shape;
    return std::nullopt;
}

std::size_t KeptState::size_of(const KeptShape& shape) noexcept {
    return reactors_at + shape.reactors * part_size(shape);
}

bool KeptState::begin(const KeptShape& shape) {
    if (memory_ != nullptr) ::munmap(std::exchange(memory_, nullptr), size_);
    const std::size_t size = size_of(shape);
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0 || map(size) || memory_ == nullptr) return false;
    header_->layout = layout();
    header_->shape = shape;
    header_->check = check_of(shape);
    shape_ = shape;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    header_->magic = magic;
    return true;
}

SteadyTime KeptState::ended_at(SteadyTime now) const noexcept {
    const auto& keeper = *reinterpret_cast<const KeeperPage*>(memory_);
    const SteadyTime ended{std::chrono::nanoseconds(keeper.worker_ended_ns)};
    return keeper.worker_ended_ns > 0 && ended < now ? ended : now;
}

std::uint64_t KeptState::processes() const noexcept {
    return memory_ == nullptr ? 0 : reinterpret_cast<const KeeperPage*>(memory_)->workers;
}

KeptShard KeptState::shard(std::uint32_t reactor) noexcept {
    std::byte* part = memory_ + reactors_at + reactor * part_size(*shape_);
    return {.record = reinterpret_cast<KeptReactor*>(part),
            .slots = part + slots_at,
            .devices = part + devices_at(*shape_),
            .marks = reinterpret_cast<std::uint8_t*>(part + marks_at(*shape_)),
            .counters = reinterpret_cast<ShardCounters*>(part + counters_at(*shape_)),
            .of_listeners = reinterpret_cast<ListenerCounters*>(part + counters_at(*shape_) + listener_counters_at)};
}

std::optional<std::uint8_t> KeptState::find_listener(std::string_view name) const noexcept {
    for (std::size_t number = 0; number < max_kept_listeners; ++number) {
        if (listeners_[number].used() && listeners_[number].name_text() == name)
            return static_cast<std::uint8_t>(number);
    }
    return std::nullopt;
}

void KeptState::set_listener(std::uint8_t number, std::string_view name, const Endpoint& bound,
                             const LivenessPlan& plan) noexcept {
    KeptListener& listener = listeners_[number];
    const bool is_same = listener.used() && listener.name_text() == name;
    listener.check = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    listener.plan = plan;
    listener.bound = bound;
    if (!is_same) listener.sockets.fill(-1);
    listener.name.fill('\0');
    std::copy_n(name.begin(), std::min(name.size(), listener.name.size() - 1), listener.name.begin());
    std::atomic_signal_fence(std::memory_order_seq_cst);
    listener.check = listener.right_check();
}

void KeptState::each_slot(const std::function<void(std::uint32_t, std::uint32_t, Connection&)>& visit) {
    for (std::uint32_t reactor = 0; shape_ && reactor < shape_->reactors; ++reactor) {
        const KeptShard shard = this->shard(reactor);
        const std::uint32_t used =
            std::min(shard.record->table.used, shape_->capacity + SlotTable<Connection>::spare_slots);
        for (std::uint32_t slot = 1; slot <= used; ++slot) {
            Connection& connection = connection_at(shard, slot);
            if (connection.in_use != 0) visit(reactor, slot, connection);
        }
    }
}

void KeptState::each_connection(const std::function<bool(std::string_view)>& has_listener,
                                const std::function<void(ConnectionId)>& visit) {
    std::array<bool, max_kept_listeners> known{};
    for (std::size_t number = 0; shape_ && number < max_kept_listeners; ++number)
        known[number] = listeners_[number].used() && has_listener(listeners_[number].name_text());
    each_slot([&](std::uint32_t reactor, std::uint32_t slot, Connection& connection) {
        if (connection.is_closing() || connection.is_opening() || !known[connection.listener]) return;
        visit({shape_->run, Registry::number_of(connection.generation, reactor, slot)});
    });
}

void KeptState::report_again(ConnectionId id, bool only_device) noexcept {
    const unsigned reactor = Registry::reactor_of(id.number);
    const std::uint32_t slot = Registry::slot_of(id.number);
    if (!shape_ || reactor >= shape_->reactors || slot > shape_->capacity + SlotTable<Connection>::spare_slots) return;
    const KeptShard shard = this->shard(reactor);
    if (!only_device) connection_at(shard, slot).connected_pending = true;
    KeptDevices(shard.devices).note_reported(slot, false);
}

std::vector<int> KeptState::strays() const {
    const std::size_t count = std::min<std::size_t>(header_->stray_count, max_strays);
    return {header_->strays.begin(), header_->strays.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// Returns the open descriptors of connections and listeners, sorted. Each belongs to one: a further slot with the same
/// one gets none, and so does a slot with one of `others`.
std::vector<int> KeptState::descriptors(const std::vector<int>& others) {
    std::vector<int> all;
    for (std::size_t number = 0; number < max_kept_listeners; ++number) {
        if (!listeners_[number].used()) continue;
        for (std::uint32_t reactor = 0; reactor < shape_->reactors; ++reactor) {
            if (is_tcp_socket(listeners_[number].sockets[reactor])) all.push_back(listeners_[number].sockets[reactor]);
        }
    }
    std::vector<std::pair<int, Connection*>> of_slots;
    each_slot([&of_slots](std::uint32_t, std::uint32_t, Connection& connection) {
        if (!connection.is_closing() && connection.fd >= 0) of_slots.emplace_back(connection.fd, &connection);
    });
    std::sort(all.begin(), all.end());
    std::stable_sort(of_slots.begin(), of_slots.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const std::vector<int> listening = all;
    int before = -1;
    for (const auto& [fd, connection] : of_slots) {
        const bool is_taken = fd == before || std::binary_search(listening.begin(), listening.end(), fd) ||
                              std::binary_search(others.begin(), others.end(), fd) || !is_tcp_socket(fd);
        is_taken ? static_cast<void>(connection->fd = -1) : all.push_back(fd);
        before = fd;
    }
    std::sort(all.begin(), all.end());
    return all;
}

/// Returns true for a connection that a listener accepted, and of which nothing was read. The gateway's own connections
/// have other local ports.
bool KeptState::is_stray(int descriptor) const {
    const auto socket = read_inherited_socket(descriptor);
    if (!socket || socket->listens || socket->ended || socket->bytes_read.value_or(0) != 0) return false;
    return std::any_of(listeners_, listeners_ + max_kept_listeners, [&socket](const KeptListener& listener) {
        return listener.used() && listener.bound.port == socket->local.port;
    });
}

/// Closes what the earlier process was about to close. Such a descriptor may have another owner already, among `kept`
/// or with another peer.
void KeptState::close_closing(const std::vector<int>& kept) {
    each_slot([&kept](std::uint32_t, std::uint32_t, Connection& connection) {
        if (!connection.is_closing() || std::binary_search(kept.begin(), kept.end(), connection.fd)) return;
        const auto socket = read_inherited_socket(connection.fd);
        if (socket && !socket->listens && socket->peer == connection.peer) kernel::close(connection.fd);
    });
}

void KeptState::close_others(std::vector<int> others) {
    std::sort(others.begin(), others.end());
    int highest = others.empty() ? 0 : others.back();
    if (shape_) {
        const std::vector<int> kept = descriptors(others);
        if (!kept.empty()) highest = std::max(highest, kept.back());
    }
    std::vector<int> open;
    for (int fd = 0; fd < highest + numbers_above; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) open.push_back(fd);
    }
    close_others(open, std::move(others));
    ::close_range(static_cast<unsigned>(highest + numbers_above), ~0U, 0);
}

void KeptState::close_others(const std::vector<int>& open, std::vector<int> others) {
    std::sort(others.begin(), others.end());
    std::vector<int> kept = shape_ ? descriptors(others) : std::vector<int>();
    kept.insert(kept.end(), others.begin(), others.end());
    std::sort(kept.begin(), kept.end());
    if (shape_) close_closing(kept);
    if (header_ != nullptr) header_->stray_count = 0;
    for (const int fd : open) {
        if (std::binary_search(kept.begin(), kept.end(), fd)) continue;
        if (shape_ && header_->stray_count < max_strays && is_stray(fd)) {
            header_->strays[header_->stray_count++] = fd;
        } else {
            kernel::close(fd);
        }
    }
}

}  // namespace holdfast
