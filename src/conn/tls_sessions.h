#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tls/tls_session.h"

namespace holdfast {

/// Owns the TLS sessions of one shard's connections, by descriptor. Uses no memory if no connection is encrypted. One
/// thread.
class TlsSessions {
public:
    void put(int fd, std::unique_ptr<TlsSession> session) {
        const auto place = static_cast<std::size_t>(fd);
        if (sessions_.size() <= place) sessions_.resize(place + 1);
        sessions_[place] = std::move(session);
    }
    [[nodiscard]] TlsSession& of(int fd) const {
        HOLDFAST_CHECK(static_cast<std::size_t>(fd) < sessions_.size());
        TlsSession* session = sessions_[static_cast<std::size_t>(fd)].get();
        HOLDFAST_CHECK(session != nullptr);
        return *session;
    }
    void end(int fd) { sessions_[static_cast<std::size_t>(fd)].reset(); }

private:
    std::vector<std::unique_ptr<TlsSession>> sessions_;
};

}  // namespace holdfast
