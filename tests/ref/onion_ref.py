#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The onion a second time: CREATE, CREATED and DATA cells straight from their definition.

Slow, not constant-time, only the standard library: a reference to test src/core against.

    onion_ref.py DIR           writes DIR/create.json and DIR/onion.json
    onion_ref.py --check DIR   compares them with what is there
"""
import hashlib
import hmac
import json
import pathlib
import struct
import sys

BODY, TAG, HOP, ROUTE, STATUS, FILL = 1380, 16, 18, 128, 16, 176
MASK44, MASK48 = (1 << 44) - 1, (1 << 48) - 1
OP_FORWARD, OP_DELIVER = 1, 2


# ChaCha20-Poly1305 (RFC 8439); a nonce is the number that its last eight bytes spell.

def chacha_block(key, counter, nonce):
    def quarter(a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            v = s[z] ^ s[x]
            s[z] = (v << turn | v >> (32 - turn)) & 0xffffffff

    init = struct.unpack('<16I', b'expand 32-byte k' + key + struct.pack('<I', counter) + nonce)
    s = list(init)
    for _ in range(10):
        for col in range(4):
            quarter(col, 4 + col, 8 + col, 12 + col)
        for col in range(4):
            quarter(col, 4 + (col + 1) % 4, 8 + (col + 2) % 4, 12 + (col + 3) % 4)
    return struct.pack('<16I', *((a + b) & 0xffffffff for a, b in zip(s, init)))


def stream(key, nonce, length, first_block):
    packed = bytes(4) + struct.pack('<Q', nonce)
    count = (length + 63) // 64
    return b''.join(chacha_block(key, first_block + k, packed) for k in range(count))[:length]


def xor(a, b):
    assert len(a) == len(b)
    return bytes(x ^ y for x, y in zip(a, b))


def poly1305(key, message):
    r = int.from_bytes(key[:16], 'little') & 0x0ffffffc0ffffffc0ffffffc0fffffff
    acc = 0
    for at in range(0, len(message), 16):
        acc = (acc + int.from_bytes(message[at:at + 16] + b'\1', 'little')) * r % ((1 << 130) - 5)
    return ((acc + int.from_bytes(key[16:], 'little')) & ((1 << 128) - 1)).to_bytes(16, 'little')


def aead_tag(key, nonce, aad, ct):
    def padded(x):
        return x + bytes(-len(x) % 16)

    text = padded(aad) + padded(ct) + struct.pack('<QQ', len(aad), len(ct))
    return poly1305(stream(key, nonce, 32, 0), text)


def aead_xor(key, nonce, text):
    return xor(text, stream(key, nonce, len(text), 1))


def seal(key, nonce, aad, text):
    ct = aead_xor(key, nonce, text)
    return aead_tag(key, nonce, aad, ct), ct


def unseal(key, nonce, aad, tag, ct):
    if aead_tag(key, nonce, aad, ct) != tag:
        raise ValueError('tag')
    return aead_xor(key, nonce, ct)


# X25519 (RFC 7748), HKDF (RFC 5869).

def x25519(scalar, point):
    p = (1 << 255) - 19
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, 'little')
    u = int.from_bytes(point, 'little') & ((1 << 255) - 1)
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swapped ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % p, b * b % p, d * a % p, c * b % p
        e = (aa - bb) % p
        x3, z3 = (da + cb) ** 2 % p, u * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, 'little')


def public(secret):
    return x25519(secret, b'\x09' + bytes(31))


def sha(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(prk, label, info=b'', length=32):
    out, block, n = b'', b'', 1
    while len(out) < length:
        block = mac(prk, block + label.encode() + info + bytes([n]))
        out, n = out + block, n + 1
    return out[:length]


class Noise:
    """Noise_NK_25519_ChaChaPoly_SHA256, from either side: both know all public keys by then."""

    def __init__(self, hop, x):
        self.ck = self.h = b'Noise_NK_25519_ChaChaPoly_SHA256'
        assert len(self.h) == 32
        self.mix_hash(b'macromesh/1 circuit' + hop['id'] + struct.pack('<I', hop['key_id']) + b'\1')
        self.mix_hash(public(hop['onion_secret']))
        self.mix_hash(x)

    def mix_hash(self, data):
        self.h = sha(self.h + data)

    def mix_key(self, ikm):
        assert ikm != bytes(32)
        prk = mac(self.ck, ikm)
        self.ck = mac(prk, b'\1')
        self.k = mac(prk, self.ck + b'\2')

    def seal(self, text):
        tag, ct = seal(self.k, 0, self.h, text)
        self.mix_hash(ct + tag)
        return tag + ct

    def unseal(self, tagged):
        text = unseal(self.k, 0, self.h, tagged[:TAG], tagged[TAG:])
        self.mix_hash(tagged[TAG:] + tagged[:TAG])
        return text

    def filler(self):
        return stream(expand(self.ck, 'macromesh/1 create-fill'), 0, FILL, 0)


# CREATE and CREATED.

def route(hops, i, time_s, lifetime_s):
    last = i + 1 == len(hops)
    head = struct.pack('<BBBBIHH', 1, 1, 1 if last else 0, 0, time_s, lifetime_s, 0)
    if last:
        return head + bytes(ROUTE - len(head))
    nxt = hops[i + 1]
    head += struct.pack('<I', nxt['key_id']) + nxt['id'] + nxt['ip'] + struct.pack('<HB', nxt['port'], nxt['shard'])
    return head + bytes(ROUTE - len(head))


def create_build(hops, secrets, free, time_s, lifetime_s):
    states, tail = [], b''
    for hop, e in zip(hops, secrets):
        s = Noise(hop, public(e))
        s.mix_key(x25519(e, public(hop['onion_secret'])))
        states.append(s)
        keystream = stream(s.k, 0, BODY - 48, 1)
        seen = xor(tail, keystream[len(keystream) - len(tail):])
        tail = seen + s.filler()
    rest = free + seen  # of the last hop's text
    for i in reversed(range(len(hops))):
        body = public(secrets[i]) + states[i].seal(route(hops, i, time_s, lifetime_s) + rest)
        assert len(body) == BODY
        rest = body[:BODY - FILL]
    return body, states


def create_open(hop, body):
    s = Noise(hop, body[:32])
    s.mix_key(x25519(hop['onion_secret'], body[:32]))
    filler = s.filler()
    text = s.unseal(body[32:])
    return text[:ROUTE], text[ROUTE:] + filler, s


def create_answer(s, x, y_secret, answer, next_body):
    s.mix_hash(public(y_secret))
    s.mix_key(x25519(y_secret, x))
    status = struct.pack('<BBHIHH', answer['status'], 1, answer['lifetime_s'], answer['time_s'],
                         answer['price_class'], answer['queue_hint']) + bytes(4)
    inner = next_body[:BODY - 64] if next_body is not None else bytes(BODY - 64)
    return public(y_secret) + s.seal(status + inner)


def hop_keys(s):
    prk = mac(s.ck, bytes(32))
    keys = {name: expand(prk, 'macromesh/1 ' + name, s.h) for name in ('kf', 'kb', 'kfill', 'exp')}
    delta, epsilon = struct.unpack('<QQ', expand(prk, 'macromesh/1 off', s.h, 16))
    return {**keys, 'h': s.h, 'delta': delta & MASK44, 'epsilon': epsilon & MASK44}


# DATA cells.

def counters(hops, first, step):
    out = [first]
    for hop in hops[:-1]:
        out.append((out[-1] + step(hop)) & MASK48)
    return out


def onion_seal(hops, seq, payload):
    """payload: op, arg and what is ours of the last hop's text; gives (T, B) as each hop gets it."""
    seqs = counters(hops, seq, lambda hop: hop['delta'])
    tail = b''
    for hop, n in zip(hops, seqs):
        seen = xor(tail, stream(hop['kf'], n, BODY, 1)[BODY - len(tail):])
        tail = seen + stream(hop['kfill'], n, HOP, 0)
    text, cells = payload + seen, []
    for hop, n in reversed(list(zip(hops, seqs))):
        tag, body = seal(hop['kf'], n, b'', text)
        cells.insert(0, (tag, body))
        text = bytes([OP_FORWARD, 0]) + tag + body[:BODY - HOP]
    return cells, seqs, payload + seen


