/* SPDX-License-Identifier: MIT */
/*
 * cli/http.h and cli/client.h: answers whole, split, broken and hostile; a daemon that restarts
 * between two requests; a daemon that is started on first use, or cannot be.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/autostart.h"
#include "cli/client.h"
#include "cli/field.h"

/* Receive what the other end of a socket pair sends: all of `text`, then the end. */
static int receive_text(const char *text, size_t len, struct http_answer *answer)
{
	struct http http = {0};
	int fds[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(write_all(fds[1], text, len), 0);
	close(fds[1]);
	http.fd = fds[0];
	r = http_receive(&http, answer);
	http_finish(&http);
	close(fds[0]);
	return r;
}

static void test_answers(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *body;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}"},
		{"HTTP/1.1 200 OK\ncontent-length:2 \n\n{}", 200, "{}"},
		{"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, ""},
		{"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
		 201, "x"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
		 200, "abc0123456789"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: t\r\n\r\n",
		 200, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_answer answer = {0};

		assert_int_equal(receive_text(cases[i].text, strlen(cases[i].text), &answer), 0);
		assert_int_equal(answer.status, cases[i].status);
		assert_string_equal(buf_get(&answer.body), cases[i].body);
		http_answer_finish(&answer);
	}
}

static void test_bad_answers(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{"", -ECONNRESET},
		{"HTTP/1.1 200 OK\r\n", -ECONNRESET},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", -ECONNRESET},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", -ECONNRESET},
		{"HTTP/1.1 200 OK\r\n\r\n{}", -EPROTO},
		{"SSH-2.0-OpenSSH\r\n", -EPROTO},
		{"HTTP/1.1 2x0 OK\r\n\r\n", -EPROTO},
		{"HTTP/1.1 20\r\n\r\n", -EPROTO},
		{"HTTP/1.", -ECONNRESET},
		{"HTTP/1.1\r\n", -EPROTO},
		{"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nx", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", -EMSGSIZE},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", -EPROTO},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
		 -EMSGSIZE},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", -EPROTO},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		 -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_answer answer = {0};

		assert_int_equal(receive_text(cases[i].text, strlen(cases[i].text), &answer),
				 cases[i].want);
		assert_null(answer.body.data);
	}
}

/* A line without an end is not kept for ever. */
static void test_endless_head(void **state)
{
	struct http_answer answer = {0};
	size_t len = HTTP_HEAD_MAX + 4096;
	_cleanup_(free_ptr) char *text = xmalloc(len);
	int fds[2];
	pid_t pid;
	struct http http = {0};

	(void)state;
	memset(text, 'a', len);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		signal(SIGPIPE, SIG_IGN);
		while (write_all(fds[1], text, len) == 0)
			continue;
		_exit(0);
	}
	close(fds[1]);
	http.fd = fds[0];
	assert_int_equal(http_receive(&http, &answer), -EMSGSIZE);
	http_finish(&http);
	close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Two answers that arrive in pieces, and together, are two answers. */
