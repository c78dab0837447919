#pragma once

namespace holdfast {

/// True in builds with AddressSanitizer or ThreadSanitizer, which make simulations of hours many times as slow. They
/// run shorter there, since each run draws new seeds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_instrumented = true;
#elif defined(__has_feature)
inline constexpr bool is_instrumented = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool is_instrumented = false;
#endif

}  // namespace holdfast
