// SPDX-License-Identifier: Apache-2.0

// The page's own code against testdata/vectors, without a browser.

import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { core } from './page.mjs';

const page = core('sha256', 'hmac', 'seal', 'makeBody', 'doorTag', 'base64', 'slots', 'presses', 'parseLink', 'otherPort', 'hostsOf', 'tryPort', 'portsText', 'targetOf', 'secondsOf', 'sameKey', 'judge', 'ascii', 'bytes', 'pickupName', 'unseal', 'unbase64');
const hex = b => Buffer.from(b).toString('hex');
const dir = new URL('../vectors/', import.meta.url);

/** A vector: the values of each key, each a list of words. */
function load(name) {
	const vector = {};
	for (const line of readFileSync(new URL(name, dir), 'utf8').split('\n')) {
		if (!line || line.startsWith('#')) continue;
		const [, key, value] = line.match(/^([a-z-]+): (.*)$/);
		(vector[key] ??= []).push(value.split(' '));
	}
	return vector;
}

/** Opens a message as SPEC.md says, with the page's primitives, and seals it again with the page's seal. */
function open(key, message, epochs) {
	const [kh, kt, ke] = ['hint', 'tag', 'box'].map(s => page.hmac(key, page.ascii('latchkey1 ' + s)));
	const hint = message.subarray(0, 3), tag = message.subarray(3, 14), pad = page.hmac(ke, tag);
	const body = message.subarray(14).map((b, i) => b ^ pad[i]);
	const hintOf = epoch => page.hmac(kh, bigEndian(epoch)).slice(0, 3);
	if (epochs && !epochs.some(e => hex(hintOf(e)) === hex(hint))) return { word: 'unknown-key' };
	if (hex(page.hmac(kt, page.bytes(hint, body)).slice(0, 11)) !== hex(tag)) return { word: epochs ? 'bad-message' : 'unknown-key' };
	const stamp = body.subarray(0, 6).reduce((n, b) => n * 256 + b, 0);
	if (hex(hintOf(Math.floor(stamp / 60000))) !== hex(hint) || body[8] & ~1) return { word: 'bad-message' };
	const address = hex(body.subarray(10));
	if (/^(0{32}|0{20}ffff0{8}|ff.{30}|0{20}ffffe.{7})$/.test(address)) return { word: 'bad-message' };
	return { word: 'ok', body, stamp };
}

function bigEndian(n) {
	const b = Buffer.alloc(8);
	b.writeBigUInt64BE(BigInt(n));
	return [...b];
}

/** The epochs within a quarter of an hour: wide enough to tell what is stale. */
const around = now => Array.from({ length: 31 }, (_, i) => Math.floor(now / 60000) - 15 + i);

for (const name of readdirSync(dir).filter(n => n.endsWith('.txt')))
	test(`vectors/${name}`, () => {
		const v = load(name);
		const now = +v.now[0][0], synced = v.clock[0][0] === 'synchronised';
		const message = Buffer.from(v.message[0][0], 'hex');
		let found = { word: 'unknown-key' };
		for (const [, key] of v.client) {
			const r = open(Buffer.from(key, 'base64url'), message, synced && around(now));
			if (r.word !== 'unknown-key') found = { ...r, key: Buffer.from(key, 'base64url') };
			if (r.word === 'ok') break;
		}
		const want = v.expect[0][0];
		assert.equal(found.word, ['unknown-key', 'bad-message'].includes(want) ? want : 'ok');
		if (found.word !== 'ok') return;
		assert.equal(hex(page.seal(found.key, found.body)), hex(message), 'sealing the body again');
		if (want === 'stale') assert.equal(found.stamp - now, +v.ahead[0][0]);
		if (v.body) assert.equal(hex(found.body), v.body[0][0]);
		if (v.username) assert.equal(page.base64(message), v.username[0][0]);
		if (v.slots) assert.deepEqual(page.slots(+v.slots[0][0], message), v.slots[0][1].split(',').map(Number));
		const [door] = v.opens?.[0] ?? v.closes?.[0] ?? [];
		if (want === 'ok' && found.body.length === 10 && hex(found.body.subarray(6, 8)) !== '0000')
			assert.equal(hex(page.makeBody(found.stamp, door, !v.opens, found.body[9])), hex(found.body));
	});

