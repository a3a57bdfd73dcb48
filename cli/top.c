/* SPDX-License-Identifier: MIT */
/*
 * tgpu-top: the program behind `tgpu top` (cmd_top.c), apart from tgpu because loading curses would
 * cost every other verb a fifth of its start.
 *
 *     tgpu-top TGPU INTERVAL_MS [once]     TGPU is the program that executes it
 *
 * One poll() waits for keys, signals, the end of a verb, and two connections: a long poll on the
 * jobs, answered when something happens, and the GPUs, asked for on each tick and when jobs
 * changed. Invariants: nothing spins; the terminal is given back on every way out that a program
 * can take; what was last known stays on the screen while there is no daemon. Bound: an answer that
 * has begun is awaited to its end. Read next: top_keys.c, top_view.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/exit.h"
#include "cli/field.h"
#include "cli/top_table.h"
#include "cli/top_view.h"
#include "common/clock.h"

#define RETRY_MS     500 /* between attempts to reach a daemon that is gone */
#define BREATH_MS    100 /* between two lists of a queue that never rests */
#define ESCAPE_MS    25	 /* a lone Esc is told from the start of a function key */
#define INTERVAL_MAX 3600000

/* One kind of question to the daemon, on a connection of its own. */
struct feed {
	struct client client;
	bool open, asked;
	int64_t due_ns; /* when to ask again */
};

struct loop {
	struct top top;
	struct feed jobs, machine;
	int64_t revision; /* of the last list of jobs; -1: none yet */
	int64_t interval_ns;
	int signals;
	int signal; /* that ends the program; 0: none */
};

static void feed_close(struct feed *feed)
{
	if (feed->open)
		client_close(&feed->client);
	feed->open = feed->asked = false;
}

/* There is no talking to the daemon: say so, and start afresh in a moment. */
static void lose(struct loop *loop, const struct err *err)
{
	int64_t due_ns = clock_mono_ns() + RETRY_MS * NS_PER_MS;

	feed_close(&loop->jobs);
	feed_close(&loop->machine);
	loop->revision = -1;
	loop->jobs.due_ns = loop->machine.due_ns = due_ns;
	snprintf(loop->top.lost, sizeof(loop->top.lost), "%s", err->msg);
}

static int ask(struct feed *feed, const char *target, struct err *err)
{
	int r = feed->open ? 0 : client_open(&feed->client, CLIENT_NO_START, err);

	feed->open = feed->open || r == 0;
	if (r == 0)
		r = client_send_get(&feed->client, err, "%s", target);
	feed->asked = r == 0;
	return r;
}

/* Ask whatever is due. */
static void ask_due(struct loop *loop)
{
	_cleanup_(free_ptr) char *target =
		loop->revision < 0 ? xstrdup("/v1/jobs")
				   : xasprintf("/v1/jobs?after=%" PRId64, loop->revision);
	int64_t now_ns = clock_mono_ns();
	struct err err = {0};
	int r = 0;

	if (!loop->jobs.asked && loop->jobs.due_ns <= now_ns)
		r = ask(&loop->jobs, target, &err);
	if (r == 0 && !loop->machine.asked && loop->machine.due_ns <= now_ns)
		r = ask(&loop->machine, "/v1/gpus", &err);
	if (r < 0)
		lose(loop, &err);
}

static void take_jobs(struct loop *loop, json_t *answer)
{
	int64_t revision = field_int(answer, "revision", 0), now_ns = clock_mono_ns();

	if (revision != loop->revision)
		loop->machine.due_ns = now_ns;
	loop->revision = revision;
	loop->jobs.due_ns = now_ns + BREATH_MS * NS_PER_MS;
	top_model_set_jobs(&loop->top.model, answer);
}

static void take_machine(struct loop *loop, json_t *answer)
{
	loop->machine.due_ns = clock_mono_ns() + loop->interval_ns;
	top_model_set_machine(&loop->top.model, answer);
}

