/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever takes over the daemon by a packet shall find little to do with it: it runs no programs,
 * sees into no others, mounts nothing, makes no namespaces, loads nothing into the kernel, and
 * finds no door to rarely used parts of it.
 */
#include "app/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const unsigned kept[] = {
    CAP_NET_ADMIN,        /* TUN, routes, rules, nftables, marks */
    CAP_NET_BIND_SERVICE, /* the stub resolver's port */
    CAP_CHOWN,            /* the control socket's group, the owner of resolv.conf */
};

static const int refused[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(mount),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* Each alone is refused to clone(). */
static const unsigned namespaces[] = {
    CLONE_NEWCGROUP, CLONE_NEWIPC,  CLONE_NEWNET, CLONE_NEWNS,
    CLONE_NEWPID,    CLONE_NEWUSER, CLONE_NEWUTS,
};

static bool is_kept(unsigned cap)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

/* Takes away only: who has less already keeps less. */
static int drop_capabilities(void)
{
	const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE;

	if (capng_get_caps_process() != 0)
		return -EIO;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!is_kept(cap) && capng_update(CAPNG_DROP, sets, cap) != 0)
			return -EINVAL;
	return capng_apply(CAPNG_SELECT_CAPS) == 0 ? 0 : -EPERM;
}

static int refuse_calls(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(refused) && rc == 0; i++) {
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
		if (rc == -EDOM)
			rc = 0; /* this architecture has no such call */
	}
	return rc;
}

static int refuse_families(scmp_filter_ctx filter)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int rc = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1,
				  SCMP_A0(SCMP_CMP_GE, (scmp_datum_t)AF_MAX));

	for (int family = 0; family < AF_MAX && rc == 0; family++) {
		bool is_used = false;

		for (size_t i = 0; i < ARRAY_LEN(families); i++)
			is_used = is_used || families[i] == family;
		if (!is_used)
			rc = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1,
					      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	}
	return rc;
}

/* A filter does not see the flags of clone3; without it the C library starts threads by clone. */
static int refuse_namespaces(scmp_filter_ctx filter)
{
	int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < ARRAY_LEN(namespaces) && rc == 0; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	return rc;
}

static int set_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	rc = refuse_calls(filter);
	if (rc == 0)
		rc = refuse_families(filter);
	if (rc == 0)
		rc = refuse_namespaces(filter);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

int confine(const char **what)
{
	int rc;

	*what = "giving up new privileges";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	*what = "dropping capabilities";
	rc = drop_capabilities();
	if (rc != 0)
		return rc;
	*what = "setting a system call filter";
	rc = set_filter();
	return rc == -EINVAL ? 0 : rc; /* a kernel without seccomp */
}
