#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

// A thread has the slack that its maker has at that moment; 0 is what it was.
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
	static atomic_flag begun = ATOMIC_FLAG_INIT;
	if (atomic_flag_test_and_set(&begun))
		return __real_pthread_create(thread, attr, run, arg);
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0UL, 0UL, 0UL);
	int err = __real_pthread_create(thread, attr, run, arg);
	prctl(PR_SET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
	return err;
}
