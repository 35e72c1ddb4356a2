// Counts the library calls of a program, per thread; .ci/cost loads it into `monkey` with LD_PRELOAD.
//
// The counters are in the file named by CALLS_FILE, which both processes map, so they can be read while the program
// runs and cost it one addition per call. Nothing here allocates. A call is counted on entry; epoll_wait is counted
// again on return, as epoll_wait_end, which distinguishes a sleeping thread from a working one.
//
// Memory functions call the names that glibc reserves for interposition; all others make the system call directly.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// In the order of the counters; the names are written to the file, so that the reader does not need a copy of the list.
#define CALLS(X)                                                                                                      \
    X(malloc) X(calloc) X(realloc) X(memalign) X(free) X(mmap) X(munmap) X(epoll_wait) X(epoll_wait_end) X(epoll_ctl)  \
    X(accept4) X(socket) X(bind) X(connect) X(setsockopt) X(getsockopt) X(getsockname) X(recv) X(send) X(read)         \
    X(write) X(splice) X(pipe2) X(fcntl) X(ioctl) X(shutdown) X(close)

#define AS_CONSTANT(name) CALL_##name,
#define AS_TEXT(name) #name " "
enum { CALLS(AS_CONSTANT) CALL_COUNT };

#define THREAD_LIMIT 256

struct counts {
    uint64_t thread;
    uint64_t calls[CALL_COUNT];
};

struct table {
    char names[1024];
    uint64_t threads;
    struct counts counts[THREAD_LIMIT];
};

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static struct table *table;
static __thread struct counts *own __attribute__((tls_model("initial-exec")));

static void count(int call) {
    if (table == NULL) return;
    if (own == NULL) {
        uint64_t index = __atomic_fetch_add(&table->threads, 1, __ATOMIC_RELAXED);
        if (index >= THREAD_LIMIT) abort();
        own = &table->counts[index];
        own->thread = (uint64_t)syscall(SYS_gettid);
    }
    __atomic_store_n(&own->calls[call], own->calls[call] + 1, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CALLS_FILE");
    if (path == NULL) return;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || syscall(SYS_ftruncate, file, sizeof(struct table)) != 0) abort();
    long pages = syscall(SYS_mmap, NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (pages == -1) abort();
    syscall(SYS_close, file);
    struct table *made = (struct table *)pages;
    static const char names[] = CALLS(AS_TEXT);
    _Static_assert(sizeof names <= sizeof made->names, "the names do not fit");
    memcpy(made->names, names, sizeof names);
    table = made;
}

#define COUNTED(name, ...) (count(CALL_##name), __VA_ARGS__)

// Memory

void *malloc(size_t size) { return COUNTED(malloc, __libc_malloc(size)); }
void *calloc(size_t number, size_t size) { return COUNTED(calloc, __libc_calloc(number, size)); }
void *realloc(void *old, size_t size) { return COUNTED(realloc, __libc_realloc(old, size)); }
void *memalign(size_t alignment, size_t size) { return COUNTED(memalign, __libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return COUNTED(memalign, __libc_memalign(alignment, size)); }
void free(void *memory) { COUNTED(free, __libc_free(memory)); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
    *memory = COUNTED(memalign, __libc_memalign(alignment, size));
    return *memory == NULL ? ENOMEM : 0;
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset) {
    return (void *)COUNTED(mmap, syscall(SYS_mmap, where, size, protection, flags, fd, offset));
}

int munmap(void *where, size_t size) { return (int)COUNTED(munmap, syscall(SYS_munmap, where, size)); }

// The kernel

int epoll_wait(int poller, struct epoll_event *events, int capacity, int milliseconds) {
    int result = (int)COUNTED(epoll_wait, syscall(SYS_epoll_pwait, poller, events, capacity, milliseconds, NULL, 8));
    int error = errno;
    count(CALL_epoll_wait_end);
    errno = error;
    return result;
}

int epoll_ctl(int poller, int operation, int fd, struct epoll_event *event) {
    return (int)COUNTED(epoll_ctl, syscall(SYS_epoll_ctl, poller, operation, fd, event));
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return (int)COUNTED(accept4, syscall(SYS_accept4, fd, address, length, flags));
}

int socket(int family, int type, int protocol) { return (int)COUNTED(socket, syscall(SYS_socket, family, type, protocol)); }

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    return (int)COUNTED(bind, syscall(SYS_bind, fd, address, length));
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    return (int)COUNTED(connect, syscall(SYS_connect, fd, address, length));
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    return (int)COUNTED(setsockopt, syscall(SYS_setsockopt, fd, level, name, value, length));
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    return (int)COUNTED(getsockopt, syscall(SYS_getsockopt, fd, level, name, value, length));
}

int getsockname(int fd, struct sockaddr *address, socklen_t *length) {
    return (int)COUNTED(getsockname, syscall(SYS_getsockname, fd, address, length));
}

ssize_t recv(int fd, void *buffer, size_t length, int flags) {
    return COUNTED(recv, syscall(SYS_recvfrom, fd, buffer, length, flags, NULL, NULL));
}

ssize_t send(int fd, const void *buffer, size_t length, int flags) {
    return COUNTED(send, syscall(SYS_sendto, fd, buffer, length, flags, NULL, 0));
}

ssize_t read(int fd, void *buffer, size_t length) { return COUNTED(read, syscall(SYS_read, fd, buffer, length)); }

ssize_t write(int fd, const void *buffer, size_t length) { return COUNTED(write, syscall(SYS_write, fd, buffer, length)); }

ssize_t splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned flags) {
    return COUNTED(splice, syscall(SYS_splice, in, in_offset, out, out_offset, length, flags));
}

int pipe2(int descriptors[2], int flags) { return (int)COUNTED(pipe2, syscall(SYS_pipe2, descriptors, flags)); }

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)COUNTED(fcntl, syscall(SYS_fcntl, fd, command, argument));
}

int ioctl(int fd, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)COUNTED(ioctl, syscall(SYS_ioctl, fd, request, argument));
}

int shutdown(int fd, int how) { return (int)COUNTED(shutdown, syscall(SYS_shutdown, fd, how)); }

int close(int fd) { return (int)COUNTED(close, syscall(SYS_close, fd)); }
