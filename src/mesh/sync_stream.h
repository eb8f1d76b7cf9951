/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records, {length u16, bytes}, back to back across DATA cells; what a lost cell held is lost, and
 * only that. */
#ifndef MESH_SYNC_STREAM_H
#define MESH_SYNC_STREAM_H

#include "mesh/sync_msg.h"

#define STREAM_RECORD_MAX 1024

/* The sender's side.  Zeroed at the start. */
struct stream_writer {
	uint16_t index;    /* of the next cell */
	uint16_t len, off; /* of the record under way; len 0: none */
	uint8_t record[2 + STREAM_RECORD_MAX];
	bool is_begun;
};

/* next(ctx, out): the next record's length, 1..STREAM_RECORD_MAX, or 0 at the end. */
typedef size_t stream_source(void *ctx, uint8_t out[static STREAM_RECORD_MAX]);

/* stream_write(w, m, cell, next, ctx): the next cell into cell, and what DATA says of it into m;
 * the one before which m->flags had SYNC_LAST was the last. */
void stream_write(struct stream_writer *w, struct sync_msg *m, uint8_t cell[static SYNC_STREAM_LEN],
		  stream_source *next, void *ctx);

/* The receiver's side.  Zeroed at the start. */
struct stream_reader {
	uint16_t next; /* the cell that should come now */
	bool has_gaps; /* some cells did not, or were malformed */
	uint16_t len;  /* of the partial record, its length field included */
	uint8_t partial[2 + STREAM_RECORD_MAX];
};

/* take(ctx, bytes, len): a record. */
typedef void stream_sink(void *ctx, const uint8_t *bytes, size_t len);

/* stream_read(r, m, take, ctx): a DATA cell of this stream; false for one that came before, or
 * late. */
bool stream_read(struct stream_reader *r, const struct sync_msg *m, stream_sink *take, void *ctx);

#endif
