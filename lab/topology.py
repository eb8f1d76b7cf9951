# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a lab has, their addresses, and how far apart they are."""

import math
import re
import tomllib
from dataclasses import dataclass

import settings
from errors import LabError

ROLES = {"entry", "relay", "exit", "client", "origin"}
NODE_ROLES = ("entry", "relay", "exit")
HOSTS_MAX = 1000

# Where most of a country's servers stand: degrees north and east.
PLACES = {
    "at": (48.2, 16.4), "au": (-33.9, 151.2), "br": (-23.5, -46.6), "ca": (43.7, -79.4),
    "ch": (47.4, 8.5), "cz": (50.1, 14.4), "de": (50.1, 8.7), "dk": (55.7, 12.6),
    "es": (40.4, -3.7), "fi": (60.2, 24.9), "fr": (48.9, 2.4), "gb": (51.5, -0.1),
    "ie": (53.3, -6.3), "in": (19.1, 72.9), "is": (64.1, -21.9), "it": (45.5, 9.2),
    "jp": (35.7, 139.7), "nl": (52.4, 4.9), "no": (59.9, 10.8), "pl": (52.2, 21.0),
    "ro": (44.4, 26.1), "se": (59.3, 18.1), "sg": (1.4, 103.8), "us": (39.0, -77.5),
    "za": (-26.2, 28.0),
}
EARTH_KM = 6371.0
FIBRE_KM_PER_MS = 200.0  # two thirds of the speed of light
LIGHT_KM_PER_MS = 299.8
DETOUR = 1.3             # cables do not follow great circles
LAST_MILE_MS = 1.0


@dataclass(frozen=True)
class Host:
    """Each host is alone in an IPv4 /16 and an IPv6 /32: a path uses no two nodes of one."""

    name: str
    index: int
    country: str
    roles: tuple
    operator: str
    bandwidth: str
    workers: str
    seeds: tuple = ()  # names of hosts; none: all entries
    claim: str = ""    # the country it says it is in; none: the true one
    city: str = ""
    asn: int = 0       # of its addresses in the location database; 0: one of its own

    @property
    def claimed_country(self):
        return self.claim or self.country

    @property
    def system(self):
        return self.asn or 64511 + self.index

    @property
    def _octets(self):
        return f"{5 + self.index // 256}.{self.index % 256}"

    @property
    def v4(self):
        return f"{self._octets}.0.2"

    @property
    def v6(self):
        return f"2a00:{self.index:x}::2"

    @property
    def gateway4(self):
        return f"{self._octets}.0.1"

    @property
    def gateway6(self):
        return f"2a00:{self.index:x}::1"

    @property
    def net4(self):
        return f"{self._octets}.0.0/16"

    @property
    def net6(self):
        return f"2a00:{self.index:x}::/32"

    @property
    def node_roles(self):
        return [role for role in self.roles if role in NODE_ROLES]

    @property
    def is_node(self):
        return bool(self.node_roles)

    @property
    def runs_daemon(self):
        return self.is_node or "client" in self.roles


def distance_ms(a, b):
    """One way, by cable, between two countries."""
    (north_a, east_a), (north_b, east_b) = ([math.radians(x) for x in PLACES[c]] for c in (a, b))
    half_chord = (math.sin((north_b - north_a) / 2) ** 2
                  + math.cos(north_a) * math.cos(north_b) * math.sin((east_b - east_a) / 2) ** 2)
    km = 2 * EARTH_KM * math.asin(math.sqrt(half_chord))
    return km / FIBRE_KM_PER_MS * DETOUR + LAST_MILE_MS


