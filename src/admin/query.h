#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/reason.h>
#include <holdfast/server.h>

#include "admin/request_target.h"

namespace holdfast {

inline constexpr std::size_t max_page = 10'000;  ///< rows that one answer holds at most
inline constexpr std::chrono::milliseconds default_probe_timeout{3'000};
inline constexpr std::chrono::milliseconds max_probe_timeout{30'000};
inline constexpr std::chrono::milliseconds default_delivery_wait{300};

/// Reads a request's query values by name and remembers the first thing that was wrong with them. A parameter that
/// nobody asked for, or one given twice, is an error: see finish(). Names are string literals. One thread, one request.
class QueryReader {
public:
    explicit QueryReader(const RequestTarget& target) : target_(target) {}

    [[nodiscard]] std::optional<std::string> text(std::string_view name);
    [[nodiscard]] std::optional<Prefix> prefix(std::string_view name);
    [[nodiscard]] std::optional<CloseReason> reason(std::string_view name);
    [[nodiscard]] ConnectionSort sort(std::string_view name);
    /// "asc" or "desc"; nothing if it is not given.
    [[nodiscard]] std::optional<bool> descending(std::string_view name);
    [[nodiscard]] bool flag(std::string_view name);
    /// "true" or "false"; nothing if it is not given.
    [[nodiscard]] std::optional<bool> choice(std::string_view name);
    [[nodiscard]] std::size_t number(std::string_view name, std::size_t otherwise, std::size_t most);
    [[nodiscard]] std::chrono::milliseconds timeout(std::string_view name,
                                                    std::chrono::milliseconds otherwise = default_probe_timeout);
    /// From 0s to `most`; not to wait if it is not given.
    [[nodiscard]] std::chrono::milliseconds wait(std::string_view name, std::chrono::milliseconds most);
    /// A duration of whole seconds from `least` to `most`.
    [[nodiscard]] std::chrono::seconds seconds(std::string_view name, std::chrono::seconds otherwise,
                                               std::chrono::seconds least, std::chrono::seconds most);

    /// To be called when every parameter has been asked for: a message that names the value at fault and what is
    /// allowed, or nothing.
    [[nodiscard]] std::optional<std::string> finish();

private:
    void complain(std::string_view name, std::string_view value, std::string_view rule);

    const RequestTarget& target_;
    std::vector<std::string_view> known_;  // the names asked for: string literals
    std::string error_;
};

/// The order that a sort has when none is asked for: false for peer and key, else true (largest, oldest first).
[[nodiscard]] bool descends_by_itself(ConnectionSort sort) noexcept;

[[nodiscard]] ConnectionQuery read_connection_query(QueryReader& query);
[[nodiscard]] ClosedQuery read_closed_query(QueryReader& query);

}  // namespace holdfast
