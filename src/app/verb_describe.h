#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `completions` and `manual`: what packages install beside the command, out of `app` itself, which must outlive them.
void add_describe_verbs(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
