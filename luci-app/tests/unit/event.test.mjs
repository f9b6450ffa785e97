// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, words, without } from '../lib/modules.mjs';

const event = load()('latchkey.event');
const names = { doors: { nas_ssh: 'NAS' }, clients: { anna: 'Anna’s phone' } };
const said = e => event.sentence(e, names).join('');

test('every reason of the daemon has a sentence and a remedy', { skip: without(words('reason')) }, () => {
	for (const w of words('reason')) {
		const r = event.reasons()[w];

		assert.ok(r, 'no sentence for ' + w);
		assert.ok(r.what({}).length > 10 && r.todo.length > 10, w);
	}
	assert.deepEqual(Object.keys(event.reasons()).filter(w => !words('reason').includes(w)), [], 'words that the daemon does not know');
});

test('every kind of event of the daemon has a sentence and a word', { skip: without(words('kind')) }, () => {
	const german = load('de')('latchkey.event'); // whose words are not the daemon's
	const outcomes = words('kind').map(kind => german.outcome({ kind }));

	load();
	for (const [ i, kind ] of words('kind').entries()) {
		assert.notEqual(said({ kind }), kind, kind);
		assert.notEqual(outcomes[i], kind, kind);
	}
});

test('every reason for an early closing of the daemon is known', { skip: without(words('closing')) }, () => {
	assert.deepEqual(words('closing'), Object.keys(event.closings()).sort());
});

test('a clock that is wrong is told with its difference', () => {
	assert.equal(event.refusal({ reason: 'stale', skew: 540 }).what, 'The client’s clock is 9 minutes ahead of the router’s.');
	assert.equal(event.refusal({ reason: 'stale', skew: -7300 }).what, 'The client’s clock is 2 hours behind the router’s.');
	assert.equal(event.refusal({ reason: 'stale' }).what, 'The client’s clock and the router’s clock differ too much.');
});

test('details that tell refusals apart are those of the daemon', { skip: without(words('detail')) }, () => {
	const what = detail => event.refusal({ reason: 'not-allowed', address: '203.0.113.7', detail }).what;
	const told = words('detail').map(detail => what(detail.replace('%s', '203.0.113.7')));

	assert.equal(new Set([ ...told, what('') ]).size, told.length + 1, 'each has a sentence of its own');
});

test('a door without an address of the sender’s family is told apart from one that was not given', () => {
	assert.match(event.refusal({ reason: 'not-allowed', address: '2001:db8::7', detail: 'door "nas" leads nowhere for 2001:db8::7: its' }).what, /over IPv6/);
	assert.match(event.refusal({ reason: 'not-allowed', address: '203.0.113.7', detail: 'door "nas" leads nowhere for 203.0.113.7: its' }).what, /over IPv4/);
	assert.match(event.refusal({ reason: 'not-allowed', address: '203.0.113.7', detail: '' }).what, /was not given/);
});

test('what is wrong in a fwknop packet with the right HMAC is told in the daemon’s words', () => {
	assert.match(event.refusal({ reason: 'bad-message', knock: 'fwknop', detail: 'its inner digest does not fit' }).what, /cannot be read: .*its inner digest does not fit/);
	assert.match(event.refusal({ reason: 'not-allowed', knock: 'fwknop', detail: 'client "a" asks to be forwarded' }).what, /does not get: .*asks to be forwarded/);
	assert.match(event.refusal({ reason: 'bad-message', knock: 'message stun', detail: 'x' }).what, /by guessing/);
	assert.match(event.refusal({ reason: 'not-allowed', knock: 'message stun', detail: '127.0.0.1 is not the address of a host: nobody can connect from there' }).what, /Nobody can connect/);
});

test('an unknown reason shows what the daemon said', () => {
	assert.deepEqual(event.refusal({ reason: 'new-word', detail: 'something new' }), { what: 'something new', todo: '' });
});

test('sentences name people and doors by their titles', () => {
	assert.equal(said({ kind: 'opened', client: 'anna', door: 'nas_ssh', address: '203.0.113.9' }), 'Anna’s phone opened NAS for 203.0.113.9');
	assert.equal(said({ kind: 'opened', knock: 'control', door: 'nas_ssh', address: '203.0.113.9' }), 'The owner opened NAS for 203.0.113.9');
	assert.equal(said({ kind: 'refused', address: '203.0.113.9' }), 'A knock from 203.0.113.9 was refused');
	assert.equal(said({ kind: 'refused', client: 'anna', address: '203.0.113.9' }), 'Anna’s phone was refused, from 203.0.113.9');
	assert.equal(said({ kind: 'closed', door: 'nas_ssh' }), 'NAS was closed for every address');
});

test('how a knock came is told for each kind', () => {
	for (const [ knock, words ] of [ [ 'sequence home', 'by sequence “home”' ], [ 'message stun', 'by key, over UDP' ],
		[ 'message ports', 'by key, over TCP ports' ], [ 'fwknop', 'by fwknop packet' ], [ 'control', 'by hand at the router' ], [ '', '' ] ])
		assert.equal(event.how(knock), words);
	assert.equal(event.how('message stun', 'message ports'), 'by key, over UDP and TCP ports');
});

test('a press of two messages did not happen twice', () => {
	assert.deepEqual(event.notes({ kind: 'opened', knock: 'message stun', also: 'message ports', count: 2 }), []);
});

test('a copy from another address of the same press is told without alarm', () => {
	const usual = { kind: 'refused', reason: 'replayed', client: 'anna', address: '203.0.113.8', usual: true };

	assert.equal(event.tone(usual), 'quiet');
	assert.match(event.refusal(usual).todo, /two addresses/);
	assert.equal(event.tone({ ...usual, usual: false }), 'bad');
	assert.match(event.refusal({ ...usual, usual: false }).todo, /recorded/);
});

test('a knock from inside says how to try the door', () => {
	const inside = { kind: 'inside', client: 'anna', address: '192.168.1.33', knock: 'message stun', detail: 'it came from inside (br-lan)' };

	assert.equal(said(inside), 'Anna’s phone knocked from inside, from 192.168.1.33');
	assert.equal(said({ ...inside, door: 'nas_ssh' }), 'Anna’s phone knocked at NAS from inside, from 192.168.1.33');
	assert.match(event.notes(inside).join(' '), /switch Wi-Fi off/);
	assert.equal(event.group(inside), 'refused');
});

test('alike and hidden refusals are counted', () => {
	const notes = event.notes({ kind: 'refused', reason: 'trip-wire', count: 12, hidden: 3 });

	assert.ok(notes.includes('Happened 12 times.'));
	assert.ok(notes.includes('3 more refusals before it are not shown.'));
});
