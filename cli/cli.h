/* SPDX-License-Identifier: GPL-3.0-or-later */
/* macro: the words of a command line, parsed against the table of verbs. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#define CLI_GIVEN_MAX 64 /* options on one command line */

enum code { /* exit status */
	CODE_OK,
	CODE_FAILED,
	CODE_USAGE,
	CODE_NOT_CONNECTED,
	CODE_UNREACHABLE, /* no daemon to talk to */
	CODE_BLOCKED,     /* not connected, and the kill switch lets nothing out */
	/* What a shell answers where a program cannot be run, or is not there. */
	CODE_CANNOT_RUN = 126,
	CODE_NO_PROGRAM = 127,
};

/* What a word stands for, so that shells can complete it. */
enum word_kind {
	WORD_TEXT,
	WORD_FILE,
	WORD_EXIT,
	WORD_COUNTRY,
	WORD_PROFILE,
	WORD_HOPS,
	WORD_SHELL,
	WORD_KILL_SWITCH,
	WORD_VERB,
	WORD_PROFILE_OR_AUTO,
};

struct cli;

struct option_spec {
	const char *name;
	char letter;          /* 0: long form only */
	const char *argument; /* NULL: none */
	const char *help;
	enum word_kind kind; /* of the argument */
};

struct verb {
	const char *name;  /* one word, or a noun and a verb */
	const char *alias; /* or NULL */
	const char *help;
	enum code (*run)(struct cli *cli);
	const struct option_spec *options; /* ends with an empty one; NULL: none */
	const char *operands;              /* as in the usage; NULL: none */
	enum word_kind operand_kind;
	int operands_max;
	bool is_default; /* what the noun alone means */
	bool is_hidden;
	bool takes_command; /* its operands are a command line of another program */
	/* Of one that sets something: the command that shows it, and the one that takes it back. */
	const char *shown_by, *undone_by;
};

extern const struct verb cli_verbs[];
extern const size_t cli_verb_count;
extern const struct option_spec cli_global_options[];

struct given {
	const char *name, *value;
};

struct cli {
	const struct verb *verb;
	struct given given[CLI_GIVEN_MAX];
	unsigned given_count;
	char **operands;
	int operand_count;
	const char *config_path;
	char *socket;
	bool has_colour;
};

/*
 * cli_parse(cli, argc, argv): CODE_OK with *cli filled, or CODE_USAGE after a message.
 * --help anywhere makes the verb "help".
 */
enum code cli_parse(struct cli *cli, int argc, char **argv);

/* cli_option(cli, name): the last value given (or "" for an option without argument), or NULL. */
const char *cli_option(const struct cli *cli, const char *name);
bool cli_has(const struct cli *cli, const char *name);

/* cli_number(cli, name, min, max, out): *out stays when the option is not given. */
enum code cli_number(const struct cli *cli, const char *name, long min, long max, long *out);

/* cli_error(code, fmt, ...): a line on standard error; returns code. */
enum code cli_error(enum code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* cli_find_verb(words, count, used): by the longest name that fits; *used words of it. */
const struct verb *cli_find_verb(char *const *words, int count, int *used);

enum code run_help(struct cli *cli);
enum code run_version(struct cli *cli);
enum code run_connect(struct cli *cli);
enum code run_disconnect(struct cli *cli);
enum code run_reconnect(struct cli *cli);
enum code run_status(struct cli *cli);
enum code run_notify(struct cli *cli);
enum code run_route_show(struct cli *cli);
enum code run_route_explain(struct cli *cli);
enum code run_kill_switch(struct cli *cli);
enum code run_unlock(struct cli *cli);
enum code run_portal(struct cli *cli);
enum code run_exclude(struct cli *cli);
enum code run_only(struct cli *cli);
enum code run_run(struct cli *cli);
enum code run_profile_list(struct cli *cli);
enum code run_profile_show(struct cli *cli);
enum code run_profile_use(struct cli *cli);
enum code run_profile_bind(struct cli *cli);
enum code run_profile_unbind(struct cli *cli);
enum code run_network_show(struct cli *cli);
enum code run_exit_list(struct cli *cli);
enum code run_mesh_status(struct cli *cli);
enum code run_mesh_equivocations(struct cli *cli);
enum code run_node_list(struct cli *cli);
enum code run_netcheck(struct cli *cli);
enum code run_node_check(struct cli *cli);
enum code run_node_init(struct cli *cli);
enum code run_node_seed(struct cli *cli);
enum code run_node_status(struct cli *cli);
enum code run_registry_init(struct cli *cli);
enum code run_registry_add(struct cli *cli);
enum code run_registry_change(struct cli *cli);
enum code run_registry_remove(struct cli *cli);
enum code run_registry_rotate(struct cli *cli);
enum code run_registry_renew(struct cli *cli);
enum code run_registry_list(struct cli *cli);
enum code run_registry_log(struct cli *cli);
enum code run_registry_verify(struct cli *cli);
enum code run_registry_export(struct cli *cli);
enum code run_registry_import(struct cli *cli);
enum code run_invite_create(struct cli *cli);
enum code run_join(struct cli *cli);
enum code run_proxy(struct cli *cli);
enum code run_config_check(struct cli *cli);
enum code run_config_sample(struct cli *cli);
enum code run_completion(struct cli *cli);
enum code run_complete(struct cli *cli);

#endif
