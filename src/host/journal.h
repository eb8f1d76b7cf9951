/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What we are about to change, on disk before it is changed, so that the next start can undo what a
 * killed daemon left.  A text file "<name>.journal" in the state directory: a first line with the
 * version, then a change on each line.  It is always replaced as a whole; no file: nothing to undo.
 */
#ifndef HOST_JOURNAL_H
#define HOST_JOURNAL_H

#include "host/change.h"

#define JOURNAL_SIZE_MAX (1u << 20)

struct journal {
	char *dir, *name;
	char *path;  /* both, for messages */
	int lock_fd; /* held as long as the journal is open: one daemon per directory and name */
};

/*
 * journal_open(j, dir, name, err): make the directory if it is missing (its parent must be there),
 * and lock.  -EBUSY: another process has it open.
 */
MUST_USE int journal_open(struct journal *j, const char *dir, const char *name,
			  struct host_error *err);
void journal_close(struct journal *j);

/* journal_store(j, list): durable when it returns; an empty list removes the file. */
MUST_USE int journal_store(const struct journal *j, const struct change_list *list,
			   struct host_error *err);

/* The first line that could not be read; line 0: none. */
struct journal_fault {
	unsigned line;
	const char *what;
};

/*
 * journal_load(j, list, fault, err): the changes of the file, for change_list_fini; an empty list
 * if there is none.  Lines that cannot be read are left out and the first is noted in *fault.
 */
MUST_USE int journal_load(const struct journal *j, struct change_list *list,
			  struct journal_fault *fault, struct host_error *err);

/* journal_parse(text, len, list, fault): the same for the content of a file. */
void journal_parse(const char *text, size_t len, struct change_list *list,
		   struct journal_fault *fault);

#endif
