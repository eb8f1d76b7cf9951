/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

static void *thread(void *arg)
{
	(void)arg;
	return NULL;
}

/* The exit status says what of a confined process is not as it should be. */
static int try_things(void)
{
	char *const argv[] = {NULL};
	const char *what;
	pthread_t t;

	if (confine(&what) != 0)
		return 1;
	if (execve("/bin/true", argv, argv) == 0 || errno != EPERM)
		return 2;
	if (mount("none", "/", NULL, MS_BIND, NULL) == 0 || errno != EPERM)
		return 3;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM)
		return 4;
	if (pthread_create(&t, NULL, thread, NULL) != 0 || pthread_join(t, NULL) != 0)
		return 5;
	capng_get_caps_process();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) ||
	    capng_have_capability(CAPNG_PERMITTED, CAP_DAC_OVERRIDE))
		return 6;
	if (socket(AF_PACKET, SOCK_DGRAM, 0) >= 0 || errno != EAFNOSUPPORT ||
	    socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 || errno != EAFNOSUPPORT ||
	    socket(AF_MAX, SOCK_DGRAM, 0) >= 0 || errno != EAFNOSUPPORT)
		return 8;
	if (socket(AF_INET, SOCK_DGRAM, 0) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0 ||
	    socket(AF_NETLINK, SOCK_RAW, 0) < 0)
		return 9;
	if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) >= 0 ||
	    errno != EPERM)
		return 10;
	if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS)
		return 11;
	return confine(&what) == 0 ? 0 : 7; /* again, with less */
}

static void test_confined(void)
{
	const pid_t child = fork();
	int status;

	if (child == 0)
		_exit(try_things());
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

/* What the daemon needs stays, if it was there. */
static void test_kept(void)
{
	bool had;
	pid_t child;
	int status;

	capng_get_caps_process();
	had = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	child = fork();
	if (child == 0) {
		const char *what;

		if (confine(&what) != 0)
			_exit(1);
		capng_get_caps_process();
		_exit(capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) == had ? 0 : 2);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

int main(void)
{
	RUN(test_confined);
	RUN(test_kept);
	return test_done();
}
