// LD_PRELOAD: records the operations of a process on the files below one directory, in order and with the data (recording.py).
//   HOLDFAST_RECORD_ROOT  the directory
//   HOLDFAST_RECORD_LOG   the file that the records are appended to; outside of that directory
//   HOLDFAST_RECORD_END   once this file exists, the process exits between two operations, as by SIGKILL
//   HOLDFAST_RECORD_FAIL  while this file exists, every second sync fails with EIO and does nothing
// SQLite's shared memory (-shm) is not recorded: it is written through mmap(2), and SQLite rebuilds it at each start.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { max_descriptors = 65536, longest_path = 4096, magic = 0x52464448 };
enum kind { created = 'c', wrote = 'w', truncated = 't', synced = 's', failed = 'f', renamed = 'r', unlinked = 'u', linked = 'l', made = 'm', removed = 'd' };

struct record {
    uint32_t magic;
    uint32_t kind;
    uint64_t file;    // inode
    uint64_t offset;  // of the data; the new length; for a sync, the length of the log when it began
    uint64_t size;    // of the data
    uint32_t name;    // bytes of the first path, relative to the root
    uint32_t other;   // bytes of the second path
};

static struct {
    dev_t device;
    ino_t file;
} watched[max_descriptors];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;

static const char* root(void) { return getenv("HOLDFAST_RECORD_ROOT"); }

static void give_up(const char* why) {
    fprintf(stderr, "the recorder of file operations: %s\n", why);
    syscall(SYS_exit_group, 99);
}

