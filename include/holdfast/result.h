#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

#include <holdfast/visibility.h>

namespace holdfast HOLDFAST_PUBLIC {

/// Error message for people, in one line: the failed operation, the cause and the remedy.
struct Error {
    std::string message;
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
