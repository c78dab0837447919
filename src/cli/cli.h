#pragma once

namespace holdfast {

/// Runs the `holdfast` command: reads the verb and its flags, executes it and returns the exit code.
int run_cli(int argc, const char* const* argv);

}  // namespace holdfast