def onion_peel(hop, seq, cell):
    text = unseal(hop['kf'], seq, b'', *cell)
    return text, (text[2:18], text[18:] + stream(hop['kfill'], seq, HOP, 0))


def onion_wrap(hop, b, cell):
    return seal(hop['kb'], b, *cell)


def onion_unwrap(hops, b, cell):
    bs = counters(hops, b, lambda hop: -hop['epsilon'])
    bodies = [cell[1]]
    for hop, n in zip(hops, bs):
        bodies.append(aead_xor(hop['kb'], n, bodies[-1]))
    tag = bytes(TAG)
    for hop, n, body in reversed(list(zip(hops, bs, bodies))):
        tag = aead_tag(hop['kb'], n, tag, body)
    if tag != cell[0]:
        raise ValueError('chain')
    return bodies[-1]


# Vectors.

class Seeded:
    def __init__(self, seed):
        self.seed, self.n = seed.encode(), 0

    def bytes(self, length):
        out = b''
        while len(out) < length:
            out += sha(self.seed + struct.pack('<Q', self.n))
            self.n += 1
        return out[:length]

    def below(self, n):
        return int.from_bytes(self.bytes(16), 'little') % n


def create_case(r, n, failing=None):
    """The whole exchange; hop number `failing` (from 0) gives up.  Every step is checked."""
    hops = [{'id': r.bytes(32), 'onion_secret': r.bytes(32), 'key_id': r.below(1 << 32),
             'ip': r.bytes(16), 'port': r.below(1 << 16), 'shard': r.below(2) * (8 | r.below(8))}
            for _ in range(n)]
    secrets = [r.bytes(32) for _ in hops]
    free, time_s, lifetime_s = r.bytes(BODY - FILL * n), r.below(1 << 32), r.below(1 << 16)
    answered = n if failing is None else failing + 1
    answers = [{'status': 0, 'lifetime_s': r.below(1 << 16), 'time_s': r.below(1 << 32),
                'price_class': r.below(1 << 16), 'queue_hint': r.below(1 << 16)}
               for _ in range(answered)]
    if failing is not None:
        answers[failing]['status'] = 1 + r.below(5)
    y_secrets = [r.bytes(32) for _ in range(answered)]

    body, _ = create_build(hops, secrets, free, time_s, lifetime_s)
    create, states = [], []
    for i in range(answered):
        create.append(body)
        got, body, s = create_open(hops[i], body)
        assert got == route(hops, i, time_s, lifetime_s)
        states.append(s)
    created, body = [], None
    for i in reversed(range(answered)):
        body = create_answer(states[i], create[i][:32], y_secrets[i], answers[i], body)
        created.insert(0, body)
    return {'hops': [{**h, 'onion_public': public(h['onion_secret'])} for h in hops],
            'client_secrets': secrets, 'free': free, 'time_s': time_s, 'lifetime_s': lifetime_s,
            'hop_secrets': y_secrets, 'answers': answers, 'create': create, 'created': created,
            'keys': [hop_keys(s) for s in states]}


