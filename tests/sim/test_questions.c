/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions about the mesh through a circuit, as engines carry them: what was asked arrives, as
 * many answers as were granted come back, each once, and nothing else does.
 */
#include "tests/lib/test.h"
#include "tests/sim/forge.h"
#include "tests/sim/sim.h"

static const unsigned route[HOPS_MAX] = {0, 1, 2, 3, 4};

static struct sim *s;
static struct sim_node *client, *last;
static uint32_t path;

static void start(unsigned hops, struct sim_wire wire)
{
	s = sim_create(&(struct sim_params){.nodes = 6, .clients = 1, .seed = hops, .wire = wire});
	client = sim_node(s, 6);
	last = sim_node(s, route[hops - 1]);
	CHECK(sim_connect(s, client, route, hops, &path));
}

static void ask(const uint8_t *body, unsigned answers)
{
	const struct now now = sim_now(s);

	engine_path_message(client->engine, path, body, answers, &now);
	sim_pump(s, client);
	sim_run(s, NS_PER_S);
}

static void answer(uint64_t to, uint64_t reply, uint8_t first)
{
	const struct now now = sim_now(s);
	struct engine_message m = {.to = to, .reply = reply};

	m.body[0] = first;
	m.body[MESH_ANSWER_LEN - 1] = 0x55;
	m.body[MESH_ANSWER_LEN] = 0x66; /* one too many */
	engine_message_send(last->engine, &m, &now);
	sim_pump(s, last);
	sim_run(s, NS_PER_S);
}

static void test_there_and_back(void)
{
	for (unsigned hops = 1; hops <= HOPS_MAX; hops++) {
		uint8_t body[CELL_BODY_LEN];
		const struct engine_event *at, *back;

		start(hops, (struct sim_wire){.delay_ns = 5 * NS_PER_MS});
		at = &last->last[EVENT_CIRCUIT_MESSAGE];
		back = &client->last[EVENT_PATH_MESSAGE];
		memset(body, 0x33, sizeof(body));
		body[0] = 1;
		ask(body, 3);
		CHECK_INT(last->seen[EVENT_CIRCUIT_MESSAGE], 1);
		CHECK_MEM(at->body, body, MESH_QUESTION_LEN);
		CHECK_INT(at->body[MESH_QUESTION_LEN], 0);
		for (unsigned i = 0; i < 3; i++)
			answer(at->circuit, at->reply + i, (uint8_t)(10 + i));
		CHECK_INT(client->seen[EVENT_PATH_MESSAGE], 3);
		CHECK_INT(back->path, path);
		CHECK_INT(back->body[0], 12);
		CHECK_INT(back->body[MESH_ANSWER_LEN - 1], 0x55);
		CHECK_INT(back->body[MESH_ANSWER_LEN], 0);
		sim_free(s);
	}
}

/* More than was granted, the same again, and to a circuit that is not: each counted where it ends.
 */
static void test_no_more_than_granted(void)
{
	const uint8_t body[CELL_BODY_LEN] = {1};
	uint64_t to, reply;

	start(3, (struct sim_wire){.delay_ns = 5 * NS_PER_MS});
	ask(body, 2);
	to = last->last[EVENT_CIRCUIT_MESSAGE].circuit;
	reply = last->last[EVENT_CIRCUIT_MESSAGE].reply;
	answer(to, reply, 1);
	answer(to, reply, 1); /* a hop does not use a counter twice */
	CHECK_INT(sim_drops(s, last->index, DROP_REPLAY), 1);
	answer(to, reply + 1, 1);
	answer(to, reply + 2, 1); /* the client has not asked for a third */
	CHECK_INT(client->seen[EVENT_PATH_MESSAGE], 2);
	CHECK_INT(sim_drops(s, client->index, DROP_REPLAY), 1);
	answer(to ^ 1, reply + 3, 1);
	CHECK_INT(sim_drops(s, last->index, DROP_CIRCUIT_STATE), 1);
	answer(to, 5, 1); /* not among those for answers */
	CHECK_INT(client->seen[EVENT_PATH_MESSAGE], 2);
	sim_free(s);
}

static void test_bad_questions(void)
{
	static const uint8_t kinds[] = {0, 16, 17, 255};
	uint8_t body[CELL_BODY_LEN] = {0};

	start(3, (struct sim_wire){.delay_ns = 5 * NS_PER_MS});
	for (size_t i = 0; i < sizeof(kinds); i++) {
		body[0] = kinds[i];
		ask(body, 1);
		CHECK_INT(sim_drops(s, last->index, DROP_CONTROL), i + 1);
	}
	CHECK_INT(last->seen[EVENT_CIRCUIT_MESSAGE], 0);
	sim_free(s);
}

/* Whoever asks without end leaves room for others' events. */
static void test_flood(void)
{
	const uint8_t body[CELL_BODY_LEN] = {1};
	const struct now now = (start(3, (struct sim_wire){.delay_ns = 5 * NS_PER_MS}), sim_now(s));
	unsigned kept;

	for (unsigned i = 0; i < 2000; i++) {
		engine_path_message(client->engine, path, body, 64, &now);
		if (i % 16 == 15)
			sim_pump(s, client);
	}
	sim_pump(s, client);
	sim_run(s, NS_PER_S);
	kept = last->seen[EVENT_CIRCUIT_MESSAGE];
	printf("# of 2000 questions at once %u were kept\n", kept);
	CHECK(kept > 0);
	CHECK_INT(sim_stats(s, last->index).events_lost, 0);
	sim_free(s);
}

static uint8_t roles_of_last;

static void with_roles(struct sim_node *n, struct engine_params *p, struct exit_params *exit,
		       void *ctx)
{
	(void)ctx;
	if (n->index != 2)
		return;
	p->roles = n->roles = roles_of_last;
	if ((roles_of_last & ROLE_EXIT) == 0)
		p->exit = NULL;
	(void)exit;
}

/* Any node can be asked; a session is given by exits only. */
static void test_last_of_any_role(void)
{
	const uint8_t body[CELL_BODY_LEN] = {1};
	struct path_spec spec;
	struct now now;

	roles_of_last = ROLE_RELAY;
	s = sim_create(&(struct sim_params){.nodes = 6,
					    .clients = 1,
					    .seed = 9,
					    .wire = {.delay_ns = 5 * NS_PER_MS},
					    .setup = with_roles});
	client = sim_node(s, 6);
	last = sim_node(s, 2);
	spec = sim_spec(s, route, 3);
	now = sim_now(s);
	path = engine_path_build(client->engine, &spec, &now);
	sim_pump(s, client);
	sim_run(s, NS_PER_S);
	CHECK_INT(client->seen[EVENT_PATH_OPEN], 1);
	ask(body, 1);
	CHECK_INT(last->seen[EVENT_CIRCUIT_MESSAGE], 1);
	now = sim_now(s);
	CHECK(engine_session_open(client->engine, path, &now) != 0);
	sim_pump(s, client);
	sim_run(s, NS_PER_S);
	CHECK_INT(client->seen[EVENT_SESSION_FAILED], 1);
	CHECK_INT(client->last[EVENT_SESSION_FAILED].control, CONTROL_REFUSED);
	sim_free(s);
}

int main(void)
{
	RUN(test_there_and_back);
	RUN(test_no_more_than_granted);
	RUN(test_bad_questions);
	RUN(test_flood);
	RUN(test_last_of_any_role);
	return test_done();
}
