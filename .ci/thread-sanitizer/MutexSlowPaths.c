// Makes the slow paths of Swift's Mutex visible to ThreadSanitizer.
//
// The fast path of Synchronization.Mutex is inlined and so is instrumented. The slow paths, taken if two threads
// contend, are in Swift's library, which is not instrumented: to ThreadSanitizer the second thread never took the lock. These
// functions in the executable override the library's, and call them.

#define _GNU_SOURCE

#if __has_feature(thread_sanitizer)

#include <dlfcn.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK_SLOW);

typedef SWIFT void (*lock_function)(uint32_t, SELF);
typedef SWIFT void (*unlock_function)(SELF);

static lock_function lock_of_library;
static unlock_function unlock_of_library;

__attribute__((constructor)) static void find(void) {
    lock_of_library = (lock_function)dlsym(RTLD_NEXT, LOCK_SLOW);
    unlock_of_library = (unlock_function)dlsym(RTLD_NEXT, UNLOCK_SLOW);
}

SWIFT void lock_slow(uint32_t thread, SELF) {
    lock_of_library(thread, self);
    __tsan_acquire(self);
}

SWIFT void unlock_slow(SELF) {
    __tsan_release(self);
    unlock_of_library(self);
}

#endif