test('SHA-256 and HMAC agree with OpenSSL at every length of padding', () => {
	for (let n = 0; n < 200; n++) {
		const text = randomBytes(n), key = randomBytes(32);
		assert.equal(hex(page.sha256(text)), createHash('sha256').update(text).digest('hex'));
		assert.equal(hex(page.hmac(key, text)), createHmac('sha256', key).update(text).digest('hex'));
	}
});

test('a press takes stamps that are apart from all others, and the present where the clock was set back', () => {
	const day = 86400e3, at = 1795348812345;
	let used = [];
	const press = now => {
		const starts = page.presses(now, used);
		used = [...used, ...starts].sort((a, b) => a - b);
		return starts.map(s => s - at);
	};

	assert.deepEqual(press(at), [0]);
	assert.deepEqual(press(at), [200]);
	assert.deepEqual(press(at + 60e3), [60e3]);
	assert.deepEqual(press(at + day), [day]);
	assert.deepEqual(press(at + 1000), [1000, 60200, day + 200]);
	assert.deepEqual(press(at + 1000), [1200, 60400, day + 400]);
	assert.deepEqual(press(at + 2 * day), [2 * day]);
});

test('whatever the clock does, no two presses are near each other', () => {
	let used = [], now = 1795348812345;
	for (let i = 0; i < 60; i++) {
		now += i % 4 ? 1000 * (i % 7) : (i % 8 ? 1 : -1) * 5e6 * (i % 5);
		for (const start of page.presses(now, used)) {
			assert.ok(used.every(u => Math.abs(u - start) >= 200), `${start} after ${used}`);
			used.push(start);
		}
		used.sort((a, b) => a - b);
	}
});

const key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const home = `http://192.168.1.1/latchkey/#v=1&n=home&h=home.example.net&a=203.0.113.7&a=2001:db8::1&u=41641&p=20480&k=${key}&d=nas_ssh,router_web`;

/** What is known of a door of which the link does not tell. */
const nothing = { tcp: '', udp: '', port: 0, service: '', usual: 0, most: 0 };

test('a link is read', () => {
	const l = page.parseLink(` ${home}&later=1\n`);
	assert.deepEqual({ ...l, k: hex(l.k) }, {
		n: 'home', h: 'home.example.net', a: ['203.0.113.7', '2001:db8::1'], u: [41641], p: 20480,
		k: hex(Buffer.from(key, 'base64url')), doors: ['nas_ssh', 'router_web'].map(name => ({ name, ...nothing, title: name.replace('_', ' ') })),
	});
	assert.equal(page.parseLink(home.replace('n=home', 'n=Mum%20%26%20Dad+%231')).n, 'Mum & Dad+#1');
	const port = page.parseLink(home.replace('u=41641&', ''));
	assert.deepEqual(port.u, []);
});

const doorsOf = parts => page.parseLink(home.replace('&d=nas_ssh,router_web', parts)).doors;

test('a link says of each door what is known of it', () => {
	const items = ['nas:tcp:2222:ssh:NAS%3A%20SSH%3A%202', 'web:tcp%2Budp:8443-8444%2B9000:https:', 'vpn:udp:51820%2B51821::W%C3%A4rme', 'stranger:tcp:1:ssh:x'];
	assert.deepEqual(doorsOf(`&d=nas,web,vpn,old&i=${items.join('&i=')}&t=nas:600:3600`), [
		{ name: 'nas', title: 'NAS: SSH: 2', tcp: '2222', udp: '', port: 2222, service: 'ssh', usual: 600, most: 3600 },
		{ name: 'web', title: 'web', tcp: '8443-8444+9000', udp: '8443-8444+9000', port: 8443, service: 'https', usual: 0, most: 0 },
		{ name: 'vpn', title: 'Wärme', tcp: '', udp: '51820+51821', port: 51820, service: '', usual: 0, most: 0 },
		{ name: 'old', ...nothing, title: 'old' },
	]);
});

for (const line of readFileSync(new URL('doors.tsv', dir), 'utf8').trimEnd().split('\n')) {
	const [what, link, ...wants] = line.split('\t');
	test(`the doors of a link with ${what}`, () => {
		page.parseLink(link).doors.forEach((door, i) => {
			const [name, proto, port, service, ...title] = wants[i].split(':');
			const of = wanted => proto.split('+').includes(wanted) ? port : '';
			assert.deepEqual([door.port, door.service, door.tcp, door.udp], wants[i] === '-' ? [0, '', '', ''] : [parseInt(port), service, of('tcp'), of('udp')]);
			assert.equal(door.title, title.join(':') || door.name.replace(/_/g, ' '));
			if (wants[i] !== '-') assert.equal(door.name, name);
		});
	});
}

