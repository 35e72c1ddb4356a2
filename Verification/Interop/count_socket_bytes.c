// Counts the bytes that a program sends and receives, and the sockets that it connects; loaded with LD_PRELOAD.
//
// Writes the three sums to the file named by COUNT_SOCKET_BYTES when the program ends. The return values of send() and
// recv() are a count of the client's bytes that is independent of the proxy, and counting them costs almost nothing;
// strace would slow pgbench to a quarter. Calls are intercepted at the dynamic linker, through which libpq makes them.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static atomic_llong sent, received, connected;

ssize_t send(int descriptor, const void *bytes, size_t count, int flags) {
    ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
    ssize_t n = real(descriptor, bytes, count, flags);
    if (n > 0) atomic_fetch_add(&sent, n);
    return n;
}

ssize_t recv(int descriptor, void *bytes, size_t count, int flags) {
    ssize_t (*real)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");
    ssize_t n = real(descriptor, bytes, count, flags);
    if (n > 0 && !(flags & MSG_PEEK)) atomic_fetch_add(&received, n);
    return n;
}

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (address->sa_family == AF_INET) atomic_fetch_add(&connected, 1);
    return real(descriptor, address, length);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("COUNT_SOCKET_BYTES");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lld %lld %lld\n", (long long)sent, (long long)received, (long long)connected);
    fclose(file);
}
