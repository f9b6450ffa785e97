// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { load } from '../lib/modules.mjs';

const require = load();
const link = require('latchkey.link');
const plan = require('latchkey.plan');

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

test('whatever the router finds doubtful is said in words for people, but for what module where says', () => {
	const go = readFileSync(new URL('../../../pkgs/share/share.go', import.meta.url), 'utf8');
	const words = [ ...go.matchAll(/^\t[A-Z]\w+ += "([a-z-]+)"/gm) ].map(m => m[1]);

	assert.equal(words.length, 10);
	for (const word of words.filter(w => w != 'may-change'))
		assert.match(link.warning({ word, text: 'x' }), /^[A-Z].{30,}\.$/, word);
	assert.equal(link.warning({ word: 'of-later', text: 'it is late' }), 'it is late');
	assert.equal(link.warning({ word: 'constructor' }), '');
});

test('short names can be typed', () => {
	for (const [ host, name ] of [ [ 'OpenWrt', 'home' ], [ '', 'home' ], [ 'Büro Router!', 'b-ro-router' ], [ 'attic', 'attic' ] ])
		assert.equal(link.shortName(host), name);
});

test('first use draws ports where browsers can send, and keeps those that are there', () => {
	for (let i = 0; i < 200; i++) {
		const m = plan.main({});
		const [ first, last ] = m.ports.split('-').map(Number);

		assert.equal(last - first + 1, 6144);
		assert.ok(first >= 10240 && last <= 60999, m.ports);
		assert.ok(+m.stun_port >= 10240 && (+m.stun_port < first || +m.stun_port > last));
	}
	for (const main of [ { ports: '20480-26623', stun_port: '41641', interface: [ 'wwan' ] }, { ports: '20480-26623' }, { stun_port: '41641', interface: 'wan gone' } ])
		assert.deepEqual(plan.main(main, [ 'gone' ]), { enabled: '1' }, JSON.stringify(main));
});

test('first use leaves the interfaces to the firewall, also where none of those that are named exists', () => {
	assert.equal('interface' in plan.main({}, []), false);
	assert.equal(plan.main({ stun_port: '41641', interface: [ 'wan', 'wan6' ] }, [ 'wan', 'wan6' ]).interface, null);
});

test('a client gets a name that is free, and a key', () => {
	const client = plan.clientSection('Anna’s phone', [ 'nas_ssh' ], [ 'anna_s_phone' ]);

	assert.deepEqual([ client['.name'], client.door ], [ 'anna_s_phone_2', [ 'nas_ssh' ] ]);
	assert.match(client.key, /^[A-Za-z0-9_-]{43}$/);
});