for (const line of readFileSync(new URL('ports.tsv', dir), 'utf8').trimEnd().split('\n')) {
	const [what, link, ...wants] = line.split('\t');
	test(`the ports of a link with ${what}`, () =>
		assert.deepEqual(page.parseLink(link).doors.map(d => d.port ? `tcp=${d.tcp} udp=${d.udp}` : '-'), wants));
}

for (const line of readFileSync(new URL('stun.tsv', dir), 'utf8').trimEnd().split('\n')) {
	const [what, link, want] = line.split('\t');
	test(`the UDP ports of a link with ${what}`, () => assert.equal(page.parseLink(link).u.join(' ') || '-', want));
}

for (const line of readFileSync(new URL('times.tsv', dir), 'utf8').trimEnd().split('\n')) {
	const [what, link, ...wants] = line.split('\t');
	test(`the times of a link with ${what}`, () =>
		assert.deepEqual(page.parseLink(link).doors.map(d => d.usual ? `${d.usual}:${d.most}` : '-'), wants));
}

for (const item of ['a:sctp:22:ssh:x', 'a:tcp:0:ssh:x', 'a:tcp:65536:ssh:x', 'a:tcp:22', 'a:tcp:22:ssh', 'a:tcp:22%2B:ssh:x', 'a:tcp:1-2-3:ssh:x', 'a:tcp:http:ssh:x', 'a:tcp::ssh:x', 'a:tcp:22:SSH:x', ':tcp:22:ssh:x', 'b:tcp:22:ssh:x', 'a:tcp:23-22:ssh:x', 'a:tcp:22-65536:ssh:x', 'a:tcp:22%2B0:ssh:x', 'a:tcp:22:ssh:x%0ay', `a:tcp:22:ssh:${'ä'.repeat(65)}`, `a:tcp:22:${'s'.repeat(33)}:x`, `a:tcp:${'1%2B'.repeat(32)}1:ssh:x`, ''])
	test(`a door of which '${item}' is said has its name only`, () => {
		assert.deepEqual(doorsOf(`&d=a&i=${item}`), [{ name: 'a', ...nothing, title: 'a' }]);
	});

for (const item of ['a:600', 'a:0:3600', 'a:x:3600', 'b:600:3600', 'a:600:3600:1'])
	test(`a door whose time is '${item}' has none`, () => assert.equal(doorsOf(`&d=a&t=${item}`)[0].usual, 0));

test('a door is open for its time, or for what is wished up to the most', () => {
	const door = { usual: 600, most: 3600 };
	assert.deepEqual([0, 30, 120].map(minutes => page.secondsOf(door, minutes)), [600, 1800, 3600]);
	assert.deepEqual([0, 30].map(minutes => page.secondsOf({ usual: 0, most: 0 }, minutes)), [0, 0], 'no time is made up');
});

test('a link of a newer version says so, in whatever form', () => {
	for (const v of ['2', '17']) assert.throws(() => page.parseLink(home.replace('v=1', `v=${v}&x=y`)), { message: 'newer' });
	assert.throws(() => page.parseLink('#v=2'), { message: 'newer' });
	for (const v of ['', '0', 'x', '1.5']) assert.throws(() => page.parseLink(home.replace('v=1', `v=${v}`)), { message: 'v' });
});

