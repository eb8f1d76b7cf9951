#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and sessions a second time: handshakes, keys, cells and acknowledgements from their definition.

Like onion_ref.py, whose primitives it uses: a reference to test src/core against.

    session_ref.py DIR           writes DIR/link.json and DIR/session.json
    session_ref.py --check DIR   compares them with what is there
"""
import hashlib
import json
import pathlib
import struct
import sys

from onion_ref import Seeded, aead_xor, expand, mac, plain, public, seal, selftest, sha, x25519
from onion_ref import aead_tag

CELL, BODY = 1432, 1380
DATA_FWD, LINKCTL = 0, 5


def mac128(key, data):
    return hashlib.blake2b(data, digest_size=16, key=key).digest()


class Noise:
    """The symmetric state, and the steps of either side when all secrets are known."""

    def __init__(self, name, prologue, responder_static):
        self.ck = self.h = name.encode() + bytes(32 - len(name))
        self.n = 0
        self.mix_hash(prologue)
        self.mix_hash(responder_static)

    def mix_hash(self, data):
        self.h = sha(self.h + data)

    def mix_key(self, ikm):
        prk = mac(self.ck, ikm)
        self.ck = mac(prk, b'\1')
        self.k, self.n = mac(prk, self.ck + b'\2'), 0

    def encrypt(self, text):
        tag, ct = seal(self.k, self.n, self.h, text)
        self.n += 1
        self.mix_hash(ct + tag)
        return ct + tag

    def split(self):
        prk = mac(self.ck, b'')
        first = mac(prk, b'\1')
        return first, mac(prk, first + b'\2')


# Links.

def hello(suites, is_node, length):
    text = struct.pack('<IIHB', 1, 0, suites, is_node)
    return text + bytes(length - len(text))


def tai64n(wall_ns):
    return struct.pack('>QI', (1 << 62) + 10 + wall_ns // 10**9, wall_ns % 10**9)


def with_macs(message, receiver_static):
    assert len(message) == 1400
    return message + mac128(sha(b'mac1' + receiver_static), message) + bytes(16)


def link_handshake(v):
    i_static, r_static = public(v['initiator_secret']), public(v['responder_secret'])
    i_e, r_e = v['initiator_ephemeral'], v['responder_ephemeral']
    head = struct.pack('<BBHI', 1, 1, 1, v['initiator_index'] | v['responder_index'] % 8 << 24)
    s = Noise('Noise_IK_25519_ChaChaPoly_SHA256', b'macromesh/1 link' + head[1:], r_static)
    s.mix_hash(public(i_e))
    s.mix_key(x25519(i_e, r_static))
    sealed = s.encrypt(i_static)
    s.mix_key(x25519(v['initiator_secret'], r_static))
    sealed += s.encrypt(tai64n(v['wall_ns']) + hello(1, v['initiator_is_node'], 20))
    init = head + public(i_e) + bytes(1200) + sealed
    init = with_macs(init + bytes(64), r_static)

    s.mix_hash(public(r_e))
    s.mix_key(x25519(r_e, public(i_e)))
    s.mix_key(x25519(r_e, i_static))
    sealed = s.encrypt(hello(1, v['responder_is_node'], 32))
    resp = struct.pack('<BBHII', 2, 1, 1, v['responder_index'], v['initiator_index'])
    resp += public(r_e) + bytes(1104) + sealed
    resp = with_macs(resp + bytes(1400 - len(resp)), i_static)
    return init, resp, s.split()


def link_keys(k):
    return {'header': expand(k, 'macromesh/1 hdr'), 'body': expand(k, 'macromesh/1 body')}


def link_cell(keys, index, counter, header, tag, body):
    """DATA cells bring their tag; the bodies of the others are sealed by the link."""
    circ_id, seq, kind, flags = header
    if kind > 1:
        tag, body = seal(keys['body'], counter, b'', body)
    outer = struct.pack('<II', 4 | index << 8, counter)
    text = struct.pack('<I', circ_id) + struct.pack('<Q', seq)[:6] + bytes([kind, flags])
    link_tag, text = seal(keys['header'], counter, outer + tag, text)
    return outer + text + link_tag + tag + body


def link_case(r):
    v = {name: r.bytes(32) for name in ('initiator_secret', 'responder_secret',
                                        'initiator_ephemeral', 'responder_ephemeral')}
    v['initiator_public'] = public(v['initiator_secret'])
    v['responder_public'] = public(v['responder_secret'])
    shard = (v['initiator_public'][0] ^ v['responder_public'][0]) % 8
    v.update(initiator_is_node=0, responder_is_node=1,
             initiator_index=r.below(1 << 21) << 3 | shard,
             responder_index=r.below(1 << 21) << 3 | shard,
             wall_ns=1790000000 * 10**9 + r.below(10**9))
    init, resp, (there, back) = link_handshake(v)
    v.update(init=init, resp=resp, to_responder=link_keys(there), to_initiator=link_keys(back))
    v['cells'] = []
    for to_responder, counter, kind in ((1, 0, LINKCTL), (1, 1, DATA_FWD), (0, 0, LINKCTL),
                                        (0, 1, DATA_FWD)):
        header = (r.below(1 << 32), r.below(1 << 48), kind, r.below(2))
        tag, body = r.bytes(16), r.bytes(BODY)
        keys = v['to_responder' if to_responder else 'to_initiator']
        index = v['responder_index' if to_responder else 'initiator_index']
        v['cells'].append({
            'to_responder': to_responder, 'circ_id': header[0], 'seq': header[1], 'kind': kind,
            'flags': header[3], 'tag': tag, 'body': body,
            'cell': link_cell(keys, index, counter, header, tag, body)})
        assert len(v['cells'][-1]['cell']) == CELL
    return v


# Sessions.

def session_handshake(v):
    s = Noise('Noise_NK_25519_ChaChaPoly_SHA256',
              b'macromesh/1 session' + v['exit_id'] + v['circuit_h'], public(v['exit_secret']))
    s.mix_hash(public(v['client_ephemeral']))
    s.mix_key(x25519(v['client_ephemeral'], public(v['exit_secret'])))
    request = public(v['client_ephemeral']) + s.encrypt(b'\1' + bytes(15))
    s.mix_hash(public(v['exit_ephemeral']))
    s.mix_key(x25519(v['exit_ephemeral'], public(v['client_ephemeral'])))
    answer = public(v['exit_ephemeral']) + s.encrypt(v['grant'])
    return request, answer, expand(s.ck, 'macromesh/1 root', s.h)


def path_keys(root, exporter, path_id):
    prk = mac(root, exporter + struct.pack('<I', path_id))
    return {name: expand(prk, 'macromesh/1 ' + name) for name in ('sf', 'sb', 'bind')}


def binder(bind, h, path_id, flags, weight):
    return mac(bind, b'A' + h + struct.pack('<IBB', path_id, flags, weight))[:16]


def attached_mac(bind, path_ids):
    return mac(bind, b'R' + struct.pack(f'<{len(path_ids)}I', *path_ids))[:16]


def u48(n):
    return struct.pack('<Q', n)[:6]


def pack_frame(bind, cells, total, ce, delay_16us):
    """cells: (counter, session tag) of all that is acknowledged."""
    cells = sorted(cells)
    ranges, xored = [], bytes(16)
    for seq, tag in cells:
        xored = bytes(a ^ b for a, b in zip(xored, tag))
        if ranges and ranges[-1][1] + 1 == seq:
            ranges[-1][1] = seq
        else:
            ranges.append([seq, seq])
    first, last, at, body = cells[0][0], cells[-1][0], cells[0][0], b''
    for low, high in ranges:
        body += struct.pack('<HH', low - at, high - low + 1)
        at = high + 1
    digest = mac(bind, b'P' + xored + u48(first) + u48(last))[:8]
    return u48(first) + u48(total) + struct.pack('<IHB', ce, delay_16us, len(ranges)) + body + digest


def frame(kind, body):
    return struct.pack('<H', kind << 11 | len(body)) + body


def paths_frame(v):
    body = struct.pack('<IBB', v['version'], v['flags'], len(v['path']))
    for p in v['path']:
        body += struct.pack('<IBB', p['id'], p['weight'], p['flags'])
    return frame(5, body)


def session_case(r):
    v = {name: r.bytes(32) for name in ('exit_secret', 'client_ephemeral', 'exit_ephemeral',
                                        'exit_id', 'circuit_h', 'exporter')}
    v['exit_public'] = public(v['exit_secret'])
    v['grant'] = r.bytes(56) + struct.pack('<I', 86400) + bytes(4)
    v['request'], v['answer'], v['root'] = session_handshake(v)
    v['path_id'], v['flags'], v['weight'] = 1 + r.below(1000), 0, 1
    v['keys'] = path_keys(v['root'], v['exporter'], v['path_id'])
    bind = v['keys']['bind']
    v['binder'] = binder(bind, v['circuit_h'], v['path_id'], v['flags'], v['weight'])
    v['attach'] = v['grant'][:16] + struct.pack('<IBB', v['path_id'], 0, 1) + v['binder']
    v['attached_paths'] = [v['path_id'], v['path_id'] + 1, v['path_id'] + 7]
    v['attached_mac'] = attached_mac(bind, v['attached_paths'])
    v['close_mac'] = attached_mac(bind, [v['path_id']])

    # A cell each way, with one packet in it, over three hops, and what acknowledges some cells.
    packet = b'\x45\0' + struct.pack('>H', 40) + r.bytes(36)
    frames = frame(1, packet)
    v['packet'], v['nonce'] = packet, r.below(1 << 47)
    for name, key, area in (('forward', 'sf', BODY - 2 - 36 - 16), ('backward', 'sb', BODY - 16)):
        text = frames + bytes(area - len(frames))
        ct = aead_xor(v['keys'][key], v['nonce'], text)
        v[name] = ct + aead_tag(v['keys'][key], v['nonce'], b'', ct)
    first = r.below(1 << 44)
    cells = [(first + n, r.bytes(16)) for n in (0, 1, 2, 5, 6, 9)]
    v['acked'] = [{'seq': seq, 'tag': tag} for seq, tag in cells]
    v['delay_16us'] = 125  # 2 ms
    v['pack'] = pack_frame(bind, cells, len(cells), 2, v['delay_16us'])

    # What is said of the paths, a packet that goes over two of them, and one that a dead path may
    # have lost: whole frames.
    v['paths'] = {'version': r.below(1 << 32), 'flags': 1,
                  'path': [{'id': 1 + n + r.below(1000) * 8, 'weight': r.below(256), 'flags': n % 2}
                           for n in range(3)]}
    v['paths_frame'] = paths_frame(v['paths'])
    v['number'] = r.below(1 << 48)
    v['numbered_frame'] = frame(3, u48(v['number']) + b'\x01' + packet)
    v['resent_frame'] = frame(6, struct.pack('<I', v['path_id']) + u48(v['nonce']) + b'\0' + packet)
    return v


def main(args):
    check = args[:1] == ['--check']
    directory = pathlib.Path(args[-1])
    selftest()
    r = Seeded('session')
    for name, vectors in (('link', [link_case(r) for _ in range(2)]),
                          ('session', [session_case(r) for _ in range(3)])):
        path = directory / (name + '.json')
        text = json.dumps(plain(vectors), indent=1) + '\n'
        if not check:
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f'{path} is not what the reference makes')


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