static void begin(void) {
    pthread_mutex_lock(&mutex);
    const char* end = getenv("HOLDFAST_RECORD_END");
    if (end != NULL && syscall(SYS_faccessat, AT_FDCWD, end, F_OK) == 0) syscall(SYS_exit_group, 137);
    if (log_file >= 0) return;
    log_file = (int)syscall(SYS_openat, AT_FDCWD, getenv("HOLDFAST_RECORD_LOG"), O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (log_file < 0) give_up("HOLDFAST_RECORD_LOG cannot be opened");
}

static void end(int error) {
    pthread_mutex_unlock(&mutex);
    errno = error;
}

static uint64_t length_of_log(void) {
    struct stat status;
    return fstat(log_file, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void note(enum kind kind, ino_t file, uint64_t offset, const char* name, const char* other, const void* data, size_t size) {
    struct record record = {magic, kind, file, offset, size, (uint32_t)strlen(name), (uint32_t)strlen(other)};
    const struct iovec parts[] = {{&record, sizeof record}, {(void*)name, record.name}, {(void*)other, record.other}, {(void*)data, size}};
    const ssize_t whole = (ssize_t)(sizeof record + record.name + record.other + size);
    if (syscall(SYS_writev, log_file, parts, 4) != whole) give_up("the log cannot be written");
}

static int ends_with(const char* text, const char* tail) {
    const size_t length = strlen(text);
    return length >= strlen(tail) && strcmp(text + length - strlen(tail), tail) == 0;
}

// Returns the path relative to the root, "" for the root itself, NULL for a path that is not watched.
static const char* below_root(int directory, const char* path, char* room) {
    if (root() == NULL || path == NULL) return NULL;
    if (path[0] == '/' || directory == AT_FDCWD) {
        if (strlen(path) >= longest_path) return NULL;
        strcpy(room, path);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        const ssize_t size = readlink(link, room, longest_path - 1);
        if (size < 0 || (size_t)size + strlen(path) + 2 > longest_path) return NULL;
        room[size] = '/';
        strcpy(room + size + 1, path);
    }
    const size_t length = strlen(root());
    if (strncmp(room, root(), length) != 0 || (room[length] != '/' && room[length] != '\0')) return NULL;
    if (ends_with(room, "-shm")) return NULL;
    return room[length] == '/' ? room + length + 1 : room + length;
}

static int is_watched(int fd, ino_t* file) {
    struct stat status;
    if (fd < 0 || fd >= max_descriptors || watched[fd].file == 0 || fstat(fd, &status) != 0) return 0;
    *file = status.st_ino;
    return watched[fd].file == status.st_ino && watched[fd].device == status.st_dev;
}

static int open_at(int directory, const char* path, int flags, mode_t mode) {
    char room[longest_path];
    const char* name = below_root(directory, path, room);
    if (name == NULL) {
        const int other = (int)syscall(SYS_openat, directory, path, flags, mode);
        // A -shm may have the inode of a removed file whose descriptor had this number.
        if (other >= 0 && other < max_descriptors) watched[other].file = 0;
        return other;
    }
    begin();
    const int is_new = (flags & O_CREAT) != 0 && syscall(SYS_faccessat, directory, path, F_OK) != 0;
    const int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    const int error = errno;
    struct stat status;
    if (fd >= 0 && fd < max_descriptors && fstat(fd, &status) == 0) {
        watched[fd].device = status.st_dev;
        watched[fd].file = status.st_ino;
        if (is_new) note(created, status.st_ino, 0, name, "", "", 0);
        if (!is_new && (flags & O_TRUNC) != 0) note(truncated, status.st_ino, 0, "", "", "", 0);
    }
    end(error);
    return fd;
}

#define MODE_OF(flags)                                                     \
    mode_t mode = 0;                                                       \
    if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) {  \
        va_list more;                                                      \
        va_start(more, flags);                                             \
        mode = va_arg(more, mode_t);                                       \
        va_end(more);                                                      \
    }

int open(const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int directory, const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(directory, path, flags, mode);
}
int openat64(int directory, const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(directory, path, flags, mode);
}
int creat(const char* path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
// The names of open under _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __openat_2(int directory, const char* path, int flags) { return open_at(directory, path, flags, 0); }
int __openat64_2(int directory, const char* path, int flags) { return open_at(directory, path, flags, 0); }

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    ino_t file;
    if (!is_watched(fd, &file)) return syscall(SYS_pwrite64, fd, data, size, offset);
    begin();
    const ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);
    const int error = errno;
    if (done > 0) note(wrote, file, (uint64_t)offset, "", "", data, (size_t)done);
    end(error);
    return done;
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }

ssize_t write(int fd, const void* data, size_t size) {
    ino_t file;
    if (!is_watched(fd, &file)) return syscall(SYS_write, fd, data, size);
    begin();
    const ssize_t done = syscall(SYS_write, fd, data, size);
    const int error = errno;
    const off_t after = lseek(fd, 0, SEEK_CUR);  // right for O_APPEND, too
    if (done > 0) note(wrote, file, (uint64_t)(after - done), "", "", data, (size_t)done);
    end(error);
    return done;
}

int ftruncate(int fd, off_t length) {
    ino_t file;
    if (!is_watched(fd, &file)) return (int)syscall(SYS_ftruncate, fd, length);
    begin();
    const int done = (int)syscall(SYS_ftruncate, fd, length);
    const int error = errno;
    if (done == 0) note(truncated, file, (uint64_t)length, "", "", "", 0);
    end(error);
    return done;
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

// A sync makes durable the operations that ended before it began; those of other threads during the sync may be missing.
static int sync_by(long number, int fd) {
    ino_t file;
    if (!is_watched(fd, &file)) return (int)syscall(number, fd);
    static unsigned count;
    begin();
    const uint64_t began = length_of_log();
    const char* fail = getenv("HOLDFAST_RECORD_FAIL");
    const int fails = fail != NULL && syscall(SYS_faccessat, AT_FDCWD, fail, F_OK) == 0 && ++count % 2 == 0;
    if (fails) note(failed, file, began, "", "", "", 0);
    end(EIO);
    if (fails) return -1;
    const int done = (int)syscall(number, fd);
    const int error = errno;
    begin();
    if (done == 0) note(synced, file, began, "", "", "", 0);
    end(error);
    return done;
}
int fsync(int fd) { return sync_by(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }

static int rename_at(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
    char from_room[longest_path];
    char to_room[longest_path];
    const char* name = below_root(from_directory, from, from_room);
    const char* other = below_root(to_directory, to, to_room);
    if (name == NULL && other == NULL) return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    if (name == NULL || other == NULL || (flags & 2U) != 0) give_up("a rename that it does not know");
    begin();
    const int done = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    const int error = errno;
    if (done == 0) note(renamed, 0, 0, name, other, "", 0);
    end(error);
    return done;
}
int rename(const char* from, const char* to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
    return rename_at(from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
    return rename_at(from_directory, from, to_directory, to, flags);
}

static int link_at(int from_directory, const char* from, int to_directory, const char* to, int flags) {
    char from_room[longest_path];
    char to_room[longest_path];
    const char* name = below_root(from_directory, from, from_room);
    const char* other = below_root(to_directory, to, to_room);
    if (other == NULL) return (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
    if (name == NULL) give_up("a link to a file from elsewhere");
    begin();
    const int done = (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
    const int error = errno;
    if (done == 0) note(linked, 0, 0, name, other, "", 0);
    end(error);
    return done;
}
int link(const char* from, const char* to) { return link_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
    return link_at(from_directory, from, to_directory, to, flags);
}

static int unlink_at(int directory, const char* path, int flags) {
    char room[longest_path];
    const char* name = below_root(directory, path, room);
    if (name == NULL) return (int)syscall(SYS_unlinkat, directory, path, flags);
    begin();
    const int done = (int)syscall(SYS_unlinkat, directory, path, flags);
    const int error = errno;
    if (done == 0) note((flags & AT_REMOVEDIR) != 0 ? removed : unlinked, 0, 0, name, "", "", 0);
    end(error);
    return done;
}
int unlink(const char* path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char* path, int flags) { return unlink_at(directory, path, flags); }
int remove(const char* path) {
    const int done = unlink_at(AT_FDCWD, path, 0);
    return done == 0 || errno != EISDIR ? done : unlink_at(AT_FDCWD, path, AT_REMOVEDIR);
}
int rmdir(const char* path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }

static int mkdir_at(int directory, const char* path, mode_t mode) {
    char room[longest_path];
    const char* name = below_root(directory, path, room);
    if (name == NULL) return (int)syscall(SYS_mkdirat, directory, path, mode);
    begin();
    const int done = (int)syscall(SYS_mkdirat, directory, path, mode);
    const int error = errno;
    struct stat status;
    if (done == 0 && fstatat(directory, path, &status, 0) == 0) note(made, status.st_ino, 0, name, "", "", 0);
    end(error);
    return done;
}
int mkdir(const char* path, mode_t mode) { return mkdir_at(AT_FDCWD, path, mode); }
int mkdirat(int directory, const char* path, mode_t mode) { return mkdir_at(directory, path, mode); }
