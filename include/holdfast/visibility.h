#pragma once

/// What is declared in a namespace opened so may be used of the shared library; all else is hidden in it.
#define HOLDFAST_PUBLIC __attribute__((visibility("default")))
