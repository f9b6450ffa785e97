// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, words, without } from '../lib/modules.mjs';

const require = load();
const link = require('latchkey.link');
const plan = require('latchkey.plan'), rules = require('latchkey.rules');

test('keys are 32 random bytes in the alphabet of links', () => {
	const keys = new Set(Array.from({ length: 50 }, link.makeKey));

	assert.equal(keys.size, 50);
	for (const k of keys) {
		assert.match(k, /^[A-Za-z0-9_-]{43}$/);
		assert.equal(Buffer.from(k, 'base64url').length, 32);
	}
});

test('fwknop keys are in the text that Fwknop2 splits', () => {
	const keys = link.makeFwknopKeys();

	assert.equal(Buffer.from(keys.key, 'base64').length, 32);
	assert.equal(Buffer.from(keys.hmac, 'base64').length, 64);
	assert.match(link.fwknopText(keys), /^KEY_BASE64:[A-Za-z0-9+\/]{43}= HMAC_KEY_BASE64:[A-Za-z0-9+\/]{86}==$/);
});

test('whatever the router finds doubtful is said in words for people, but for what module where says', { skip: without(words('warning')) }, () => {
	for (const word of words('warning').filter(w => w != 'may-change'))
		assert.match(link.warning({ word, text: 'x' }), /^[A-Z].{30,}\.$/, word);
	assert.equal(link.warning({ word: 'of-later', text: 'it is late' }), 'it is late');
	assert.equal(link.warning({ word: 'constructor' }), '');
});

test('short names can be typed', () => {
	for (const [ host, name ] of [ [ 'OpenWrt', 'home' ], [ '', 'home' ], [ 'Büro Router!', 'b-ro-router' ], [ 'attic', 'attic' ] ])
		assert.equal(link.shortName(host), name);
});

const nothing = { doors: [], sequences: [], firewall: [], listeners: [] };

test('first use draws ports that nothing else has, and takes UDP 443 only where it is free', () => {
	const almost = { '.name': 'd', proto: 'tcp udp', port: '10000-20000 30000-65535' };

	for (let i = 0; i < 50; i++) {
		const m = plan.main({}, [], [ 'wan' ], { ...nothing, doors: [ almost ] });

		assert.ok(+m.ports.split('-')[0] > 20000 && +m.ports.split('-')[1] < 30000, m.ports);
		assert.ok(+m.stun_port[0] > 20000 && +m.stun_port[0] < 30000, m.stun_port[0]);
	}
	const udp = (around, main) => plan.main({ ...main }, [], [ 'wan' ], { ...nothing, ...around }).stun_port.length;
	const forward = { '.type': 'redirect', '.name': 'r', src: 'wan', src_dport: '400-500' };

	for (const around of [ { doors: [ { '.name': 'q', proto: 'udp', port: '443' } ] }, { doors: [ { '.name': 'q', port: '80 440-450/udp' } ] }, { firewall: [ forward ] },
		{ firewall: [ { '.type': 'rule', '.name': 'r', src: 'wan', dest_port: '443', target: 'ACCEPT' } ] }, { listeners: [ { name: 'WireGuard', proto: 'udp', port: 443 } ] }, { sequences: [ { '.name': 's', step: [ '442/udp' ] } ] } ])
		assert.equal(udp(around), 1, JSON.stringify(around));
	assert.equal(udp({}, { spa_port: '443' }), 1);
	for (const around of [ { doors: [ { '.name': 'w', proto: 'tcp', port: '443' }, { '.name': 'u', proto: 'udp', port: '442 444' } ] }, { firewall: [ { ...forward, proto: 'tcp' } ] }, { listeners: [ { name: 'LuCI', proto: 'tcp', port: 443 } ] } ])
		assert.equal(udp(around), 2, JSON.stringify(around));

	const only = plan.main({}, [], [ 'wan' ], { ...nothing, doors: [ { '.name': 'd', port: '1-29999/udp 30001-65535/udp 1-20000/tcp 26145-65535/tcp' } ] });

	assert.deepEqual([ only.stun_port, only.ports ], [ [ '30000' ], '20001-26144' ], 'the only ones that are free');
	assert.equal(plan.main({}, [], [ 'wan' ], { ...nothing, doors: [ { '.name': 'all', proto: 'tcp udp', port: '1-65535' } ] }).stun_port.length, 1, 'where none is free, some are drawn nevertheless');
});

test('first use draws ports where browsers can send, and keeps those that are there', () => {
	for (let i = 0; i < 200; i++) {
		const m = plan.main({}, [], [ 'wan' ], nothing);
		const [ first, last ] = m.ports.split('-').map(Number), [ port, web ] = m.stun_port;

		assert.equal(last - first + 1, 6144);
		assert.ok(first >= rules.DRAWN[0] && last <= rules.DRAWN[1], m.ports);
		assert.ok(+port >= rules.DRAWN[0] && +port <= rules.DRAWN[1] && (+port < first || +port > last));
		assert.deepEqual([ web, m.stun_port.length ], [ '443', 2 ]);
	}
	for (const main of [ { ports: '20480-26623', stun_port: '41641', interface: [ 'wwan' ] }, { ports: '20480-26623' }, { stun_port: '41641', interface: 'wan gone' } ])
		assert.deepEqual(plan.main(main, [ 'gone' ]), { enabled: '1' }, JSON.stringify(main));
});

test('first use leaves the interfaces to the firewall, also where none of those that are named exists', () => {
	assert.equal('interface' in plan.main({}, [], [ 'wan' ], nothing), false);
	assert.equal(plan.main({ stun_port: '41641', interface: [ 'wan', 'wan6' ] }, [ 'wan', 'wan6' ]).interface, null);
});

test('a client gets a name that is free, and a key', () => {
	const client = plan.clientSection('Anna’s phone', [ 'nas_ssh' ], [ 'anna_s_phone' ]);

	assert.deepEqual([ client['.name'], client.door ], [ 'anna_s_phone_2', [ 'nas_ssh' ] ]);
	assert.match(client.key, /^[A-Za-z0-9_-]{43}$/);
});
