// libdispatch reads /proc/THREAD/stat of each of its worker threads once per second, to start more threads if these are
// blocked, and traps if the file is missing: without /proc, or with the /proc of another PID namespace, the process would
// end at some point. A thread that has no such file is therefore not registered with that monitor.
//
// .ci/package passes --wrap for both functions to the linker, and --undefined, because the weak references below do not
// extract a member of an archive. In any other build this file has no effect.

#include "CDispatchMonitor.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void __real__dispatch_workq_worker_register(void *queue) __attribute__((weak));
extern void __real__dispatch_workq_worker_unregister(void *queue) __attribute__((weak));

static _Thread_local int is_registered;

void __wrap__dispatch_workq_worker_register(void *queue) {
    char path[64];
    // Below /proc/self, because /proc/THREAD can be a process of another namespace.
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)syscall(SYS_gettid));
    if (access(path, R_OK) != 0 || !__real__dispatch_workq_worker_register) return;
    is_registered = 1;
    __real__dispatch_workq_worker_register(queue);
}

void __wrap__dispatch_workq_worker_unregister(void *queue) {
    if (!is_registered) return;
    is_registered = 0;
    __real__dispatch_workq_worker_unregister(queue);
}
