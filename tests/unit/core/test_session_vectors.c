/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Links, session handshakes, paths and acknowledgements against what the reference makes. */
#include "tests/lib/test.h"
#include "tests/lib/vectors.h"

#include "core/spath.h"
#include "link/link_int.h"
#include "wire/control.h"

/* ---- randomness as a vector says: secrets have 32 bytes, indexes four, nothing else matters ----
 */

struct script {
	uint8_t secret[DH_LEN];
	uint32_t index;
};

static void script_fill(void *ctx, void *buf, size_t len)
{
	const struct script *sc = ctx;

	if (len == DH_LEN)
		memcpy(buf, sc->secret, DH_LEN);
	else if (len == 4)
		put_le32(buf, sc->index << 8); /* whose top 21 bits are taken */
	else
		memset(buf, 0x55, len);
}

/* ---- links ---- */

struct end {
	struct script script;
	struct rng rng;
	struct dh_keypair identity;
	struct endpoint endpoint;
	struct links *ls;
	struct link *link;
};

static void end_init(struct end *e, json_t *v, const char *who, uint16_t port, struct aead *aead)
{
	uint8_t secret[DH_LEN], public[DH_LEN];
	char name[64];

	snprintf(name, sizeof(name), "%s_secret", who);
	vector_bytes(v, name, secret, DH_LEN);
	dh_keypair_from_secret(&e->identity, secret);
	snprintf(name, sizeof(name), "%s_public", who);
	vector_bytes(v, name, public, DH_LEN);
	CHECK_MEM(e->identity.public, public, DH_LEN);
	snprintf(name, sizeof(name), "%s_ephemeral", who);
	vector_bytes(v, name, e->script.secret, DH_LEN);
	snprintf(name, sizeof(name), "%s_index", who);
	e->script.index = (uint32_t)vector_int(v, name);
	e->rng = (struct rng){script_fill, &e->script};
	e->endpoint = (struct endpoint){.ip = {0x20, 1}, .port = port};
	snprintf(name, sizeof(name), "%s_is_node", who);
	e->ls = links_create(&(struct links_params){.identity = &e->identity,
						    .rng = &e->rng,
						    .aead = aead,
						    .is_node = vector_int(v, name) != 0,
						    .max_links = 4,
						    .init_burst = 10});
}

static struct cell_header header_of(json_t *c)
{
	return (struct cell_header){.circ_id = (uint32_t)vector_int(c, "circ_id"),
				    .seq = vector_int(c, "seq"),
				    .kind = (uint8_t)vector_int(c, "kind"),
				    .flags = (uint8_t)vector_int(c, "flags")};
}

static void check_cell(struct end *from, struct end *to, json_t *c, const struct now *now)
{
	const struct cell_header h = header_of(c);
	uint8_t cell[CELL_LEN] = {0}, want[CELL_LEN], body[CELL_BODY_LEN];
	struct link_rx rx = {.cell = cell, .from = &from->endpoint};

	vector_bytes(c, "tag", cell + CELL_TAG_OFF, TAG_LEN);
	vector_bytes(c, "body", cell + CELL_BODY_OFF, CELL_BODY_LEN);
	vector_bytes(c, "cell", want, CELL_LEN);
	memcpy(body, cell + CELL_BODY_OFF, sizeof(body));
	link_seal(from->ls, from->link, cell, &h, 1, now);
	CHECK_MEM(cell, want, CELL_LEN);
	links_open(to->ls, &rx, 1, now);
	CHECK_INT(rx.drop, DROP_NONE);
	CHECK(rx.header.circ_id == h.circ_id && rx.header.seq == h.seq &&
	      rx.header.kind == h.kind && rx.header.flags == h.flags);
	CHECK_MEM(cell + CELL_BODY_OFF, body, sizeof(body));
}

static void check_keys(json_t *v, const char *name, const uint8_t *header, const uint8_t *body)
{
	json_t *keys = vector_get(v, name);
	uint8_t want[KEY_LEN];

	vector_bytes(keys, "header", want, KEY_LEN);
	CHECK_MEM(header, want, KEY_LEN);
	vector_bytes(keys, "body", want, KEY_LEN);
	CHECK_MEM(body, want, KEY_LEN);
}

