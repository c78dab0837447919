#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/liveness.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "conn/kept_reactor.h"
#include "conn/registry.h"

namespace holdfast {

/// A listener in the kept state.
struct KeptListener {
    std::uint64_t check = 0;      ///< right_check(), or the entry is unused
    std::array<char, 65> name{};  ///< ends with a zero
    Endpoint bound;
    LivenessPlan plan;
    std::array<int, Registry::max_reactors> sockets{};  ///< by reactor

    [[nodiscard]] std::string_view name_text() const noexcept;
    [[nodiscard]] std::uint64_t right_check() const noexcept;
    [[nodiscard]] bool used() const noexcept { return check != 0 && check == right_check(); }
};

/// The shape of a kept state: a table of listeners, and a table of connections for each reactor.
struct KeptShape {
    std::uint32_t run = 0;
    std::uint32_t reactors = 0;
    std::uint32_t capacity = 0;  ///< connections of one reactor

    friend bool operator==(const KeptShape&, const KeptShape&) = default;
};

/// A server's connections and listeners in a memory file that outlives its process. Maps the file. The process may end
/// at any instruction, so nothing read from the file is trusted beyond its bounds. Any thread; tables have one owner
/// each.
class KeptState {
public:
    /// Maps the file. Without content it has no shape yet. An error: it is no memory file, or its content does not fit.
    [[nodiscard]] static Result<std::unique_ptr<KeptState>> open(int descriptor);
    /// Empties the file, except for the keeper's page.
    static void discard(int descriptor) noexcept;
    KeptState(const KeptState&) = delete;
    KeptState& operator=(const KeptState&) = delete;
    ~KeptState();

    /// Returns the shape of an earlier server's state, or nullopt if there is none.
    [[nodiscard]] const std::optional<KeptShape>& shape() const noexcept { return shape_; }
    /// Gives an empty file its shape. Returns false without memory.
    [[nodiscard]] bool begin(const KeptShape& shape);
    /// Returns the end of the earlier process, or `now` if it is not known.
    [[nodiscard]] SteadyTime ended_at(SteadyTime now) const noexcept;

    /// Returns the number of processes that the keeper has seen end.
    [[nodiscard]] std::uint64_t processes() const noexcept;

    [[nodiscard]] KeptShard shard(std::uint32_t reactor) noexcept;
    [[nodiscard]] KeptListener& listener(std::uint8_t number) noexcept { return listeners_[number]; }
    [[nodiscard]] const KeptListener& listener(std::uint8_t number) const noexcept { return listeners_[number]; }
    /// Returns the number of a listener by its name, or nullopt.
    [[nodiscard]] std::optional<std::uint8_t> find_listener(std::string_view name) const noexcept;
    /// Notes a new or changed listener. A new name has no sockets yet.
    void set_listener(std::uint8_t number, std::string_view name, const Endpoint& bound,
                      const LivenessPlan& plan) noexcept;
    /// Notes a reactor's listening socket, or -1. Its thread, or before it runs.
    void set_socket(std::uint8_t number, std::uint32_t reactor, int socket) noexcept {
        listeners_[number].sockets[reactor] = socket;
    }
    void forget_listener(std::uint8_t number) noexcept { listeners_[number].check = 0; }

    /// Returns fresh counters of a listener on a reactor. They live as long as this object.
    [[nodiscard]] std::shared_ptr<ListenerCounters> new_counters(std::uint8_t number, std::uint32_t reactor);
    /// Goes on with the totals of the earlier process. `listener_of`: a listener's present number, of `listeners`, by
    /// its former one.
    void carry_totals(const std::array<std::int16_t, 256>& listener_of, std::size_t listeners);

    /// Calls `visit` for each connection that a server with these listeners will take over or close.
    void each_connection(const std::function<bool(std::string_view listener)>& has_listener,
                         const std::function<void(ConnectionId id)>& visit);
    /// Makes the next server report the connection as connected, or only its device as identified.
    void report_again(ConnectionId id, bool only_device = false) noexcept;

    /// Closes the descriptors of the earlier process but its connections, its listening sockets, sockets that it had
    /// accepted just before its end, and `others`. Call it before anything is opened, with one thread.
    void close_others(std::vector<int> others);
    /// Does so with `open`, the descriptors of the earlier process.
    void close_others(const std::vector<int>& open, std::vector<int> others);
    /// Returns the sockets that were accepted just before.
    [[nodiscard]] std::vector<int> strays() const;

private:
    struct Header;
    explicit KeptState(int descriptor) : descriptor_(descriptor) {}

    [[nodiscard]] std::optional<Error> map(std::size_t size);
    [[nodiscard]] static std::size_t size_of(const KeptShape& shape) noexcept;
    [[nodiscard]] std::vector<int> descriptors(const std::vector<int>& others);
    [[nodiscard]] bool is_stray(int descriptor) const;
    void close_closing(const std::vector<int>& kept);
    void each_slot(const std::function<void(std::uint32_t reactor, std::uint32_t slot, Connection&)>& visit);

    int descriptor_;
    std::byte* memory_ = nullptr;
    std::size_t size_ = 0;
    std::optional<KeptShape> shape_;
    Header* header_ = nullptr;
    KeptListener* listeners_ = nullptr;
};

}  // namespace holdfast
