/* Put before libfaketime: two waits that it gets wrong, so that a process goes on when only the clock on its wall jumps.
 *
 * cnd_timedwait (of librdkafka) is not known to it: the moment is told by the false clock and waited for by the real one.
 * clock_nanosleep (of Python) is told a moment of the monotonic clock, and takes it for one of the clock on the wall. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    struct timespec told, now;
    long long left, end;
    if (!wait) wait = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
    clock_gettime(CLOCK_REALTIME, &told);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    left = (until->tv_sec - told.tv_sec) * SECOND + until->tv_nsec - told.tv_nsec;
    if (left > 600 * SECOND) left = SECOND / 10; /* the clock went back since the moment was made */
    end = now.tv_sec * SECOND + now.tv_nsec + (left > 0 ? left : 0);
    now.tv_sec = end / SECOND;
    now.tv_nsec = end % SECOND;
    return wait(condition, mutex, &now);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, time, left) ? errno : 0;
}
