/* SPDX-License-Identifier: MIT */
/*
 * faultpoint SOCKET CALL PROGRAM: run PROGRAM, where whoever holds the other end of SOCKET decides
 * what comes of each system call CALL that it and its descendants make. clock_nanosleep(2) takes no
 * time.
 *
 * By a seccomp filter that asks: its listener goes through SOCKET, the program never learns of it.
 * So it reaches raw system calls and static programs, which no LD_PRELOAD does; and the listener
 * hangs up when the last process is gone, however it hid. Exit code 77: no such call here, or no
 * such filter. [seccomp_unotify(2)]
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SKIP 77

/* Those that a runner makes; not every machine has the old ones. */
static const struct call {
	const char *name;
	int number;
} calls[] = {
	{"brk", SYS_brk},
	{"chdir", SYS_chdir},
	{"clone", SYS_clone},
	{"clone3", SYS_clone3},
	{"close_range", SYS_close_range},
	{"execve", SYS_execve},
	{"fallocate", SYS_fallocate},
	{"fchown", SYS_fchown},
	{"fcntl", SYS_fcntl},
	{"fstat", SYS_fstat},
	{"fsync", SYS_fsync},
	{"getdents64", SYS_getdents64},
	{"kill", SYS_kill},
	{"mmap", SYS_mmap},
	{"newfstatat", SYS_newfstatat},
	{"openat", SYS_openat},
	{"pidfd_open", SYS_pidfd_open},
	{"pidfd_send_signal", SYS_pidfd_send_signal},
	{"pipe2", SYS_pipe2},
	{"prctl", SYS_prctl},
	{"prlimit64", SYS_prlimit64},
	{"read", SYS_read},
	{"renameat", SYS_renameat},
	{"rt_sigprocmask", SYS_rt_sigprocmask},
	{"sendto", SYS_sendto},
	{"setgroups", SYS_setgroups},
	{"setresgid", SYS_setresgid},
	{"setresuid", SYS_setresuid},
	{"setsid", SYS_setsid},
	{"setuid", SYS_setuid},
	{"signalfd4", SYS_signalfd4},
	{"socket", SYS_socket},
	{"unlinkat", SYS_unlinkat},
	{"wait4", SYS_wait4},
	{"write", SYS_write},
#ifdef SYS_poll
	{"access", SYS_access},
	{"dup2", SYS_dup2},
	{"mkdir", SYS_mkdir},
	{"poll", SYS_poll},
	{"rmdir", SYS_rmdir},
#else
	{"access", SYS_faccessat},
	{"dup2", SYS_dup3},
	{"mkdir", SYS_mkdirat},
	{"poll", SYS_ppoll},
	{"rmdir", SYS_unlinkat},
#endif
};

static int number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].number;
	return -1;
}

/* Install the filter. Its listener, -1 where there is none to be had. */
static int ask_about(int number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (geteuid() != 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static ssize_t send_descriptor(int fd, int descriptor)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec byte = {(char[]){'!'}, 1};
	struct msghdr message = {.msg_iov = &byte,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(descriptor));
	return sendmsg(fd, &message, 0);
}

int main(int argc, char **argv)
{
	int number = argc == 4 ? number_of(argv[2]) : -1;
	int listener = number >= 0 ? ask_about(number) : -1; /* closes itself on exec */

	if (listener < 0 || send_descriptor(atoi(argv[1]), listener) < 0)
		return SKIP;
	/* The socket must not live on in the program. What is asked about before the exec is let
	 * pass by whoever knows this program by its name. */
	close(atoi(argv[1]));
	execv(argv[3], argv + 3);
	return 127;
}
