/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every verb and option, once: parsing, help, completion and macro(1) are made from these rows. */
#include "cli/cli.h"

const struct option_spec cli_global_options[] = {
    {"socket", 0, "PATH", "control socket of the daemon (or MACRO_SOCKET)", WORD_FILE},
    {"config", 'c', "FILE", "configuration file (or MACRO_CONFIG)", WORD_FILE},
    {"help", 'h', NULL, "explain the verb", WORD_TEXT},
    {0},
};

#define WAIT                                                                          \
	{                                                                             \
		"wait", 'w', NULL, "return when it is done, or has failed", WORD_TEXT \
	}
#define TIMEOUT                                                             \
	{                                                                   \
		"timeout", 0, "SECONDS", "how long to wait (60)", WORD_TEXT \
	}
#define JSON                                                          \
	{                                                             \
		"json", 'j', NULL, "as JSON, for programs", WORD_TEXT \
	}

static const struct option_spec connect_options[] = {
    WAIT,
    {"exit", 0, "WHERE", "auto, a country's two letters, or a node's name or id", WORD_EXIT},
    {"hops", 0, "N", "number of nodes on the route, 1 to 5", WORD_HOPS},
    {"profile", 0, "NAME", "profile of the configuration", WORD_PROFILE},
    {"only", 0, NULL, "only for what the profile and macro only have inside", WORD_TEXT},
    TIMEOUT,
    {0},
};

static const struct option_spec only_options[] = {TIMEOUT, {0}};

static const struct option_spec run_options[] = {
    {"profile", 0, "NAME", "profile of the configuration", WORD_PROFILE},
    {"exit", 0, "WHERE", "auto, a country's two letters, or a node's name or id", WORD_EXIT},
    {"hops", 0, "N", "number of nodes on the route, 1 to 5", WORD_HOPS},
    {"quiet", 'q', NULL, "say nothing of the route", WORD_TEXT},
    TIMEOUT,
    {0},
};

static const struct option_spec disconnect_options[] = {WAIT, TIMEOUT, {0}};

static const struct option_spec reconnect_options[] = {
    WAIT,
    {"new-exit", 0, NULL, "another exit too; open connections end", WORD_TEXT},
    TIMEOUT,
    {0},
};

static const struct option_spec status_options[] = {
    {"verbose", 'v', NULL, "with addresses, traffic and more", WORD_TEXT},
    JSON,
    {"follow", 'f', NULL, "then one line for each change", WORD_TEXT},
    {"check", 0, NULL, "exit status 3 if not connected, 5 if blocked", WORD_TEXT},
    {0},
};

static const struct option_spec json_options[] = {JSON, {0}};

static const struct option_spec exit_list_options[] = {
    {"country", 0, "CC", "only those in this country", WORD_COUNTRY}, JSON, {0}};

static const struct option_spec proxy_options[] = {
    {"socks", 0, "IP:PORT", "listen here for SOCKS 5, or off (127.0.0.1:1080)", WORD_TEXT},
    {"http", 0, "IP:PORT", "listen here for HTTP CONNECT, or off (127.0.0.1:8080)", WORD_TEXT},
    {"exit", 0, "WHERE", "auto, a country's two letters, or a node's name or id", WORD_EXIT},
    {"hops", 0, "N", "number of nodes on each route, 1 to 5", WORD_HOPS},
    {"profile", 0, "NAME", "profile of the configuration", WORD_PROFILE},
    {"allow-lan", 0, NULL, "listen where others can connect, too", WORD_TEXT},
    JSON,
    {0},
};

#define STATE_DIR                                                                                  \
	{                                                                                          \
		"state-dir", 0, "DIR", "directory of what is kept ([daemon] state_dir)", WORD_FILE \
	}
#define ADDRESS                                                                                    \
	{                                                                                          \
		"address", 0, "IP:PORT", "where others reach the node; may be repeated", WORD_TEXT \
	}

static const struct option_spec unlock_options[] = {STATE_DIR, {0}};

static const struct option_spec portal_options[] = {
    {"seconds", 's', "N", "how long, at most 3600 (300)", WORD_TEXT}, {0}};

