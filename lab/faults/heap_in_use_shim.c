// LD_PRELOAD: states how many bytes of the heap are allocated. The resident set also depends on the order of allocations
// and frees, and on how threads share arenas; this sum does not.
//   HOLDFAST_HEAP_FILE  a file of eight bytes into which the sum is written every 50 ms, in the machine's byte order
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void* measure(void* file) {
    const int fd = (int)(intptr_t)file;
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 50 * 1000 * 1000};
    for (;;) {
        const struct mallinfo2 heap = mallinfo2();
        const uint64_t in_use = heap.uordblks + heap.hblkhd;
        if (pwrite(fd, &in_use, sizeof in_use, 0) != (ssize_t)sizeof in_use) return NULL;
        nanosleep(&pause, NULL);
    }
}

__attribute__((constructor)) static void start(void) {
    const char* path = getenv("HOLDFAST_HEAP_FILE");
    const int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // the program's threads take its signals
    if (pthread_create(&thread, NULL, measure, (void*)(intptr_t)fd) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
