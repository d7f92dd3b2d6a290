#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

// A thread has the slack that its maker has at that moment. The monitor makes threads,
// too: those have what the monitor's own maker had.
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
	static atomic_flag begun = ATOMIC_FLAG_INIT;
	static int usual; // written before there is a second thread
	int own = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL), its = own;
	if (!atomic_flag_test_and_set(&begun)) {
		usual = own;
		its = SLACK_NS;
	} else if (own == SLACK_NS)
		its = usual;
	if (its == own || own <= 0) // below 0 it may not be asked for; 0 is no thread's that is to wait
		return __real_pthread_create(thread, attr, run, arg);
	prctl(PR_SET_TIMERSLACK, (unsigned long)its, 0UL, 0UL, 0UL);
	int err = __real_pthread_create(thread, attr, run, arg);
	prctl(PR_SET_TIMERSLACK, (unsigned long)own, 0UL, 0UL, 0UL);
	return err;
}
