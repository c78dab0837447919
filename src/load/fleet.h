#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "load/device.h"
#include "load/downlink_book.h"
#include "load/load_counts.h"
#include "load/load_options.h"
#include "load/pace.h"
#include "reactor/reactor.h"

namespace holdfast {

/// One thread's part of a fleet: connects devices, sends their items and triggers their faults. Owns their sockets.
/// run() is that thread; other threads use the functions marked so. Ends within two seconds of finish().
class LoadFleet final : public Reactor::Client {
public:
    /// Selects devices: every `step`th from number `first`, `count` of them.
    struct Part {
        std::uint64_t first = 0;
        std::uint64_t step = 1;
        std::uint32_t count = 0;
    };
    enum class News : std::uint8_t {
        settled,   ///< every device has tried to connect; reported once
        sent,      ///< every owed item was handed to the kernel or never will be
        deserted,  ///< no device is connected and none will be; reported once
    };
    static constexpr std::size_t news_count = 3;
    using OnNews = std::function<void(News)>;

    /// Creates the devices of `part`. `book` stores the downlinks of its devices; may be null; outlives the fleet.
    LoadFleet(const Clock& clock, const LoadOptions& options, Part part, OnNews on_news, DownlinkBook* book = nullptr);

    void run();

    // Any thread. Returns false once the fleet has ended.
    bool send_items() {
        return reactor_.post([this] { owe_items(); });
    }
    /// Stops new items and faults. Downlinks under way are still read and acknowledged.
    bool quieten() {
        return reactor_.post([this] { quiet_ = true; });
    }
    bool storm() {
        return reactor_.post([this] { reconnect_all(); });
    }
    bool finish() {
        return reactor_.post([this] { begin_end(); });
    }
    bool query_counts(std::function<void(const LoadCounts&)> reply) {
        return reactor_.post([this, reply = std::move(reply)] { reply(counts_); });
    }
    /// Returns the counts. After run() has returned.
    [[nodiscard]] const LoadCounts& counts() const { return counts_; }

private:
    void on_ready(Token token, std::uint32_t events) override;
    [[nodiscard]] bool on_turn_end() override;
    void tick();

    // fleet_connect.cc
    [[nodiscard]] bool connect_more();
    void connect(LoadDevice& device);
    [[nodiscard]] int open_socket(LoadDevice& device);
    void finish_connect(LoadDevice& device);
    void shake_hands(LoadDevice& device);
    [[nodiscard]] ssize_t get(LoadDevice& device);
    [[nodiscard]] static ssize_t put(LoadDevice& device, std::string_view bytes);
    void connected(LoadDevice& device);
    void connect_failed(LoadDevice& device, int error);
    void settle(LoadDevice& device);
    void ended_by_peer(LoadDevice& device, int error);
    void drop(LoadDevice& device);
    void come_back(LoadDevice& device, std::chrono::milliseconds pause);
    void reconnect_all();
    void begin_end();
    void end_if_all_left();

    // fleet_io.cc
    void read(LoadDevice& device);
    void owe_items();
    void want_to_send(LoadDevice& device);
    [[nodiscard]] bool send_more();
    void send_paced();
    void send_batch(LoadDevice& device, std::uint64_t items);
    void hand_over(LoadDevice& device);
    void flush(LoadDevice& device);
    void delivered(LoadDevice& device);
    void dribble(LoadDevice& device);
    void forgive(LoadDevice& device);
    void report_if_sent();
    void report_if_deserted();

    // fleet_items.cc: downlinks
    void enter_in_book(const LoadDevice& device);
    void strike_from_book(LoadDevice& device);
    void take_downlink(LoadDevice& device, std::uint64_t number);
    void send_acks(LoadDevice& device);

    // fleet_items.cc: hello, numbers and acks
    void say_hello(LoadDevice& device);
    void take_words(LoadDevice& device, std::size_t arrived);
    void resume(LoadDevice& device, std::uint64_t seq);
    void acknowledged(LoadDevice& device, std::uint64_t seq);
    void take_back(LoadDevice& device);
    void settle_debt(LoadDevice& device);
    [[nodiscard]] std::uint64_t sendable(const LoadDevice& device) const;
    [[nodiscard]] bool numbered() const { return !options_.session.empty(); }

    // fleet_faults.cc
    void plan_strike(LoadDevice& device);
    void strike(LoadDevice& device);
    [[nodiscard]] bool silence(LoadDevice& device);
    void send_half(LoadDevice& device);

    /// Runs `work` for the device's current socket after `after`, unless the device has another by then.
    void later(LoadDevice& device, std::chrono::milliseconds after, void (LoadFleet::*work)(LoadDevice&));
    [[nodiscard]] std::uint32_t index_of(const LoadDevice& device) const {
        return static_cast<std::uint32_t>(&device - devices_.data());
    }
    [[nodiscard]] std::uint64_t number_of(const LoadDevice& device) const {
        return part_.first + part_.step * index_of(device);
    }
    [[nodiscard]] Token token_of(const LoadDevice& device) const {
        return Token{device.generation} << 32 | index_of(device);
    }

    const Clock& clock_;
    const LoadOptions& options_;
    const Part part_;
    OnNews on_news_;
    DownlinkBook* const book_;
    Reactor reactor_;
    ItemMaker items_;
    LoadCounts counts_;
    std::vector<LoadDevice> devices_;
    std::vector<char> landing_;
    std::string scratch_;
    std::vector<GatewayWord> words_;  // of one read

    Pace connect_pace_;
    std::uint32_t next_ = 0;  // the next device to connect
    std::uint32_t connecting_ = 0;
    std::uint32_t settled_ = 0;

    Pace item_pace_;
    std::uint32_t turn_of_ = 0;           // the next device to send at a steady rate
    std::vector<std::uint32_t> senders_;  // devices that owe items and may write
    std::uint64_t owing_ = 0;             // devices that owe items
    bool items_released_ = false;         // owe_items() was called
    bool desertion_told_ = false;
    bool quiet_ = false;
    bool ending_ = false;
};

/// Closes `fd` so that its peer gets RST rather than FIN (socket(7), SO_LINGER with a time of 0).
inline void close_by_reset(UniqueFd& fd) noexcept {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd.reset();
}

}  // namespace holdfast
