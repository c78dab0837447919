#pragma once

#include "base/human.h"  // IWYU pragma: export