static void receive(struct loop *loop, struct feed *feed,
		    void (*take)(struct loop *loop, json_t *answer))
{
	struct err err = {0};
	json_t *answer;

	if (client_receive(&feed->client, &answer, &err) < 0) {
		lose(loop, &err);
		return;
	}
	feed->asked = false;
	loop->top.lost[0] = '\0';
	take(loop, answer);
}

/* How long poll() may wait: until the next question, and one tick at most for the clock. */
static int wait_ms(const struct loop *loop)
{
	int64_t now_ns = clock_mono_ns(), end_ns = now_ns + loop->interval_ns;

	if (!loop->jobs.asked && loop->jobs.due_ns < end_ns)
		end_ns = loop->jobs.due_ns;
	if (!loop->machine.asked && loop->machine.due_ns < end_ns)
		end_ns = loop->machine.due_ns;
	return end_ns > now_ns ? (int)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

static void fit_screen(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
}

static void take_signals(struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
			fit_screen();
		else
			loop->signal = (int)info.ssi_signo;
}

/* Lend the terminal to the log of a job. */
static void follow(struct loop *loop)
{
	struct top *top = &loop->top;
	struct err err = {0};
	int signal = 0;

	top->following = false;
	def_prog_mode();
	endwin();
	if (top_verb_follow(top->tgpu, top->asked.first, loop->signals, &signal, &err) < 0)
		snprintf(top->said, sizeof(top->said), "%s", err.msg);
	if (signal != SIGINT) /* Ctrl-C leaves the log and nothing else */
		loop->signal = signal;
	reset_prog_mode();
	fit_screen();
	clearok(stdscr, TRUE);
}

static void take_keys(struct loop *loop)
{
	struct top *top = &loop->top;
	wint_t code;
	int r;

	while (!top->quit && (r = get_wch(&code)) != ERR) {
		if (r == KEY_CODE_YES && code != KEY_RESIZE)
			top_key(top, TOP_FUNCTION((int)code));
		else if (r == OK)
			top_key(top, (int)code);
		if (top->following)
			follow(loop);
	}
}

static void act(struct loop *loop, const struct pollfd *fds)
{
	if (fds[1].revents)
		take_signals(loop);
	if (fds[0].revents)
		take_keys(loop);
	if (fds[0].revents & (POLLHUP | POLLERR))
		loop->top.quit = true; /* the terminal is gone */
	if (fds[2].revents && loop->jobs.asked)
		receive(loop, &loop->jobs, take_jobs);
	if (fds[3].revents && loop->machine.asked)
		receive(loop, &loop->machine, take_machine);
	if (fds[4].revents && loop->top.verb.pid > 0 &&
	    top_verb_read(&loop->top.verb) == TOP_VERB_OVER)
		top_take_verb(&loop->top);
}

static void run(struct loop *loop)
{
	while (!loop->top.quit && loop->signal == 0) {
		struct pollfd fds[] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = loop->signals, .events = POLLIN},
			{.fd = loop->jobs.asked ? client_fd(&loop->jobs.client) : -1,
			 .events = POLLIN},
			{.fd = loop->machine.asked ? client_fd(&loop->machine.client) : -1,
			 .events = POLLIN},
			{.fd = loop->top.verb.pid > 0 ? loop->top.verb.fd : -1, .events = POLLIN},
		};

		top_view_draw(stdscr, &loop->top, clock_wall_ns() / NS_PER_MS);
		if (poll(fds, ARRAY_SIZE(fds), wait_ms(loop)) > 0)
			act(loop, fds);
		ask_due(loop);
	}
}

/* Signals come through a descriptor, so that none can end the program with the terminal in curses.
 */
static int open_signals(struct err *err)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_set(err, -errno, "signalfd: %s", strerror(errno)) : fd;
}

