#include "app/cli.h"

int main(int argc, char** argv) { return holdfast::run_cli(argc, argv); }