static const struct option_spec node_init_options[] = {
    STATE_DIR,
    {"name", 0, "NAME", "name of the node", WORD_TEXT},
    {"roles", 0, "LIST", "entry, relay and exit, in any combination (relay)", WORD_TEXT},
    {"country", 0, "CC", "country the node stands in", WORD_TEXT},
    {"city", 0, "NAME", "city it stands in", WORD_TEXT},
    ADDRESS,
    {"operator", 0, "NAME", "who runs it; the same on all nodes of one operator", WORD_TEXT},
    {"seed", 0, "TOKEN", "of the mesh to join: a node's seed, or an invite; may be repeated",
     WORD_TEXT},
    {"bandwidth", 0, "RATE", "what it can carry, as 200M (bit/s)", WORD_TEXT},
    {"port", 0, "N", "UDP port to listen on (4600)", WORD_TEXT},
    {"port-mapping", 0, "YES|NO", "have the router forward the port: NAT-PMP, UPnP", WORD_TEXT},
    {"no-check", 0, NULL, "ask no node how it sees this machine", WORD_TEXT},
    {0},
};

static const struct option_spec node_seed_options[] = {STATE_DIR, ADDRESS, {0}};

#define REGISTRY_FILE                                                          \
	{                                                                      \
		"file", 0, "PATH", "the registry ([mesh] registry)", WORD_FILE \
	}
#define REGISTRY_KEY                                                                               \
	{                                                                                          \
		"key", 0, "PATH", "the registrar's key (the registry's path with .key)", WORD_FILE \
	}

static const struct option_spec registry_sign_options[] = {REGISTRY_FILE, REGISTRY_KEY, {0}};
static const struct option_spec registry_file_options[] = {REGISTRY_FILE, {0}};
static const struct option_spec registry_show_options[] = {REGISTRY_FILE, JSON, {0}};

static const struct option_spec registry_add_options[] = {
    REGISTRY_FILE,
    REGISTRY_KEY,
    {"operator", 0, "NAME", "who runs the node, as in its configuration", WORD_TEXT},
    {"roles", 0, "LIST", "the most it may be: entry, relay and exit (all)", WORD_TEXT},
    {"stake", 0, "N", "its weight, for meshes that have such", WORD_TEXT},
    {"commitments", 0, "HASH", "SHA-256 of what it commits itself to", WORD_TEXT},
    {0},
};

static const struct option_spec registry_change_options[] = {
    REGISTRY_FILE,
    REGISTRY_KEY,
    {"operator", 0, "NAME", "who runs the node", WORD_TEXT},
    {"roles", 0, "LIST", "the most it may be: entry, relay and exit", WORD_TEXT},
    {"stake", 0, "N", "its weight", WORD_TEXT},
    {"commitments", 0, "HASH", "SHA-256 of what it commits itself to", WORD_TEXT},
    {"seed", 0, "TOKEN", "where it is called now (macro node seed)", WORD_TEXT},
    {0},
};

static const struct option_spec invite_options[] = {
    REGISTRY_FILE,
    REGISTRY_KEY,
    {"days", 0, "N", "how long it can be used; 0: for ever (30)", WORD_TEXT},
    {"seed", 0, "TOKEN", "a node to name in it; may be repeated (three members)", WORD_TEXT},
    {"qr", 0, NULL, "as a picture too, even if not on a terminal", WORD_TEXT},
    {0},
};

