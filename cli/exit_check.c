/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/exit_check.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <unistd.h>

static const char *const switches[] = {
    "/proc/sys/net/ipv4/conf/all/forwarding",
    "/proc/sys/net/ipv6/conf/all/forwarding",
};

/* The kernel is asked, and told to forget it. */
static bool can_translate(char why[static VERDICT_TEXT_MAX])
{
	static const char rules[] = "table inet macrocheck { chain outgoing { type nat hook "
				    "postrouting priority srcnat; ip saddr 10.88.0.0/16 "
				    "masquerade; }; }";
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	bool can = false;

	snprintf(why, VERDICT_TEXT_MAX, "no memory");
	if (nft == NULL)
		return false;
	nft_ctx_set_dry_run(nft, true);
	nft_ctx_buffer_error(nft);
	can = nft_run_cmd_from_buffer(nft, rules) == 0;
	snprintf(why, VERDICT_TEXT_MAX, "%.*s", (int)strcspn(nft_ctx_get_error_buffer(nft), "\n"),
		 nft_ctx_get_error_buffer(nft));
	nft_ctx_free(nft);
	return can;
}

void check_exit(struct verdicts *v)
{
	char why[VERDICT_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(switches); i++)
		if (access(switches[i], W_OK) != 0 && (i == 0 || errno != ENOENT)) {
			verdict_add(v, VERDICT_FAIL, "Exit", "cannot switch forwarding on: %s: %s",
				    switches[i], strerror(errno));
			verdict_advise(v, "run this as root; in a container, give it its own "
					  "network namespace with a writable /proc/sys/net");
			return;
		}
	if (access("/dev/net/tun", R_OK | W_OK) != 0) {
		verdict_add(v, VERDICT_FAIL, "Exit", "cannot open /dev/net/tun: %s",
			    strerror(errno));
		verdict_advise(v, "load the module tun; in a container, pass the device in");
		return;
	}
	if (!can_translate(why)) {
		verdict_add(v, VERDICT_FAIL, "Exit", "cannot translate addresses: %s", why);
		verdict_advise(v,
			       "run this as root, on a kernel with nftables (nf_tables, nft_nat, "
			       "nft_masq)");
		return;
	}
	verdict_add(v, VERDICT_OK, "Exit",
		    "this machine can forward and translate; macrod switches that on and off");
}
