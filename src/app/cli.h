#pragma once

namespace holdfast {

/// The `holdfast` command: reads the verb and its flags, does it, returns the exit code (app/verb.h).
int run_cli(int argc, const char* const* argv);

}  // namespace holdfast
