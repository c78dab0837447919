#pragma once

#include "api/spool_view.h"
#include "spool/spool.h"

namespace holdfast {

/// The spool for the interface of the admin API. Any thread; the spool must outlive it.
class AdminSpool final : public SpoolView {
public:
    explicit AdminSpool(Spool& spool) : spool_(spool) {}

    Result<SpoolExtract> read(std::uint64_t after, std::size_t most_events, std::size_t most_bytes) override;
    bool wait_for(std::uint64_t after, std::chrono::milliseconds timeout) override;
    std::uint64_t newest() override;
    std::vector<SpoolGroupRow> groups() override;
    std::optional<Error> set_position(const std::string& group, std::uint64_t position) override;
    std::optional<Error> remove_group(const std::string& group) override;

private:
    Spool& spool_;
};

}  // namespace holdfast
