/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/region.h"

#include <stddef.h>
#include <strings.h>

/* The assigned codes of ISO 3166-1, by the United Nations' regions; two letters and a blank each.
 */
static const char *const countries[REGION_COUNT] = {
    [REGION_AFRICA] = "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW "
		      "KE KM LR LS LY MA MG ML MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO "
		      "SS ST SZ TD TG TN TZ UG YT ZA ZM ZW ",
    [REGION_ANTARCTICA] = "AQ BV GS HM TF ",
    [REGION_ASIA] = "AE AF AM AZ BD BH BN BT CC CN CX CY GE HK ID IL IN IO IQ IR JO JP KG "
		    "KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH PK PS QA SA SG SY TH "
		    "TJ TL TM TR TW UZ VN YE ",
    [REGION_EUROPE] = "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU "
		      "IE IM IS IT JE LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI "
		      "SJ SK SM UA VA ",
    [REGION_NORTH_AMERICA] = "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN "
			     "KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US VC VG VI ",
    [REGION_OCEANIA] = "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM "
		       "VU WF WS ",
    [REGION_SOUTH_AMERICA] = "AR BO BR CL CO EC FK GF GY PE PY SR UY VE ",
};

static bool has(const char *list, const char *country)
{
	for (; *list != '\0'; list += 3)
		if (list[0] == country[0] && list[1] == country[1])
			return true;
	return false;
}

enum region region_of(const char *country)
{
	for (unsigned r = 0; r < REGION_COUNT; r++)
		if (has(countries[r], country))
			return (enum region)r;
	return REGION_COUNT;
}

const char *region_name(enum region r)
{
	static const char *const names[REGION_COUNT + 1] = {
	    "africa",        "antarctica", "asia",          "europe",
	    "north-america", "oceania",    "south-america", "",
	};

	return names[r];
}

bool region_parse(enum region *out, const char *name)
{
	for (unsigned r = 0; r < REGION_COUNT; r++)
		if (strcasecmp(region_name((enum region)r), name) == 0) {
			*out = (enum region)r;
			return true;
		}
	return false;
}
