#pragma once

/// Exports the declarations of a namespace from the shared library, which hides everything else.
#define HOLDFAST_PUBLIC __attribute__((visibility("default")))
