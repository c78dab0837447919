#pragma once

/// Exports the declarations of a namespace from the shared library, which hides everything else.
#define HOLDFAST_PUBLIC __attribute__((visibility("default")))
/// Hides a class that is nested in an exported one.
#define HOLDFAST_INTERNAL __attribute__((visibility("hidden")))

/// Names the inline namespace of the public API, which is part of each symbol. The name changes with the shared
/// library's soname: two versions in one process do not mix. Programs write `holdfast::` only, and include headers
/// instead of declaring classes themselves.
#define HOLDFAST_ABI v0_1
