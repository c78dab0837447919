#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <holdfast/gateway.h>

#include "api/control_plane.h"
#include "api/dashboard/assets.h"
#include "base/fork_guard.h"
#include "daemon/admin_endpoints.h"
#include "daemon/event_tap.h"
#include "daemon/log.h"
#include "daemon/population_watch.h"
#include "daemon/sinks.h"
#include "embed/event_tee.h"
#include "embed/gateway_config.h"

namespace holdfast {

using std::chrono::milliseconds;

class Gateway::Impl {
public:
    explicit Impl(const GatewayConfig& config)
        : config_(daemon_config(config)),
          log_(
              config_.log, config.on_log ? config.on_log : [](std::string_view) {}) {}
    ~Impl() {
        if (server_ == nullptr || is_stopped_) return;
        server_->stop_now();
        static_cast<void>(stop(milliseconds(0)));
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    [[nodiscard]] std::optional<Error> start(const Server::HandlerFactory& make_handler) {
        if (auto error = sink_.start(config_.sink, config_.server.item.max_bytes, std::nullopt, {})) return error;
        if (auto error = start_server(make_handler)) return error;
        control_.emplace(*server_);
        watch_.emplace(
            *server_, config_.alarm,
            PopulationWatch::Sources{.sink = [this] { return sink_.status(); }, .fleet = [] { return FleetStatus{}; }},
            log_, hub_);
        api_.emplace(*control_, api_options());
        if (auto error = admin_.open(config_.admin, *control_, api_options())) return error;
        watch_->set_origin({"", admin_.dashboard()});
        return std::nullopt;
    }

    [[nodiscard]] std::size_t stop(milliseconds timeout) {
        if (std::exchange(is_stopped_, true)) return 0;
        const auto deadline = std::chrono::steady_clock::now() + timeout;
        server_->wait();
        if (watch_) watch_->stop();
        admin_.close();
        const auto left = std::chrono::floor<milliseconds>(deadline - std::chrono::steady_clock::now());
        return sink_.stop(std::max(left, milliseconds(0)));
    }

    [[nodiscard]] Result<std::string> get(std::string_view path) {
        ApiAnswer answer = api_->answer({.method = "GET", .target = path});
        if (answer.status < 400) return std::move(answer.body);
        return Error{std::move(answer.body), ErrorCode::invalid_argument};
    }

    Server& server() { return *server_; }
    [[nodiscard]] std::string dashboard() const { return admin_.dashboard(); }
    [[nodiscard]] bool is_of_parent() const { return generation_ != fork_generation(); }
    [[nodiscard]] milliseconds drain_time() const { return config_.server.drain_time; }

private:
    [[nodiscard]] std::optional<Error> start_server(const Server::HandlerFactory& make_handler) {
        const auto make = [&](unsigned reactor) {
            auto handler = make_handler ? make_handler(reactor) : sink_.make_handler();
            if (handler == nullptr) return handler;
            if (make_handler && sink_.spool() != nullptr)
                handler = tee_events(std::move(handler), sink_.make_handler());
            return tap_events(std::move(handler), hub_);
        };
        auto server = Server::start(config_.server, make);
        if (!server) return server.error();
        server_ = std::move(server).value();
        return std::nullopt;
    }

    [[nodiscard]] ApiOptions api_options() {
        ApiOptions options;
        options.max_message_bytes = config_.server.item.max_bytes;
        options.sink = [this] { return sink_.status(); };
        options.watch = &watch_->view();
        options.hub = &hub_;
        options.spool = sink_.spool();
        options.assets = dashboard_asset;
        return options;
    }

    const DaemonConfig config_;
    Log log_;
    EventHub hub_;  // outlives its publishers and subscribers
    Sinks sink_{log_, [this](const std::string& error) { log_.error(error); }, [](milliseconds) { return false; }};
    std::unique_ptr<Server> server_;
    std::optional<ServerControl> control_;
    std::optional<PopulationWatch> watch_;
    std::optional<Api> api_;
    AdminEndpoints admin_{log_};
    const unsigned generation_ = fork_generation();
    bool is_stopped_ = false;
};

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() {
    if (impl_->is_of_parent()) static_cast<void>(impl_.release());  // a child of fork() has none of its threads
}

Result<std::unique_ptr<Gateway>> Gateway::start(GatewayConfig config, const Server::HandlerFactory& make_handler) {
    if (auto error = first_fault(config)) return *error;
    try {
        auto impl = std::make_unique<Impl>(config);
        if (auto error = impl->start(make_handler)) return *error;
        return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
    } catch (const std::system_error& failure) {
        return Error{std::string("cannot start the gateway: ") + failure.what(), ErrorCode::out_of_resources};
    } catch (const std::bad_alloc&) {
        return Error{"cannot start the gateway: no memory; raise the limits of the process",
                     ErrorCode::out_of_resources};
    }
}

Server& Gateway::server() noexcept { return impl_->server(); }
std::string Gateway::dashboard() const { return impl_->dashboard(); }
Result<std::string> Gateway::get(std::string_view path) const { return impl_->get(path); }
void Gateway::drain() { impl_->server().drain(); }
std::size_t Gateway::wait() {
    impl_->server().wait();
    return impl_->stop(impl_->drain_time());
}

}  // namespace holdfast