test('a second code has the parts of a link', () => {
	assert.equal(page.parseLink(home.replace(/.*#/, 'latchkey:')).n, 'home');
});

test('Connect goes to the name if there is one, else to the address that answered', () => {
	const l = parts => page.parseLink(`#v=1&n=a&u=1&k=${key}&d=x${parts}`), [ssh, silent] = ['ssh', 'postgres'].map(service => ({ port: 5022, service }));
	assert.deepEqual(page.targetOf(l('&h=home.example&a=203.0.113.7'), ssh, '203.0.113.7'), { place: 'home.example:5022', url: 'ssh://home.example:5022' });
	assert.equal(page.targetOf(l('&a=203.0.113.7&a=2001:db8::1'), ssh, '2001:db8::1').url, 'ssh://[2001:db8::1]:5022');
	assert.equal(page.targetOf(l('&a=203.0.113.7&a=2001:db8::1'), ssh).url, 'ssh://203.0.113.7:5022');
	assert.deepEqual(page.targetOf(l('&h=x'), silent), { place: 'x:5022', url: '' });
	assert.deepEqual(page.targetOf(l('&h=x'), { port: 0, service: '' }), {});
});

test('what is tried is the name, an address of each family, then others', () => {
	const a = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '2001:db8::2'];
	assert.deepEqual(page.hostsOf({ h: 'x', a }), ['x', '192.0.2.1', '2001:db8::1', '192.0.2.2']);
	assert.deepEqual(page.hostsOf({ h: '', a: ['2001:db8::1'] }), ['2001:db8::1']);
	assert.deepEqual(page.hostsOf({ h: '192.0.2.1', a: ['192.0.2.1'] }), ['192.0.2.1']);
});

test('the port beside the door is no port of knocks, of a door, or one that browsers avoid', () => {
	const doors = [{ tcp: '22+26624' }, { tcp: '26625', udp: '26626' }];
	assert.equal(page.otherPort({ p: 20480, u: [41641], doors: [] }), 26624);
	assert.equal(page.otherPort({ p: 20480, u: [41641], doors }), 26626);
	assert.equal(page.otherPort({ p: 20480, u: [41641], doors: [{ tcp: '26620-26630' }] }), 26631);
	assert.equal(page.otherPort({ p: 20480, u: [41641], doors: [{ tcp: '20000-65535' }] }), 10240);
	assert.equal(page.otherPort({ p: 20480, u: [41641], doors: [{ tcp: '1-65535' }] }), 65535, 'there is none');
	assert.equal(page.otherPort({ p: 59392, u: [], doors: [] }), 10240);
	assert.equal(page.otherPort({ p: 0, u: [65535], doors: [] }), 10240);
	assert.equal(page.otherPort({ p: 521, u: [], doors: [] }), 6670);
	const tries = { '2222': 2222, '22': 0, '6000': 0, '22+80': 80, '21-25': 24, '': 0, '6665-6669+1-65535': 2 };
	for (const [tcp, port] of Object.entries(tries)) assert.equal(page.tryPort({ tcp, udp: '7' }), port, tcp);
});

test('the ports of a door are told in the order of its link', () => {
	const told = (tcp, udp, port) => page.portsText({ tcp, udp, port });
	assert.equal(told('443', '', 443), '443');
	assert.equal(told('', '51820', 51820), '51820');
	assert.equal(told('53', '53', 53), '53');
	assert.equal(told('22', '60000-61000', 22), '22, 60000-61000/udp');
	assert.equal(told('443', '51820', 51820), '51820, 443/tcp');
	assert.equal(told('1+2+3+4', '5', 1), '1, 2, 3, …');
});

test('a link renews one of its key only, whatever its name and place', () => {
	const l = (n, h, a, k) => ({ n, h, a, k: [k] });
	const one = l('home', 'x', ['192.0.2.1'], 1);
	for (const [same, other] of [[true, l('new', 'y', [], 1)], [false, l('home', 'x', ['192.0.2.1'], 2)], [false, l('home', 'y', ['192.0.2.1'], 2)]])
		assert.equal(page.sameKey(one, other), same, JSON.stringify(other));
});

for (const line of readFileSync(new URL('links.tsv', dir), 'utf8').trimEnd().split('\n')) {
	const [verdict, what, link] = line.split('\t');
	test(`a link with ${what} is ${verdict}`, () => {
		if (verdict === 'good') page.parseLink(link);
		else assert.throws(() => page.parseLink(link), { message: /^([#vnhaupkd]|us|newer)$/ });
	});
}

for (const line of readFileSync(new URL('pickup.tsv', dir), 'utf8').trimEnd().split('\n')) {
	const [verdict, what, codeText, name, sealed, link] = line.split('\t');
	test(`a pick-up with ${what} is ${verdict}`, () => {
		const code = page.unbase64(codeText), open = () => page.unseal(code, page.unbase64(sealed));
		assert.equal(page.pickupName(code), name);
		if (verdict === 'good') assert.equal(open(), link);
		else assert.throws(open);
	});
}

test('the part that is wrong is named', () => {
	assert.throws(() => page.parseLink(home.replace(key, 'secret')), { message: 'k' });
	assert.throws(() => page.parseLink(home.replace('41641', '65536')), { message: 'u' });
});
