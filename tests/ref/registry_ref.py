#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry a second time: events, their chain of hashes, signed heads, and invites.

    registry_ref.py DIR           writes DIR/registry.json
    registry_ref.py --check DIR   compares it with what is there
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

from onion_ref import Seeded, plain, sha

# Ed25519 (RFC 8032), in affine coordinates.

P = 2 ** 255 - 19
Q = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE = (15112221349535400772501151409588531511454012693041857206046113283949847762202,
        46316835694926478169428394003475163141307993866256225615783033603165251855960)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P,
            (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P)


def times(k, point):
    out = (0, 1)
    for bit in bin(k)[2:]:
        out = add(out, out)
        if bit == '1':
            out = add(out, point)
    return out


def pack(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, 'little')


def expand_seed(seed):
    h = hashlib.sha512(seed).digest()
    return int.from_bytes(h[:32], 'little') & ((1 << 254) - 8) | 1 << 254, h[32:]


def sign_public(seed):
    return pack(times(expand_seed(seed)[0], BASE))


def sign(seed, message):
    a, prefix = expand_seed(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), 'little') % Q
    first = pack(times(r, BASE))
    k = int.from_bytes(hashlib.sha512(first + sign_public(seed) + message).digest(), 'little')
    return first + ((r + k * a) % Q).to_bytes(32, 'little')


def selftest():
    """RFC 8032 7.1, test 2."""
    seed = bytes.fromhex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
    assert sign_public(seed).hex().startswith('3d4017c3e843895a92b70aa74d1b7ebc')
    assert sign(seed, b'\x72').hex().startswith('92a009a9f0d4cab8720e820b5f642540')


# The log.

ADD, REMOVE, ROTATE, CHANGE = 1, 2, 3, 4
FIELDS = ('key', 'operator', 'roles', 'stake', 'commitments', 'contact')


def encode(event):
    bits = sum(1 << n for n, name in enumerate(FIELDS) if name in event)
    out = struct.pack('<BBI', event['type'], bits, event['slot'])
    out += struct.pack('<Q', event['time'])[:6]
    out += event.get('key', b'') + event.get('operator', b'')
    if 'roles' in event:
        out += bytes([event['roles']])
    if 'stake' in event:
        out += struct.pack('<Q', event['stake'])
    out += event.get('commitments', b'')
    if 'contact' in event:
        contact = event['contact']
        out += contact['link_key'] + contact['ip'] + struct.pack('<H', contact['port'])
    return out


def head_bytes(seed, count, time, chain):
    head = struct.pack('<BQQ', 1, count, time) + chain
    return head + sign(seed, b'macromesh/1 registry head' + sign_public(seed) + head)


def log(r):
    """Six events that touch every field and every type."""
    def contact():
        return {'link_key': r.bytes(32), 'ip': bytes(10) + b'\xff\xff' + r.bytes(4), 'port': 4600}

    time = 1790000000
    return [
        {'type': ADD, 'slot': 0, 'time': time, 'key': r.bytes(32), 'operator': r.bytes(32),
         'roles': 7, 'contact': contact()},
        {'type': ADD, 'slot': 1, 'time': time + 1, 'key': r.bytes(32), 'operator': r.bytes(32),
         'roles': 2, 'stake': r.below(1 << 62), 'commitments': r.bytes(32)},
        {'type': ADD, 'slot': 2, 'time': time + 1, 'key': r.bytes(32), 'operator': r.bytes(32),
         'roles': 5, 'stake': 1, 'commitments': r.bytes(32), 'contact': contact()},
        {'type': CHANGE, 'slot': 1, 'time': time + 5, 'roles': 6, 'stake': r.below(1 << 62),
         'contact': contact()},
        {'type': ROTATE, 'slot': 2, 'time': time + 9, 'key': r.bytes(32)},
        {'type': REMOVE, 'slot': 0, 'time': time + 9},
    ]


# Invites.

def invite(seed, expires, seeds):
    body = b'\1' + sign_public(seed) + struct.pack('<Q', expires)[:6] + bytes([len(seeds)])
    for s in seeds:
        body += s['id'] + s['link_key'] + s['ip'] + struct.pack('<H', s['port'])
    body += sign(seed, b'macromesh/1 invite' + body)
    body += sha(body)[:4]
    return 'macro:' + base64.urlsafe_b64encode(body).decode().rstrip('=')


def invites(r, seed):
    out = []
    for count, expires in ((1, 0), (3, 1800000000)):
        seeds = [{'id': r.bytes(32), 'link_key': r.bytes(32), 'ip': r.bytes(16), 'port': 4600 + n}
                 for n in range(count)]
        out.append({'expires': expires, 'seeds': seeds, 'text': invite(seed, expires, seeds)})
    return out


def vectors():
    r = Seeded('registry')
    seed = r.bytes(32)
    chain = sha(b'macromesh/1 registry' + sign_public(seed))
    out = {'registrar_seed': seed, 'registrar': sign_public(seed), 'start': chain,
           'empty_head': head_bytes(seed, 0, 1790000000, chain), 'events': []}
    for n, event in enumerate(log(r), 1):
        chain = sha(chain + encode(event))
        out['events'].append(dict(event, bytes=encode(event), hash=chain,
                                  head=head_bytes(seed, n, event['time'] + 3, chain)))
    out['invites'] = invites(r, seed)
    return out


def main(args):
    selftest()
    path = pathlib.Path(args[-1]) / 'registry.json'
    text = json.dumps(plain(vectors()), indent=1) + '\n'
    if args[:1] != ['--check']:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f'{path} is not what the reference makes')


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
