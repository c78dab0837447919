#include <stdlib.h>

#include "app/cli.h"
#include "app/signals.h"

int main(int argc, char** argv) {
    holdfast::block_stop_signals();  // before anything that may start a thread: run_cli takes them back for most verbs
    ::unsetenv("SSLKEYLOGFILE");     // libcurl would write the keys of sessions there, in which tokens travel
    return holdfast::run_cli(argc, argv);
}
