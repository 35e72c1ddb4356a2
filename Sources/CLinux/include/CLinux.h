// Thin wrappers for calls that are missing from Glibc's module map.
//
// Every function returns the result of the system call, or minus errno, as the kernel itself does. errno is read only
// here, directly after the call, so no Swift code can run in between that could release an object, call free, and
// overwrite errno.

#ifndef CLINUX_H
#define CLINUX_H

#ifndef __linux__
#error "Monkey D. TCP runs on Linux only: it requires epoll, accept4 and splice. Build it on Linux or in a container."
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// Glibc declares these only with _GNU_SOURCE. Defining it here would give this module different structs than Swift's
// own Glibc module.
extern int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
extern ssize_t splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned flags);
extern int pipe2(int descriptors[2], int flags);
extern long syscall(long number, ...);

/// A socket address of any supported family, with its length, as plain data.
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t length;
} linux_address;

/// epoll_event is packed on x86-64 only; these two functions hide the difference.
typedef struct epoll_event linux_event;
static inline uint64_t linux_event_token(const linux_event *event) { return event->data.u64; }
static inline uint32_t linux_event_bits(const linux_event *event) { return event->events; }

static inline int64_t linux_result(int64_t result) { return result < 0 ? -(int64_t)errno : result; }

// Clock

static inline uint64_t linux_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t linux_wall_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Poller

static inline int64_t linux_epoll_create(void) { return linux_result(epoll_create1(EPOLL_CLOEXEC)); }

static inline int64_t linux_epoll_control(int poller, int operation, int fd, uint32_t bits, uint64_t token) {
    struct epoll_event event;
    event.events = bits;
    event.data.u64 = token;
    return linux_result(epoll_ctl(poller, operation, fd, &event));
}

/// Waits indefinitely if `milliseconds` is negative.
static inline int64_t linux_epoll_wait(int poller, linux_event *events, int capacity, int milliseconds) {
    return linux_result(epoll_wait(poller, events, capacity, milliseconds));
}

/// Returns the present readiness of a descriptor (poll(2)), in the bits of epoll: POLLIN, POLLPRI, POLLOUT and POLLRDHUP,
/// POLLERR and POLLHUP have the same values.
static inline int64_t linux_readiness(int fd) {
    struct pollfd item = {.fd = fd, .events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP};
    int64_t result;
    do { result = linux_result(poll(&item, 1, 0)); } while (result == -EINTR);
    return result < 0 ? result : (int64_t)(unsigned short)item.revents;
}

static inline int64_t linux_timer(void) {
    return linux_result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

/// Sets the expiry of the timer on the monotonic clock; it expires immediately if that time has passed.
static inline int64_t linux_timer_set(int timer, uint64_t nanoseconds) {
    // Zero would disarm the timer. Values that do not fit exceed any uptime.
    uint64_t seconds = nanoseconds / 1000000000u;
    struct itimerspec at = {{0, 0}, {(time_t)seconds, (long)(nanoseconds % 1000000000u)}};
    if (nanoseconds == 0) at.it_value.tv_nsec = 1;
    return linux_result(timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL));
}