static void test_keep_alive_in_pieces(void **state)
{
	static const char text[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n";
	struct http_answer answer = {0};
	struct http http = {0};
	int fds[2];
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (size_t i = 0; i < strlen(text); i++)
			if (write_all(fds[1], text + i, 1) < 0)
				_exit(1);
		_exit(0);
	}
	http.fd = fds[0];
	assert_int_equal(http_receive(&http, &answer), 0);
	assert_string_equal(buf_get(&answer.body), "one");
	http_answer_finish(&answer);
	assert_int_equal(http_receive(&http, &answer), 0);
	assert_string_equal(buf_get(&answer.body), "two");
	http_answer_finish(&answer);
	http_finish(&http);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_request(void **state)
{
	struct http http = {0};
	char text[512];
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	http.fd = fds[0];
	assert_int_equal(http_send(&http, "POST", "/v1/jobs", "k1", "{}"), 0);
	n = read(fds[1], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "POST /v1/jobs HTTP/1.1\r\nHost: tgpu\r\nIdempotency-Key: k1\r\n"
				  "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
	close(fds[1]);
	assert_int_equal(http_send(&http, "GET", "/v1/jobs", NULL, NULL), -EPIPE);
	close(fds[0]);
}

/* A directory with a socket in it, and the environment that points there. */
struct place {
	char dir[32];
	char socket[64];
};

static int setup(void **state)
{
	struct place *place = xcalloc(1, sizeof(*place));

	strcpy(place->dir, "/tmp/tgpu-test-client-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->socket, sizeof(place->socket), "%s/tgpu.sock", place->dir);
	setenv("TGPU_SOCKET", place->socket, 1);
	unsetenv("TGPU_STATE_DIR");
	unsetenv("TGPU_LIBEXEC_DIR");
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"tgpu.sock", "start.lock", AUTOSTART_LOG, "tgpud"};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(free_ptr) char *path = xasprintf("%s/%s", place->dir, names[i]);

		unlink(path);
	}
	rmdir(place->dir);
	free(place);
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Answer one connection after another, each with one text after one request, then closed. */
static pid_t serve(int listener, const char *const *answers, size_t n)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		close(listener);
		return pid;
	}
	for (size_t i = 0; i < n; i++) {
		char request[4096];
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 || read(fd, request, sizeof(request)) <= 0)
			_exit(1);
		if (write_all(fd, answers[i], strlen(answers[i])) < 0)
			_exit(1);
		close(fd);
	}
	_exit(0);
}

static void join(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_call_repeats_once(void **state)
{
	static const char *const answers[] = {
		"", /* the daemon dies with the request in its hands */
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"pid\":7}",
	};
	struct place *place = *state;
	pid_t pid = serve(listen_at(place->socket), answers, ARRAY_SIZE(answers));
	struct client client = {0};
	struct err err = {0};
	json_t *answer = NULL;

	assert_int_equal(client_open(&client, CLIENT_NO_START, &err), 0);
	assert_int_equal(client_get(&client, &answer, &err, "/v1/%s", "status"), 0);
	assert_int_equal(field_int(answer, "pid", 0), 7);
	json_decref(answer);
	client_close(&client);
	join(pid);
}

static void test_call_gives_up(void **state)
{
	static const char *const answers[] = {"", ""};
	struct place *place = *state;
	pid_t pid = serve(listen_at(place->socket), answers, ARRAY_SIZE(answers));
	struct client client = {0};
	struct err err = {0};
	json_t *answer = NULL;

	assert_int_equal(client_open(&client, CLIENT_NO_START, &err), 0);
	assert_int_equal(client_get(&client, &answer, &err, "/v1/status"), -ECONNRESET);
	assert_non_null(strstr(err.msg, place->socket));
	assert_null(answer);
	client_close(&client);
	join(pid);
}

static void test_statuses(void **state)
{
	static const struct {
		int status, want;
	} cases[] = {
		{400, -EINVAL}, {403, -EPERM}, {404, -ENOENT}, {405, -EIO},
		{409, -EBUSY},	{413, -E2BIG}, {500, -EIO},    {503, -EAGAIN},
	};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(free_ptr) char *text = xasprintf(
			"HTTP/1.1 %d x\r\nContent-Length: 17\r\n\r\n{\"error\":\"so so\"}",
			cases[i].status);
		const char *answers[] = {text};
		pid_t pid = serve(listen_at(place->socket), answers, 1);
		struct client client = {0};
		struct err err = {0};
		json_t *answer = NULL;

		assert_int_equal(client_open(&client, CLIENT_NO_START, &err), 0);
		assert_int_equal(client_get(&client, &answer, &err, "/"), cases[i].want);
		assert_string_equal(err.msg, "so so");
		client_close(&client);
		join(pid);
		unlink(place->socket);
	}
}