const struct verb cli_verbs[] = {
    {.name = "connect",
     .alias = "up",
     .help = "send this machine's traffic through the mesh",
     .run = run_connect,
     .options = connect_options,
     .shown_by = "status",
     .undone_by = "disconnect"},
    {.name = "disconnect",
     .alias = "down",
     .help = "stop that: traffic takes its usual way again",
     .run = run_disconnect,
     .options = disconnect_options,
     .shown_by = "status",
     .undone_by = "connect"},
    {.name = "reconnect",
     .help = "take a new route; connections survive if the exit stays",
     .run = run_reconnect,
     .options = reconnect_options,
     .shown_by = "route show"},
    {.name = "status",
     .help = "show whether, where and how this machine is connected",
     .run = run_status,
     .options = status_options},
    {.name = "notify",
     .help = "show what changes as notifications on this desktop, while it runs",
     .run = run_notify},
    {.name = "route show",
     .help = "show each hop of the route",
     .run = run_route_show,
     .options = json_options,
     .is_default = true},
    {.name = "route explain",
     .help = "say why the route goes through these nodes, and why not through others",
     .run = run_route_explain,
     .options = json_options},
    {.name = "killswitch",
     .alias = "lockdown",
     .help = "block what does not go through the mesh: off, on, always, or as the profile says",
     .run = run_kill_switch,
     .options = json_options,
     .operands = "[get|off|on|always|profile]",
     .operand_kind = WORD_KILL_SWITCH,
     .operands_max = 1,
     .shown_by = "killswitch get",
     .undone_by = "killswitch off"},
    {.name = "unlock",
     .help = "end the kill switch, even if the daemon is dead or its configuration spoilt",
     .run = run_unlock,
     .options = unlock_options,
     .shown_by = "killswitch get",
     .undone_by = "killswitch profile"},
    {.name = "portal",
     .help = "let this user's browser past the kill switch for a while, to log in to a network",
     .run = run_portal,
     .options = portal_options,
     .operands = "[on|off]",
     .operands_max = 1,
     .shown_by = "status",
     .undone_by = "portal off"},
    {.name = "exclude",
     .help = "run a program outside of the tunnel, as if there were none",
     .run = run_exclude,
     .operands = "COMMAND...",
     .operands_max = 1000,
     .takes_command = true},
    {.name = "only",
     .help = "run a program inside of the tunnel, where nothing else goes; connects if need be",
     .run = run_only,
     .options = only_options,
     .operands = "COMMAND...",
     .operands_max = 1000,
     .takes_command = true,
     .shown_by = "status",
     .undone_by = "disconnect"},
    {.name = "run",
     .help = "run a program in a network of its own, with no way out but a profile's exit",
     .run = run_run,
     .options = run_options,
     .operands = "COMMAND...",
     .operands_max = 1000,
     .takes_command = true},
    {.name = "profile list",
     .help = "list the profiles, with what each is expected to cost",
     .run = run_profile_list,
     .options = json_options,
     .is_default = true},
    {.name = "profile show",
     .help = "show a profile, or the one in use and why it is",
     .run = run_profile_show,
     .options = json_options,
     .operands = "[NAME]",
     .operand_kind = WORD_PROFILE,
     .operands_max = 1},
    {.name = "profile use",
     .help = "use a profile from now on, or auto: the one of the network",
     .run = run_profile_use,
     .operands = "NAME|auto",
     .operand_kind = WORD_PROFILE_OR_AUTO,
     .operands_max = 1,
     .shown_by = "profile show",
     .undone_by = "profile use auto"},
    {.name = "profile bind",
     .help = "use a profile whenever on a network: the present one, or as network show prints it",
     .run = run_profile_bind,
     .operands = "NAME [NETWORK]",
     .operand_kind = WORD_PROFILE,
     .operands_max = 2,
     .shown_by = "profile list",
     .undone_by = "profile unbind"},
    {.name = "profile unbind",
     .help = "no longer so, on the present network or another one",
     .run = run_profile_unbind,
     .operands = "[NETWORK]",
     .operands_max = 1,
     .shown_by = "profile list",
     .undone_by = "profile bind"},
    {.name = "network show",
     .help = "show by what the present network is recognised, and its profile",
     .run = run_network_show,
     .options = json_options,
     .is_default = true},
    {.name = "exit list",
     .help = "list the exits that are known",
     .run = run_exit_list,
     .options = exit_list_options,
     .is_default = true},
    {.name = "proxy",
     .help = "carry programs that ask for it, without root: SOCKS 5 and HTTP CONNECT",
     .run = run_proxy,
     .options = proxy_options},
    {.name = "mesh status",
     .help = "show how much of the mesh is known, and from whom",
     .run = run_mesh_status,
     .options = json_options,
     .is_default = true},
    {.name = "netcheck",
     .help = "look how this network treats the mesh: UDP, NAT, MTU, IPv6, the nearest entries",
     .run = run_netcheck,
     .options = json_options},
    {.name = "mesh equivocations",
     .help = "show nodes that signed different descriptors under one number",
     .run = run_mesh_equivocations,
     .options = json_options},
    {.name = "node list",
     .help = "list all nodes that are known",
     .run = run_node_list,
     .options = json_options},
    {.name = "node init",
     .help = "make a node of this machine: its identity, its configuration, and what it lacks",
     .run = run_node_init,
     .options = node_init_options},
    {.name = "node check",
     .help = "look whether this node can do its work: its port, clock, MTU, forwarding",
     .run = run_node_check,
     .options = json_options},
    {.name = "node seed",
     .help = "print the seed tokens that lead others to this node",
     .run = run_node_seed,
     .options = node_seed_options},
    {.name = "node status",
     .help = "show this daemon as a node",
     .run = run_node_status,
     .options = json_options,
     .is_default = true},
    {.name = "registry init",
     .help = "found a mesh of known members: its registry and the key that signs it",
     .run = run_registry_init,
     .options = registry_sign_options},
    {.name = "registry add",
     .help = "make a node a member; prints its slot",
     .run = run_registry_add,
     .options = registry_add_options,
     .operands = "SEED|ID",
     .operands_max = 1},
    {.name = "registry change",
     .help = "change what is known of a member: operator, roles, stake, where it is called",
     .run = run_registry_change,
     .options = registry_change_options,
     .operands = "SLOT|ID",
     .operands_max = 1},
    {.name = "registry remove",
     .help = "end a node's membership",
     .run = run_registry_remove,
     .options = registry_sign_options,
     .operands = "SLOT|ID",
     .operands_max = 1},
    {.name = "registry rotate",
     .help = "give a member's slot to the node's new identity",
     .run = run_registry_rotate,
     .options = registry_sign_options,
     .operands = "SLOT|ID SEED|ID",
     .operands_max = 2},
    {.name = "registry renew",
     .help = "sign the registry anew, as [mesh] head_max_age asks for",
     .run = run_registry_renew,
     .options = registry_sign_options},
    {.name = "registry list",
     .help = "list the members",
     .run = run_registry_list,
     .options = registry_show_options,
     .is_default = true},
    {.name = "registry log",
     .help = "list all that ever changed",
     .run = run_registry_log,
     .options = registry_show_options},
    {.name = "registry verify",
     .help = "check each event and the signature, of the registry or an exported file",
     .run = run_registry_verify,
     .options = registry_file_options,
     .operands = "[FILE]",
     .operand_kind = WORD_FILE,
     .operands_max = 1},
    {.name = "registry export",
     .help = "write the registry to one file that anybody can verify",
     .run = run_registry_export,
     .options = registry_file_options,
     .operands = "FILE",
     .operand_kind = WORD_FILE,
     .operands_max = 1},
    {.name = "registry import",
     .help = "take in what such a file has beyond the registry here",
     .run = run_registry_import,
     .options = registry_file_options,
     .operands = "FILE",
     .operand_kind = WORD_FILE,
     .operands_max = 1},
    {.name = "invite create",
     .help = "print what lets somebody join the mesh as a client",
     .run = run_invite_create,
     .options = invite_options},
    {.name = "join",
     .help = "write this machine's configuration from an invite",
     .run = run_join,
     .operands = "INVITE",
     .operands_max = 1},
    {.name = "config check",
     .help = "check the configuration, with line numbers",
     .run = run_config_check,
     .operands = "[FILE]",
     .operand_kind = WORD_FILE,
     .operands_max = 1},
    {.name = "config sample",
     .help = "print a configuration with every key explained",
     .run = run_config_sample},
    {.name = "completion",
     .help = "print the completion script for a shell",
     .run = run_completion,
     .operands = "bash|zsh|fish",
     .operand_kind = WORD_SHELL,
     .operands_max = 1},
    {.name = "version", .help = "print the version", .run = run_version},
    {.name = "help",
     .help = "explain a verb",
     .run = run_help,
     .operands = "[VERB]",
     .operand_kind = WORD_VERB,
     .operands_max = 2},
    {.name = "complete",
     .help = "print the candidates for the last word",
     .run = run_complete,
     .operands = "WORD...",
     .operands_max = 1000,
     .is_hidden = true},
};

const size_t cli_verb_count = sizeof(cli_verbs) / sizeof(cli_verbs[0]);
