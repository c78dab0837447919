#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <holdfast/result.h>

namespace holdfast {

/// Calls a factory of the program, which may fail in any way. `whose` says what it makes: "the handler of reactor 0".
template <typename Made, typename Factory, typename... Arguments>
[[nodiscard]] Result<std::unique_ptr<Made>> made_by_program(const std::string& whose, const Factory& make,
                                                            Arguments... arguments) {
    const auto failed = [&whose](const std::string& why) {
        return Error{"cannot make " + whose + ": the factory " + why, ErrorCode::handler_failed};
    };
    if (!make) return failed("is empty; pass a function that returns one");
    try {
        std::unique_ptr<Made> made = make(arguments...);
        if (made == nullptr) return failed("returned nullptr");
        return made;
    } catch (const std::exception& failure) {
        return failed(std::string("failed: ") + failure.what());
    } catch (...) {
        return failed("threw something that is no std::exception");
    }
}

}  // namespace holdfast
