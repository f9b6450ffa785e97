// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, words, without } from '../lib/modules.mjs';

const status = load()('latchkey.status');
const running = { running: true, now: '2026-11-25T12:00:00.5Z', devices: [ { name: 'wan', state: 'up' } ] };
const clock = s => status.facts({ ...running, ...s }).at(-1);
const ago = { clock_since: '2026-11-25T11:57:00Z' };

test('the overview says why the clock is right, and since when', () => {
	assert.deepEqual(clock({ clock: 'synchronised', clock_reason: 'ntp', ...ago }),
		{ level: 'good', text: 'The router’s clock is right: set by NTP 3 minutes ago.' });
	assert.deepEqual(clock({ clock: 'synchronised', clock_reason: 'kernel' }),
		{ level: 'good', text: 'The router’s clock is right, says its kernel.' });
	assert.equal(clock({ clock: 'synchronised', clock_reason: 'given' }).text, 'The router’s clock is right.');
});

test('the overview says why the clock may be wrong, and what that means', () => {
	const texts = {
		unset: 'The router’s clock is not set yet.',
		unsync: 'The router’s clock may be wrong: NTP said 3 minutes ago that no time server answers.',
		silent: 'The router’s clock may be wrong: the last word of NTP came 3 minutes ago.',
		moved: 'The router’s clock may be wrong: it was set by something else than NTP.',
		given: 'The router’s clock may be wrong.'
	};

	for (const reason in texts) {
		const fact = clock({ clock: 'free', clock_reason: reason, ...ago });

		assert.equal(fact.text, texts[reason]);
		assert.equal(fact.level, 'warn');
		assert.match(fact.todo, /^Knocks work, /);
	}
});

test('every reason of the daemon has a sentence of its own', { skip: without(words('clock')) }, () => {
	assert.equal(new Set(words('clock').map(w => clock({ clock: 'free', clock_reason: w, ...ago }).text)).size, words('clock').length);
});

test('the overview says of a device that its filter is coarse or that it is not heard', () => {
	const facts = device => status.facts({ ...running, clock: 'synchronised', devices: [ { name: 'wan', state: 'up', ...device } ] });
	const coarse = 'without the hints of messages, because net.core.optmem_max is 10240 (hint: sysctl -w net.core.optmem_max=131072)';

	assert.deepEqual(facts({ coarse }).map(f => f.level), [ 'good', 'good', 'warn' ]);
	assert.match(facts({ coarse }).at(-1).text, /^The kernel has too little room .* device wan: knocks work, /);
	assert.equal(facts({ coarse }).at(-1).todo, coarse);
	assert.equal(facts({ problem: 'listen on wan: permission denied' })[0].text, 'Running, but no network device is there to listen on.');
	assert.equal(facts({ problem: 'listen on wan: permission denied' }).at(-1).todo, 'listen on wan: permission denied');
	assert.equal(facts({}).length, 2);
});

test('of two devices, the one that cannot be listened to is told', () => {
	const facts = status.facts({ ...running, clock: 'synchronised', devices: [ { name: 'wan', state: 'up' }, { name: 'wan6', state: 'up', problem: 'no memory' } ] });

	assert.equal(facts[0].text, 'Running, and listening on wan.');
	assert.equal(facts.at(-1).text, 'Network device wan6 cannot be listened to, so no knock can arrive there.');
	assert.equal(facts.at(-1).todo, 'no memory');
});

test('a door that cannot be opened for another reason is drawn anew', () => {
	const seen = reason => status.fingerprint({ ...running, doors: [ { name: 'nas', state: 'broken', reason } ] }, []);

	assert.notEqual(seen('no zone lan'), seen('no zone wan'));
});

test('the page is drawn anew when the minutes have changed', () => {
	const seen = now => status.fingerprint({ ...running, now, clock: 'synchronised', clock_reason: 'ntp', ...ago }, []);

	assert.equal(seen('2026-11-25T12:00:10Z'), seen('2026-11-25T12:00:20Z'));
	assert.notEqual(seen('2026-11-25T12:00:10Z'), seen('2026-11-25T12:02:10Z'));
});