static void check_link(json_t *v)
{
	struct aead *aead = aead_open("sodium");
	const struct now now = {.mono_ns = NS_PER_S, .wall_ns = vector_int(v, "wall_ns")};
	struct end a = {0}, b = {0};
	uint8_t want[CELL_LEN];
	struct link_out out;
	json_t *cells = vector_get(v, "cells");

	end_init(&a, v, "initiator", 1, aead);
	end_init(&b, v, "responder", 2, aead);
	a.link = links_get(a.ls, b.identity.public, &b.endpoint);
	link_connect(a.ls, a.link, &now);
	NEED(links_next_out(a.ls, &out) && out.len == CELL_LEN);
	vector_bytes(v, "init", want, CELL_LEN);
	CHECK_MEM(out.data, want, CELL_LEN);
	NEED(links_recv_handshake(b.ls, out.data, out.len, &a.endpoint, &now) == DROP_NONE);
	NEED(links_next_out(b.ls, &out) && out.len == CELL_LEN);
	vector_bytes(v, "resp", want, CELL_LEN);
	CHECK_MEM(out.data, want, CELL_LEN);
	NEED(links_recv_handshake(a.ls, out.data, out.len, &b.endpoint, &now) == DROP_NONE);
	NEED(a.link->state == LINK_UP);
	check_keys(v, "to_responder", a.link->send_key->tx_header, a.link->send_key->tx_body);
	check_keys(v, "to_initiator", a.link->send_key->rx_header, a.link->send_key->rx_body);
	for (size_t i = 0; i < json_array_size(cells); i++) {
		json_t *c = vector_at(cells, i);

		if (vector_int(c, "to_responder") != 0) {
			check_cell(&a, &b, c, &now);
		} else {
			b.link = links_get(b.ls, a.identity.public, NULL);
			NEED(b.link->state == LINK_UP);
			check_cell(&b, &a, c, &now);
		}
	}
	links_free(a.ls);
	links_free(b.ls);
	aead_close(aead);
}

static void test_links(void)
{
	json_t *root = vector_load("link.json");

	CHECK(json_array_size(root) > 0);
	for (size_t i = 0; i < json_array_size(root); i++)
		check_link(vector_at(root, i));
	json_decref(root);
}

/* ---- sessions ---- */

static void check_handshake(json_t *v, uint8_t session_root[static KEY_LEN])
{
	static const char label[] = "macromesh/1 session";
	uint8_t prologue[sizeof(label) - 1 + 32 + HASH_LEN], secret[DH_LEN];
	uint8_t request[SESS_NEW_MSG_LEN], answer[SESS_GRANT_MSG_LEN], want[SESS_GRANT_MSG_LEN];
	uint8_t payload[SESS_GRANT_LEN] = {PROTOCOL_VERSION}, grant[SESS_GRANT_LEN], roots[KEY_LEN];
	struct script script_c, script_x;
	struct rng rng_c = {script_fill, &script_c}, rng_x = {script_fill, &script_x};
	struct noise_hs client, exit;
	struct dh_keypair key;

	memcpy(prologue, label, sizeof(label) - 1);
	vector_bytes(v, "exit_id", prologue + sizeof(label) - 1, 32);
	vector_bytes(v, "circuit_h", prologue + sizeof(label) - 1 + 32, HASH_LEN);
	vector_bytes(v, "exit_secret", secret, DH_LEN);
	vector_bytes(v, "client_ephemeral", script_c.secret, DH_LEN);
	vector_bytes(v, "exit_ephemeral", script_x.secret, DH_LEN);
	vector_bytes(v, "grant", grant, sizeof(grant));
	dh_keypair_from_secret(&key, secret);

	noise_nk_start(&client, NOISE_INITIATOR, NULL, key.public, prologue, sizeof(prologue));
	noise_nk_start(&exit, NOISE_RESPONDER, &key, NULL, prologue, sizeof(prologue));
	NEED(noise_nk_write1(&client, &rng_c, payload, SESS_NEW_PAYLOAD_LEN, request) == 0);
	vector_bytes(v, "request", want, sizeof(request));
	CHECK_MEM(request, want, sizeof(request));
	NEED(noise_nk_read1(&exit, &key, request, SESS_NEW_PAYLOAD_LEN, payload) == 0);
	NEED(noise_nk_write2(&exit, &rng_x, grant, sizeof(grant), answer) == 0);
	vector_bytes(v, "answer", want, sizeof(answer));
	CHECK_MEM(answer, want, sizeof(answer));
	NEED(noise_nk_read2(&client, answer, sizeof(grant), payload) == 0);
	CHECK_MEM(payload, grant, sizeof(grant));

	vector_bytes(v, "root", session_root, KEY_LEN);
	hkdf_expand(roots, KEY_LEN, client.sym.ck, "macromesh/1 root", client.sym.h, HASH_LEN);
	CHECK_MEM(roots, session_root, KEY_LEN);
	hkdf_expand(roots, KEY_LEN, exit.sym.ck, "macromesh/1 root", exit.sym.h, HASH_LEN);
	CHECK_MEM(roots, session_root, KEY_LEN);
}

