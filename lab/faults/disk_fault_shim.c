// LD_PRELOAD: file operations below one directory fail or take longer, as a control file says.
//   HOLDFAST_DISK_ROOT    the directory
//   HOLDFAST_DISK_FAULTS  the control file; without it, or while it is empty, no fault. Replace it by rename(2): that also
//                         resets the counts
//   HOLDFAST_DISK_HITS    a file that grows by a byte with each fault
// Each line is a fault: OPERATION WHAT WHEN NUMBER [NAME]
//   OPERATION  read, write (ftruncate too) or sync
//   WHAT       the number of an errno, or so many milliseconds of delay: 300ms
//   WHEN       count: the next NUMBER operations; chance: each with the probability NUMBER; after: all but the first NUMBER;
//              later: all, once the control file is NUMBER seconds old
//   NAME       only files with that in their path
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { most_faults = 16, longest_path = 4096 };

struct fault {
    char operation[8];
    char what[16];
    char when[8];
    double number;
    char name[64];
    unsigned long seen;
};

static struct fault faults[most_faults];
static int fault_count;
static struct stat control;
static unsigned short dice[3];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void read_control(const char* path) {
    char text[4096];
    fault_count = 0;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof text - 1);
    if (fd >= 0) syscall(SYS_close, fd);
    text[size > 0 ? size : 0] = '\0';
    char* rest = NULL;
    for (char* line = strtok_r(text, "\n", &rest); line != NULL && fault_count < most_faults; line = strtok_r(NULL, "\n", &rest)) {
        struct fault* fault = &faults[fault_count];
        memset(fault, 0, sizeof *fault);
        const int words = sscanf(line, "%7s %15s %7s %lf %63s", fault->operation, fault->what, fault->when, &fault->number, fault->name);
        if (words < 4) {
            fprintf(stderr, "disk_fault_shim: not a fault: %s\n", line);
            syscall(SYS_exit_group, 99);
        }
        ++fault_count;
    }
    dice[0] = (unsigned short)control.st_ino;
}

static void note_hit(void) {
    const char* path = getenv("HOLDFAST_DISK_HITS");
    const int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    syscall(SYS_write, fd, "x", 1);
    syscall(SYS_close, fd);
}

static int is_due(struct fault* fault) {
    ++fault->seen;
    struct timespec now;
    switch (fault->when[0]) {
        case 'c':
            return fault->when[1] == 'o' ? (double)fault->seen <= fault->number : erand48(dice) < fault->number;
        case 'a':
            return (double)fault->seen > fault->number;
        default:
            clock_gettime(CLOCK_REALTIME, &now);
            return difftime(now.tv_sec, control.st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - control.st_mtim.tv_nsec) >= fault->number;
    }
}

// Returns the path of a file below the directory, NULL for any other.
static const char* path_of(int fd, char* room) {
    const char* root = getenv("HOLDFAST_DISK_ROOT");
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = root == NULL ? -1 : readlink(link, room, longest_path - 1);
    if (size < 0) return NULL;
    room[size] = '\0';
    return strncmp(room, root, strlen(root)) == 0 ? room : NULL;
}

// Returns the errno of the operation, 0 for none; `delay` is in milliseconds.
static int decide(int fd, const char* operation, long* delay) {
    const char* path = getenv("HOLDFAST_DISK_FAULTS");
    char room[longest_path];
    struct stat status;
    *delay = 0;
    if (path == NULL || fstatat(AT_FDCWD, path, &status, 0) != 0 || status.st_size == 0) return 0;
    const char* name = path_of(fd, room);
    if (name == NULL) return 0;
    int error = 0;
    pthread_mutex_lock(&mutex);
    if (status.st_ino != control.st_ino || status.st_mtim.tv_nsec != control.st_mtim.tv_nsec) {
        control = status;
        read_control(path);
    }
    for (int i = 0; i < fault_count && error == 0; ++i) {
        struct fault* fault = &faults[i];
        if (strcmp(fault->operation, operation) != 0 || strstr(name, fault->name) == NULL || !is_due(fault)) continue;
        note_hit();
        const long number = strtol(fault->what, NULL, 10);
        if (strstr(fault->what, "ms") != NULL) *delay += number;
        else error = (int)number;
    }
    pthread_mutex_unlock(&mutex);
    return error;
}

static int fails(int fd, const char* operation) {
    const int before = errno;
    long delay = 0;
    const int error = decide(fd, operation, &delay);
    if (delay > 0) {
        const struct timespec pause = {delay / 1000, delay % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    errno = error == 0 ? before : error;
    return error != 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int fd, void* data, size_t size) { return fails(fd, "read") ? -1 : REAL(read)(fd, data, size); }
ssize_t pread(int fd, void* data, size_t size, off_t at) { return fails(fd, "read") ? -1 : REAL(pread)(fd, data, size, at); }
ssize_t pread64(int fd, void* data, size_t size, off64_t at) { return fails(fd, "read") ? -1 : REAL(pread64)(fd, data, size, at); }
ssize_t write(int fd, const void* data, size_t size) { return fails(fd, "write") ? -1 : REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) { return fails(fd, "write") ? -1 : REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) { return fails(fd, "write") ? -1 : REAL(pwrite64)(fd, data, size, at); }
int ftruncate(int fd, off_t length) { return fails(fd, "write") ? -1 : REAL(ftruncate)(fd, length); }
int ftruncate64(int fd, off64_t length) { return fails(fd, "write") ? -1 : REAL(ftruncate64)(fd, length); }
int fsync(int fd) { return fails(fd, "sync") ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd, "sync") ? -1 : REAL(fdatasync)(fd); }

// _FORTIFY_SOURCE replaces the calls by these.
ssize_t __read_chk(int fd, void* data, size_t size, size_t room) { return size > room ? -1 : read(fd, data, size); }
ssize_t __pread_chk(int fd, void* data, size_t size, off_t at, size_t room) { return size > room ? -1 : pread(fd, data, size, at); }
ssize_t __pread64_chk(int fd, void* data, size_t size, off64_t at, size_t room) { return size > room ? -1 : pread64(fd, data, size, at); }
