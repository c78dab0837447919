#include <stdlib.h>

#include "cli/verbs.h"
#include "daemon/signals.h"

int main(int argc, char** argv) {
    holdfast::block_stop_signals();  // before any thread starts; run_cli unblocks them for most verbs
    ::unsetenv("SSLKEYLOGFILE");     // keeps libcurl from writing keys of sessions that carry tokens
    return holdfast::run_cli(argc, argv);
}