static void check_binders(json_t *v, const struct spath *sp)
{
	struct session_grant grant;
	struct attach a = {.path_id = (uint32_t)vector_int(v, "path_id"),
			   .flags = (uint8_t)vector_int(v, "flags"),
			   .weight = (uint8_t)vector_int(v, "weight")};
	uint8_t h[HASH_LEN], bytes[SESS_GRANT_LEN], want[64], out[64];
	json_t *ids = vector_get(v, "attached_paths");
	uint32_t id[ATTACH_PATHS_MAX];

	vector_bytes(v, "grant", bytes, sizeof(bytes));
	NEED(session_grant_decode(&grant, bytes, sizeof(bytes)) == 0);
	CHECK_INT(grant.lifetime_s, 86400);
	memcpy(a.sid, grant.sid, sizeof(a.sid));
	vector_bytes(v, "circuit_h", h, HASH_LEN);
	spath_binder(sp, h, a.flags, a.weight, a.binder);
	vector_bytes(v, "binder", want, MAC_LEN);
	CHECK_MEM(a.binder, want, MAC_LEN);
	vector_bytes(v, "attach", want, 38);
	CHECK_INT(attach_encode(&a, out), 38);
	CHECK_MEM(out, want, 38);
	for (size_t i = 0; i < json_array_size(ids); i++)
		id[i] = (uint32_t)json_integer_value(vector_at(ids, i));
	spath_attached_mac(sp, id, json_array_size(ids), out);
	vector_bytes(v, "attached_mac", want, MAC_LEN);
	CHECK_MEM(out, want, MAC_LEN);
	spath_attached_mac(sp, &sp->path_id, 1, out);
	vector_bytes(v, "close_mac", want, MAC_LEN);
	CHECK_MEM(out, want, MAC_LEN);
}

/* One cell's text in one direction: sealed by one end, opened by the other. */
static void check_text(json_t *v, const char *name, const uint8_t *seal_key,
		       const uint8_t *open_key, size_t area)
{
	struct aead *aead = aead_open("sodium");
	uint8_t text[CELL_BODY_LEN] = {0}, sealed[CELL_BODY_LEN], want[CELL_BODY_LEN], packet[40];
	const uint8_t *p = text;
	struct aead_job job = {.key = seal_key,
			       .nonce = vector_int(v, "nonce"),
			       .src = text,
			       .dst = sealed,
			       .len = (uint32_t)area,
			       .tag = sealed + area};
	struct frame f = {0};

	vector_bytes(v, "packet", packet, sizeof(packet));
	frame_put_head(text, FRAME_PACKET, sizeof(packet));
	memcpy(text + FRAME_HEAD_LEN, packet, sizeof(packet));
	aead_seal(aead, &job, 1);
	vector_bytes(v, name, want, area + TAG_LEN);
	CHECK_MEM(sealed, want, area + TAG_LEN);
	job.key = open_key;
	job.src = sealed;
	job.dst = text;
	aead_unseal(aead, &job, 1);
	CHECK(job.ok);
	CHECK_INT(frame_next(&p, text + area, &f), 1);
	CHECK(f.type == FRAME_PACKET && f.len == sizeof(packet));
	CHECK_INT(frame_next(&p, text + area, &f), 0);
	aead_close(aead);
}

static void check_pack(json_t *v, struct spath *client, struct spath *exit)
{
	static struct spath_sent sent[SPATH_SENT_MAX];
	json_t *acked = vector_get(v, "acked");
	const size_t n = json_array_size(acked);
	struct now now = {.mono_ns = NS_PER_S};
	uint8_t tag[TAG_LEN], want[PACK_LEN(3)], got[PACK_LEN(PACK_RANGES_MAX)];

	memset(sent, 0, sizeof(sent));
	client->sent = sent;
	for (size_t i = 0; i < n; i++) { /* the first two met congestion */
		const uint64_t seq = vector_int(vector_at(acked, i), "seq");

		vector_bytes(vector_at(acked, i), "tag", tag, TAG_LEN);
		spath_sent_cell(client, seq, tag, true, &now);
		spath_received(exit, seq, tag, SPATH_ASKS_ACK, i < 2, &now);
	}
	now.mono_ns += vector_int(v, "delay_16us") * 16 * NS_PER_US;
	vector_bytes(v, "pack", want, sizeof(want));
	CHECK_INT(spath_pack(exit, &now, got), sizeof(want));
	CHECK_MEM(got, want, sizeof(want));
	CHECK_INT(spath_acked(client, want, sizeof(want), &now), 0);
	CHECK_INT(client->proofs_ok, 1);
}

/* The only frame of these bytes, which are the vector's. */
static struct frame only_frame(json_t *v, const char *name, uint8_t *bytes, size_t len)
{
	const uint8_t *p = bytes;
	struct frame f = {0};

	vector_bytes(v, name, bytes, len);
	CHECK_INT(frame_next(&p, bytes + len, &f), 1);
	CHECK(p == bytes + len);
	return f;
}

