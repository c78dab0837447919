#pragma once

#include <vector>

#include <holdfast/status.h>

#include "conn/connection.h"

namespace holdfast {

/// Collects the connections that match a query, in its order. Keeps no more than the page needs, however many match.
/// Each reactor's walk fills one list, and the lists are merged. One thread at a time.
class ConnectionList {
public:
    explicit ConnectionList(ConnectionQuery query) : query_(std::move(query)) {}

    [[nodiscard]] bool wants(const Connection& connection, std::string_view listener) const;
    void add(ConnectionRow row);
    void merge(ConnectionList&& other);
    [[nodiscard]] ConnectionPage page() &&;

private:
    void trim();

    ConnectionQuery query_;
    std::size_t total_ = 0;
    std::vector<ConnectionRow> rows_;
};

}  // namespace holdfast