/* Die of the signal that ended the loop, as whoever sent it expects. */
static void raise_again(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Curses takes a terminal such as "dumb", whose cursor cannot be moved, and shows nothing on it. */
static int open_screen(struct err *err)
{
	const char *term = getenv("TERM");
	SCREEN *screen;

	set_escdelay(ESCAPE_MS);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return err_set(
			err, -EINVAL,
			"nothing is known of the terminal \"%.64s\"; set TERM, or use \"tgpu "
			"top --once\"",
			term ? term : "");
	if (!tigetstr("cup")) {
		endwin();
		return err_set(err, -EINVAL,
			       "the terminal \"%.64s\" cannot place its cursor, as a screen that "
			       "changes needs; set TERM, or use \"tgpu top --once\"",
			       term ? term : "");
	}
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	top_view_init();
	return 0;
}

static int show_live(const char *tgpu, int64_t interval_ms, struct err *err)
{
	struct loop loop = {.revision = -1, .interval_ns = interval_ms * NS_PER_MS};
	int r;

	loop.signals = open_signals(err);
	if (loop.signals < 0)
		return loop.signals;
	r = open_screen(err);
	if (r < 0)
		return r;
	top_model_init(&loop.top.model);
	loop.top.tgpu = tgpu;
	ask_due(&loop);
	run(&loop);
	endwin();
	feed_close(&loop.jobs);
	feed_close(&loop.machine);
	top_verb_finish(&loop.top.verb);
	buf_finish(&loop.top.text);
	top_model_finish(&loop.top.model);
	if (loop.signal)
		raise_again(loop.signal);
	return EXIT_DONE;
}

/* A pane as `tgpu list` would print it. */
static void print_pane(const struct top_model *model, enum top_pane pane)
{
	_cleanup_(top_table_finish) struct top_table table = {0};
	_cleanup_(table_finish) struct table lines = {0};
	const struct top_list *list = &model->lists[pane];
	struct table_column columns[TOP_COLUMNS_MAX];

	if (list->n == 0)
		return;
	top_table_init(&table, pane, list->rows, list->n, 0, clock_wall_ns() / NS_PER_MS);
	for (size_t c = 0; c < table.n_columns; c++)
		columns[c] = (struct table_column){table.columns[c].title, table.columns[c].right};
	table_init(&lines, columns, table.n_columns);
	for (size_t i = 0; i < table.n_rows * table.n_columns; i++)
		table_add(&lines, table.cells[i].colour, buf_get(&table.cells[i].text));
	putchar('\n');
	table_print(&lines, stdout, 0, format_wants_colour());
}

static int show_once(struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(top_model_finish) struct top_model model;
	_cleanup_(buf_finish) struct buf text = {0};
	json_t *jobs, *machine;
	int r = client_open(&client, CLIENT_NO_START, err);

	top_model_init(&model);
	if (r == 0)
		r = client_get(&client, &jobs, err, "/v1/jobs");
	if (r < 0)
		return r;
	top_model_set_jobs(&model, jobs);
	r = client_get(&client, &machine, err, "/v1/gpus");
	if (r < 0)
		return r;
	top_model_set_machine(&model, machine);
	top_model_headline(&model, &text);
	format_line(COLOUR_BOLD, buf_get(&text));
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++)
		print_pane(&model, pane);
	return fflush(stdout) == 0 || errno == EPIPE
		       ? EXIT_DONE
		       : err_set(err, -errno, "cannot write: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	struct err err = {0};
	int64_t interval_ms;
	int r;

	if (argc < 3 || parse_int64(argv[2], 1, INTERVAL_MAX, &interval_ms) < 0) {
		fputs("usage: tgpu-top TGPU INTERVAL_MS [once]; but see \"tgpu help top\"\n",
		      stderr);
		return EXIT_USAGE;
	}
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	r = terminal && argc == 3 ? show_live(argv[1], interval_ms, &err) : show_once(&err);
	if (r >= 0)
		return r;
	fprintf(stderr, "tgpu top: %s\n", err.msg);
	return exit_code_of_error(r);
}
