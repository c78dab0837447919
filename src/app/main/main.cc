#include <stdlib.h>

#include "app/cli.h"

int main(int argc, char** argv) {
    ::unsetenv("SSLKEYLOGFILE");  // libcurl would write the keys of sessions there, in which tokens travel
    return holdfast::run_cli(argc, argv);
}