static void check_paths(json_t *v)
{
	uint8_t bytes[FRAME_HEAD_LEN + PATHS_LEN(3)], again[PATHS_LEN(ATTACH_PATHS_MAX)];
	const struct frame f = only_frame(v, "paths_frame", bytes, sizeof(bytes));
	json_t *want = vector_get(v, "paths"), *list = vector_get(want, "path");
	struct paths p;

	CHECK_INT(f.type, FRAME_PATHS);
	NEED(paths_decode(&p, f.body, f.len) == 0);
	CHECK_INT(p.version, vector_int(want, "version"));
	CHECK_INT(p.flags, vector_int(want, "flags"));
	CHECK_INT(p.count, json_array_size(list));
	for (unsigned i = 0; i < p.count; i++) {
		CHECK_INT(p.path[i].path_id, vector_int(vector_at(list, i), "id"));
		CHECK_INT(p.path[i].weight, vector_int(vector_at(list, i), "weight"));
		CHECK_INT(p.path[i].flags, vector_int(vector_at(list, i), "flags"));
	}
	CHECK_INT(paths_encode(&p, again), f.len);
	CHECK_MEM(again, f.body, f.len);
}

static void check_numbered(json_t *v)
{
	uint8_t bytes[FRAME_HEAD_LEN + NUMBERED_HEAD_LEN + 40], packet[40];
	const struct frame f = only_frame(v, "numbered_frame", bytes, sizeof(bytes));
	uint8_t head[NUMBERED_HEAD_LEN];
	struct numbered n;

	CHECK_INT(f.type, FRAME_NUMBERED);
	NEED(numbered_decode(&n, f.body, f.len) == 0);
	CHECK_INT(n.number, vector_int(v, "number"));
	CHECK_INT(n.flags, NUMBERED_PARTIAL);
	vector_bytes(v, "packet", packet, sizeof(packet));
	CHECK_INT(n.len, sizeof(packet));
	CHECK_MEM(n.packet, packet, sizeof(packet));
	numbered_put_head(head, n.number, n.flags);
	CHECK_MEM(head, f.body, sizeof(head));
}

static void check_resent(json_t *v)
{
	uint8_t bytes[FRAME_HEAD_LEN + RESENT_HEAD_LEN + 40], packet[40];
	const struct frame f = only_frame(v, "resent_frame", bytes, sizeof(bytes));
	uint8_t head[RESENT_HEAD_LEN];
	struct resent r;

	CHECK_INT(f.type, FRAME_RESENT);
	NEED(resent_decode(&r, f.body, f.len) == 0);
	CHECK_INT(r.path_id, vector_int(v, "path_id"));
	CHECK_INT(r.seq, vector_int(v, "nonce"));
	CHECK_INT(r.flags, 0);
	vector_bytes(v, "packet", packet, sizeof(packet));
	CHECK_INT(r.len, sizeof(packet));
	CHECK_MEM(r.packet, packet, sizeof(packet));
	resent_put_head(head, r.path_id, r.seq, r.flags);
	CHECK_MEM(head, f.body, sizeof(head));
}

static void check_session(json_t *v)
{
	uint8_t root[KEY_LEN], exporter[KEY_LEN], want[KEY_LEN];
	json_t *keys = vector_get(v, "keys");
	struct spath client, exit;
	const uint32_t path_id = (uint32_t)vector_int(v, "path_id");

	check_handshake(v, root);
	vector_bytes(v, "exporter", exporter, KEY_LEN);
	spath_init(&client, SPATH_CLIENT, root, exporter, path_id, NULL);
	spath_init(&exit, SPATH_EXIT, root, exporter, path_id, NULL);
	vector_bytes(keys, "sf", want, KEY_LEN);
	CHECK_MEM(client.seal_key, want, KEY_LEN);
	vector_bytes(keys, "sb", want, KEY_LEN);
	CHECK_MEM(exit.seal_key, want, KEY_LEN);
	vector_bytes(keys, "bind", want, KEY_LEN);
	CHECK_MEM(exit.bind_key, want, KEY_LEN);
	check_binders(v, &exit);
	check_text(v, "forward", client.seal_key, exit.open_key, FORWARD_AREA(3));
	check_text(v, "backward", exit.seal_key, client.open_key, BACKWARD_AREA);
	check_pack(v, &client, &exit);
	check_paths(v);
	check_numbered(v);
	check_resent(v);
}

static void test_sessions(void)
{
	json_t *root = vector_load("session.json");

	CHECK(json_array_size(root) > 0);
	for (size_t i = 0; i < json_array_size(root); i++)
		check_session(vector_at(root, i));
	json_decref(root);
}

int main(void)
{
	RUN(test_links);
	RUN(test_sessions);
	return test_done();
}