class Topology:
    """hosts: by name, in the file's order.  link_settings(a, b): what their direction starts with."""

    def __init__(self, hosts, links, config, registry=None, is_flat=False, scale=1.0):
        self.hosts = {host.name: host for host in hosts}
        self._config = config
        self.registry_keeper = (registry or {}).get("keeper")  # None: an open mesh
        self.later_members = set((registry or {}).get("later", ()))
        self._links = links
        self._is_flat = is_flat
        self._scale = scale

    @property
    def config(self):
        """Of every daemon: {section: {key: value}}; without witnesses, if anything is faster than light."""
        is_possible = not self._is_flat and self._scale >= FIBRE_KM_PER_MS / LIGHT_KM_PER_MS / DETOUR
        if is_possible:
            return self._config
        return {**self._config, "mesh": {"location_witnesses": "off", **self._config.get("mesh", {})}}

    def with_role(self, role):
        return [host for host in self.hosts.values() if role in host.roles]

    def link_settings(self, a, b):
        """Settings of the first [[link]] that names the pair, over the countries' distance."""
        result = {}
        if not self._is_flat:
            delay_ms = distance_ms(a.country, b.country) * self._scale
            result["delay_us"] = round(delay_ms * 1000)
        for source, destination, values in self._links:
            if source in ("*", a.name) and destination in ("*", b.name):
                result.update(values)
                break
        return {name: value for name, value in result.items() if value}


def _read_host(path, name, index, fields):
    where = f"{path}: host {name}"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", name) or name in ("lo", "core", "wan0"):
        raise LabError(f"{where}: a name is up to 15 of a-z, 0-9 and '-', and not lo, core or wan0")
    known = "country", "roles", "operator", "bandwidth", "workers", "seeds", "claim", "city", "asn"
    unknown = set(fields) - set(known)
    if unknown:
        raise LabError(f"{where}: unknown key {sorted(unknown)[0]}: one of {', '.join(known)}")
    roles = tuple(fields.get("roles", ()))
    if not set(roles) <= ROLES:
        raise LabError(f"{where}: roles are {', '.join(sorted(ROLES))}")
    country = fields.get("country", "de")
    if country not in PLACES:
        raise LabError(f"{where}: no place known for country {country!r}; "
                       f"one of {' '.join(sorted(PLACES))}, or add it to lab/topology.py")
    return Host(name, index, country, roles, fields.get("operator", f"op-{name}"),
                fields.get("bandwidth", "200M"), str(fields.get("workers", 1)),
                tuple(fields.get("seeds", ())), fields.get("claim", ""), fields.get("city", ""),
                fields.get("asn", 0))


def _read_link(path, hosts, fields):
    ends = []
    for key in ("from", "to"):
        end = fields.get(key, "*")
        if end != "*" and end not in hosts:
            raise LabError(f"{path}: link {key} {end!r}: no such host")
        ends.append(end)
    words = [f"{key}={value}" for key, value in fields.items() if key not in ("from", "to")]
    return (*ends, settings.parse(words))


def load(path, is_flat=False, scale=1.0):
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise LabError(f"topology {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"topology {path}: {error}") from error
    unknown = set(document) - {"hosts", "link", "config", "registry"}
    if unknown:
        raise LabError(f"{path}: unknown table {sorted(unknown)[0]}: [hosts], [[link]], "
                       "[config] or [registry]")
    if not 1 <= len(document.get("hosts", {})) <= HOSTS_MAX:
        raise LabError(f"{path}: [hosts] has one line for each of 1 to {HOSTS_MAX} hosts")
    hosts = [_read_host(path, name, index, fields)
             for index, (name, fields) in enumerate(document["hosts"].items(), 1)]
    names = {host.name for host in hosts}
    links = [_read_link(path, names, fields) for fields in document.get("link", [])]
    for host in hosts:
        for seed in set(host.seeds) - names:
            raise LabError(f"{path}: host {host.name}: seeds: no such host {seed!r}")
    registry = document.get("registry", {})
    if set(registry) - {"keeper", "later"} or (registry and "keeper" not in registry):
        raise LabError(f"{path}: [registry] has keeper, the node that has it, and later, nodes that "
                       "are no members yet")
    for name in {registry.get("keeper"), *registry.get("later", ())} - {None} - names:
        raise LabError(f"{path}: [registry]: no such host {name!r}")
    return Topology(hosts, links, document.get("config", {}), registry, is_flat, scale)