static inline int64_t linux_eventfd(void) { return linux_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

static inline int64_t linux_eventfd_signal(int fd) {
    uint64_t one = 1;
    return linux_result(write(fd, &one, sizeof one));
}

// Sockets

static inline int64_t linux_socket(int family) {
    return linux_result(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static inline int64_t linux_bind(int fd, const linux_address *address) {
    return linux_result(bind(fd, &address->any, address->length));
}

static inline int64_t linux_listen(int fd, int backlog) { return linux_result(listen(fd, backlog)); }

/// Drops segments that start a TCP connection with a listening socket, and no others. A socket filter (socket(7),
/// SO_ATTACH_FILTER) sees a segment from the TCP header on, where SYN is the bit 0x02 of byte 13 (RFC 9293, 3.1).
static inline int64_t linux_drop_syns(int fd) {
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
    };
    struct sock_fprog program = {.len = sizeof steps / sizeof steps[0], .filter = steps};
    return linux_result(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

static inline int64_t linux_connect(int fd, const linux_address *address) {
    return linux_result(connect(fd, &address->any, address->length));
}

static inline int64_t linux_accept(int fd, linux_address *peer) {
    peer->length = sizeof peer->local;
    return linux_result(accept4(fd, &peer->any, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

static inline int64_t linux_local_address(int fd, linux_address *address) {
    address->length = sizeof address->local;
    return linux_result(getsockname(fd, &address->any, &address->length));
}

static inline int64_t linux_peer_address(int fd, linux_address *address) {
    address->length = sizeof address->local;
    return linux_result(getpeername(fd, &address->any, &address->length));
}

static inline int64_t linux_set_option(int fd, int level, int name, int value) {
    return linux_result(setsockopt(fd, level, name, &value, sizeof value));
}

static inline int64_t linux_get_option(int fd, int level, int name, int *value) {
    socklen_t length = sizeof *value;
    return linux_result(getsockopt(fd, level, name, value, &length));
}

/// Makes close() discard queued data and send a reset (RFC 9293, 3.10.5 ABORT; socket(7), SO_LINGER).
static inline int64_t linux_abort_on_close(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    return linux_result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
}

static inline int64_t linux_receive(int fd, void *buffer, size_t length) {
    return linux_result(recv(fd, buffer, length, 0));
}

static inline int64_t linux_send(int fd, const void *buffer, size_t length) {
    return linux_result(send(fd, buffer, length, MSG_NOSIGNAL));
}

static inline int64_t linux_shutdown_sending(int fd) { return linux_result(shutdown(fd, SHUT_WR)); }

/// Returns the number of bytes written that the peer's kernel has not acknowledged (tcp(7), SIOCOUTQ).
static inline int64_t linux_unacknowledged(int fd) {
    int count = 0;
    int64_t result = linux_result(ioctl(fd, SIOCOUTQ, &count));
    return result < 0 ? result : count;
}

/// Returns the number of bytes received that have not been read (tcp(7), SIOCINQ).
static inline int64_t linux_unread(int fd) {
    int count = 0;
    int64_t result = linux_result(ioctl(fd, FIONREAD, &count));
    return result < 0 ? result : count;
}

/// Returns the time since data was last sent or received, in milliseconds (tcp(7), TCP_INFO).
static inline int64_t linux_idle_milliseconds(int fd) {
    struct tcp_info info;
    memset(&info, 0, sizeof(info));
    socklen_t length = sizeof(info);
    int64_t result = linux_result(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
    if (result < 0) return result;
    return info.tcpi_last_data_sent < info.tcpi_last_data_recv ? info.tcpi_last_data_sent : info.tcpi_last_data_recv;
}

static inline int64_t linux_close(int fd) { return linux_result(close(fd)); }

static inline int64_t linux_duplicate(int fd) { return linux_result(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// Pipes

static inline int64_t linux_pipe(int descriptors[2]) {
    return linux_result(pipe2(descriptors, O_CLOEXEC | O_NONBLOCK));
}

static inline int64_t linux_pipe_set_size(int fd, int size) { return linux_result(fcntl(fd, 1031 /* F_SETPIPE_SZ */, size)); }

// Whether the effective capabilities of the calling thread contain one (capabilities(7), capget(2)).
static inline bool linux_has_capability(unsigned capability) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    if (capability >= 64 || syscall(SYS_capget, &header, sets) < 0) return false;
    return sets[capability / 32].effective >> capability % 32 & 1;
}

// Whether the process is in the initial user namespace (user_namespaces(7)); true if /proc is not mounted.
static inline bool linux_is_in_initial_user_namespace(void) {
    struct stat namespace;
    return stat("/proc/self/ns/user", &namespace) < 0 || namespace.st_ino == 0xEFFFFFFDU /* PROC_USER_INIT_INO */;
}

static inline int64_t linux_read(int fd, void *buffer, size_t length) { return linux_result(read(fd, buffer, length)); }

static inline int64_t linux_splice(int from, int to, size_t length) {
    return linux_result(splice(from, NULL, to, NULL, length, 3u /* SPLICE_F_MOVE | SPLICE_F_NONBLOCK */));
}

// Arguments of the process

/// Returns the number of arguments that were passed to main, with the name of the program.
int linux_argument_count(void);

/// Returns an argument that was passed to main; NULL if there is none.
const char *linux_argument(int index);

// Threads, memory and limits

/// Sets the name of the calling thread as shown by ps and perf; truncated to 15 bytes.
static inline void linux_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/// Returns the number of processors that this process may run on (sched_getaffinity(2)), at least 1.
static inline int64_t linux_processors(void) {
    unsigned long mask[16] = {0};
    long length = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int64_t count = 0;
    for (long i = 0; i < length / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
    return count > 0 ? count : 1;
}

/// Allocates zeroed, dedicated pages; linux_pages_free returns them to the system in full. Returns NULL on failure,
/// never MAP_FAILED.
static inline void *linux_pages(size_t length) {
    void *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

/// Allocates zeroed pages that begin at a multiple of `alignment`, a power of two. They are one mapping that the kernel
/// never backs with huge pages, so that touching one page makes only that page resident. Returns NULL on failure.
static inline void *linux_pages_aligned(size_t length, size_t alignment) {
    char *pages = (char *)linux_pages(length + alignment);
    if (pages == NULL) return NULL;
    size_t before = (alignment - (uintptr_t)pages % alignment) % alignment;
    if (before > 0) munmap(pages, before);
    if (before < alignment) munmap(pages + before + length, alignment - before);
    // Only a hint: without it, more memory may be resident.
    madvise(pages + before, length, MADV_NOHUGEPAGE);
    return pages + before;
}

/// Returns the memory of whole pages to the system; they stay mapped, and read as zero.
static inline void linux_pages_discard(void *pages, size_t length) { madvise(pages, length, MADV_DONTNEED); }

static inline void linux_pages_free(void *pages, size_t length) { munmap(pages, length); }

static inline int64_t linux_descriptor_limit(uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    int64_t result = linux_result(getrlimit(RLIMIT_NOFILE, &limit));
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return result;
}

static inline int64_t linux_set_descriptor_limit(uint64_t soft, uint64_t hard) {
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    return linux_result(setrlimit(RLIMIT_NOFILE, &limit));
}

#endif
