/* SPDX-License-Identifier: GPL-3.0-or-later */
/* macrod: reads its arguments and configuration, and runs the daemon. */
#include "app/daemon.h"
#include "host/recover.h"
#include "host/shield.h"
#include "util/log.h"

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EXIT_USAGE = 2,
};

static void usage(FILE *out)
{
	fputs("usage: macrod [-c FILE] [--check | --cleanup | --lock]\n"
	      "  -c, --config FILE  configuration, default " CONFIG_PATH_DEFAULT
	      " or $MACRO_CONFIG\n"
	      "      --check        check the configuration and exit\n"
	      "      --cleanup      undo what a killed daemon left on this machine and exit\n"
	      "      --lock         block at boot what the kill switch blocked before, and exit\n"
	      "      --version      print the version and exit\n",
	      out);
}

static int cleanup(const struct config *cfg)
{
	struct host_error err;

	if (host_cleanup(cfg->daemon.state_dir, &err) == 0)
		return EXIT_SUCCESS;
	log_error("%s", err.text);
	return EXIT_FAILURE;
}

enum action {
	ACTION_RUN = 1000, /* above all characters: also getopt's values */
	ACTION_CHECK,
	ACTION_CLEANUP,
	ACTION_LOCK,
	ACTION_VERSION,
};

/* At early boot: by the state directory alone, even if the configuration is spoilt. */
static int lock(const char *path)
{
	char *dir = config_state_dir(path);
	struct host_error err;
	const int code = host_lock(dir, &err);

	if (code != 0)
		log_error("%s", err.text);
	free(dir);
	return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int load(struct config **cfg, const char *path)
{
	struct host_error err;
	const int code = config_load(cfg, path, stderr);

	if (code != 0 && shield_stands(&err) == 1)
		log_warn("the kill switch goes on blocking this machine's traffic; correct %s, or "
			 "'macro unlock' ends that",
			 path);
	return code;
}

static int act(int action, const char *path)
{
	struct config *cfg;
	int rc;

	if (action == ACTION_LOCK)
		return lock(path);
	if (load(&cfg, path) != 0)
		return EXIT_USAGE;
	log_set_level(cfg->daemon.log_level);
	if (action == ACTION_CHECK) {
		printf("%s: fine\n", path);
		rc = EXIT_SUCCESS;
	} else {
		rc = action == ACTION_CLEANUP ? cleanup(cfg) : daemon_run(cfg, path);
	}
	config_free(cfg);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, ACTION_CHECK},
	    {"cleanup", no_argument, NULL, ACTION_CLEANUP},
	    {"lock", no_argument, NULL, ACTION_LOCK},
	    {"version", no_argument, NULL, ACTION_VERSION},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	const char *path = getenv("MACRO_CONFIG");
	int action = ACTION_RUN;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case ACTION_VERSION:
			puts("macrod " MACRO_VERSION);
			return EXIT_SUCCESS;
		case ACTION_CHECK:
		case ACTION_CLEANUP:
		case ACTION_LOCK:
			action = opt;
			break;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (sodium_init() < 0) {
		log_error("libsodium does not start: is there no source of randomness?");
		return EXIT_FAILURE;
	}
	return act(action, path != NULL ? path : CONFIG_PATH_DEFAULT);
}