static void test_not_json(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"};
	struct place *place = *state;
	pid_t pid = serve(listen_at(place->socket), answers, 1);
	struct client client = {0};
	struct err err = {0};
	json_t *answer = NULL;

	assert_int_equal(client_open(&client, CLIENT_NO_START, &err), 0);
	assert_int_equal(client_get(&client, &answer, &err, "/"), -EPROTO);
	client_close(&client);
	join(pid);
}

/* With only TGPU_SOCKET set, a daemon is never started: it would listen somewhere else. */
static void test_no_daemon(void **state)
{
	struct place *place = *state;
	struct client client = {0};
	struct err err = {0};

	assert_int_equal(client_open(&client, CLIENT_START, &err), -ENOTCONN);
	assert_non_null(strstr(err.msg, place->socket));
	client_close(&client);
}

/* A stand-in for tgpud that says one line on its ready descriptor and ends. */
static void install_daemon(const struct place *place, const char *script)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/tgpud", place->dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, script, strlen(script)), 0);
	close(fd);
	setenv("TGPU_STATE_DIR", place->dir, 1);
	setenv("TGPU_LIBEXEC_DIR", place->dir, 1);
}

static void assert_start_fails(const struct place *place, const char *says)
{
	struct client client = {0};
	struct err err = {0};

	assert_int_equal(client_open(&client, CLIENT_NO_START, &err), -ENOTCONN);
	assert_int_equal(client_open(&client, CLIENT_START, &err), -ENOTCONN);
	assert_non_null(strstr(err.msg, says));
	client_close(&client);
	(void)place;
}

static void test_start_says_why_not(void **state)
{
	install_daemon(
		*state,
		"#!/bin/sh\n[ \"$*\" = '--ready-fd 3' ] && echo 'the store is broken' >&3\n");
	assert_start_fails(*state, "could not start: the store is broken");
}

static void test_start_dies_silently(void **state)
{
	install_daemon(*state, "#!/bin/sh\nexit 1\n");
	assert_start_fails(*state, AUTOSTART_LOG);
}

static void test_start_does_not_listen(void **state)
{
	install_daemon(*state, "#!/bin/sh\necho ready >&3\n");
	assert_start_fails(*state, "does not listen");
}

static void test_start_without_program(void **state)
{
	struct place *place = *state;

	setenv("TGPU_STATE_DIR", place->dir, 1);
	setenv("TGPU_LIBEXEC_DIR", "/nonexistent", 1);
	assert_start_fails(place, "tgpud");
}

/* What the daemon gets: its own session, / as directory, no descriptor but its four. */
static void test_start_surroundings(void **state)
{
	struct place *place = *state;
	_cleanup_(free_ptr) char *log = xasprintf("%s/%s", place->dir, AUTOSTART_LOG), *text = NULL;
	int extra = open("/dev/null", O_RDONLY); /* inheritable on purpose */
	struct client client = {0};
	struct err err = {0};

	install_daemon(place, "#!/bin/sh\necho \"$PWD\"; [ -e /proc/$$/fd/9 ] && echo leaked\n"
			      "cut -d' ' -f6 /proc/$$/stat; echo $$; echo ready >&3\n");
	assert_int_equal(dup2(extra, 9), 9);
	client_open(&client, CLIENT_START, &err);
	close(extra);
	close(9);
	assert_int_equal(read_file(log, 4096, &text, NULL), 0);
	assert_int_equal(strncmp(text, "/\n", 2), 0);
	assert_null(strstr(text, "leaked"));
	assert_int_equal(atoi(text + 2), atoi(strchr(text + 2, '\n') + 1));
	assert_int_not_equal(atoi(text + 2), getsid(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_endless_head),
		cmocka_unit_test(test_keep_alive_in_pieces),
		cmocka_unit_test(test_request),
		cmocka_unit_test_setup_teardown(test_call_repeats_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_call_gives_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_daemon, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_says_why_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_dies_silently, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_does_not_listen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_without_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_surroundings, setup, teardown),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