def create_vectors():
    r = Seeded('create')
    cases = [create_case(r, n) for n in range(1, 6)]
    return cases + [create_case(r, n, f) for n, f in ((1, 0), (3, 1), (5, 3))]


def forward_case(r, hops, seq):
    op = [OP_DELIVER, len(hops) - 1]
    payload = bytes(op) + r.bytes(BODY - 2 - HOP * (len(hops) - 1))
    cells, seqs, text = onion_seal(hops, seq, payload)
    cell = cells[0]
    for hop, n, want in zip(hops, seqs, cells):
        assert cell == want
        got, cell = onion_peel(hop, n, cell)
    assert got == text
    return {'seq': seq, 'seqs': seqs, 'payload': payload, 'text': text,
            'cells': [tag + body for tag, body in cells]}


def backward_case(r, hops, b):
    text = r.bytes(BODY)
    bs = counters(hops, b, lambda hop: -hop['epsilon'])
    cell, cells = (bytes(TAG), text), []
    for hop, n in reversed(list(zip(hops, bs))):
        cell = onion_wrap(hop, n, cell)
        cells.insert(0, cell)
    assert onion_unwrap(hops, b, cell) == text
    return {'b': b, 'bs': bs, 'text': text, 'cells': [tag + body for tag, body in cells]}


def onion_vectors():
    r = Seeded('onion')
    names = ('kf', 'kb', 'kfill', 'exp', 'h')
    hops = [{**{name: r.bytes(32) for name in names},
             'delta': r.below(1 << 44), 'epsilon': r.below(1 << 44)} for _ in range(5)]
    starts = [(n, r.below(1 << 44)) for n in range(1, 6)]
    wraps = starts + [(5, MASK48), (3, 0)]  # counters run over 48 bits and under 0
    return {'hops': hops,
            'forward': [forward_case(r, hops[:n], seq) for n, seq in wraps],
            'backward': [backward_case(r, hops[:n], b) for n, b in wraps]}


def selftest():
    """RFC 8439 2.3.2 and 2.5.2, RFC 7748 5.2, RFC 5869 A.1."""
    key = bytes(range(32))
    block = chacha_block(key, 1, bytes.fromhex('000000090000004a00000000'))
    assert block.hex().startswith('10f1e7e4d13b5915500fdd1fa32071c4')
    poly_key = bytes.fromhex('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b')
    assert (poly1305(poly_key, b'Cryptographic Forum Research Group').hex()
            == 'a8061dc1305136c6c22b8baf0c0127a9')
    k = bytes.fromhex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4')
    u = bytes.fromhex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c')
    assert (x25519(k, u).hex()
            == 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552')
    prk = mac(bytes(range(13)), b'\x0b' * 22)
    okm = expand(prk, '', bytes(range(0xf0, 0xfa)), 42)
    assert okm.hex().startswith('3cb25f25faacd57a90434f64') and okm.hex().endswith('5865')


def plain(value):
    """JSON has no bytes: hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def main(args):
    check = args[:1] == ['--check']
    directory = pathlib.Path(args[-1])
    selftest()
    for name, vectors in (('create', create_vectors()), ('onion', onion_vectors())):
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
