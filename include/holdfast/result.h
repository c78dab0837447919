#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Kinds of failures, by the remedy. The list may grow: treat an unknown one as `system`.
enum class ErrorCode : std::uint8_t {
    other,                ///< of another library; no function of holdfast returns it
    invalid_argument,     ///< a text or a value cannot be used; pass another one
    invalid_config,       ///< a member of ServerConfig is out of range or contradicts another: Error::field
    invalid_file,         ///< a file that ServerConfig names is missing, unreadable or wrong: Error::field
    address_in_use,       ///< another socket has the address
    address_unavailable,  ///< no interface of this host has the address
    not_permitted,        ///< the process may not use the address
    out_of_resources,     ///< memory, descriptors or threads are exhausted
    system,               ///< the kernel refuses something else
    handler_failed,       ///< a factory threw, or returned no handler or codec
    try_later,            ///< connections of a removed listener, or another simulation, are in the way; they end soon
    stopping,             ///< the server stops
};

/// A failure of one operation.
struct Error {
    std::string message = {};  ///< for people, in one line: the failed operation, the cause and the remedy
    ErrorCode code = ErrorCode::other;
    std::string field = {};  ///< "listeners[1].tls.key": the member of ServerConfig, if it is about one
};

/// Contains a value or an Error. Expected failures use it; exceptions do not cross the public API. Accessing the absent
/// side is a defect of the caller and ends the process.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }

    [[nodiscard]] T& value() & { return *checked(std::get_if<0>(&state_)); }
    [[nodiscard]] const T& value() const& { return *checked(std::get_if<0>(&state_)); }
    [[nodiscard]] T&& value() && { return std::move(*checked(std::get_if<0>(&state_))); }
    [[nodiscard]] const Error& error() const { return *checked(std::get_if<1>(&state_)); }

private:
    template <typename P>
    static P checked(P side) {
        if (side == nullptr) std::abort();
        return side;
    }

    std::variant<T, Error> state_;
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
